// A host of MCP Apps, made of the official library: what a chat program would be around the task list.
//
// `open` connects to the todo server, calls list_tasks as a model would, and shows its page in a sandboxed frame.
// `person` is how somebody answers the server's questions. The rest is what a test looks at or does.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { AppBridge, PostMessageTransport, RESOURCE_MIME_TYPE, getToolUiResourceUri } from "@modelcontextprotocol/ext-apps/app-bridge";

const TOOL = "list_tasks";
const CAPABILITIES = { serverTools: {}, updateModelContext: { text: {} } };

class Host {
  heights = [];
  notes = [];
  questions = [];

  async open({ user, args = {}, context = {}, capabilities = CAPABILITIES, era = "auto", person }) {
    this.context = context;
    this.client = new Client(
      { name: "host", version: "1" },
      {
        capabilities: {
          extensions: { "io.modelcontextprotocol/ui": { mimeTypes: [RESOURCE_MIME_TYPE] } },
          ...(person && { elicitation: { form: {} } }),
        },
        versionNegotiation: { mode: era },
      },
    );
    if (person) {
      this.client.setRequestHandler("elicitation/create", ({ params }) => {
        this.questions.push(params.message);
        return { action: person, ...(person === "accept" && { content: {} }) };
      });
    }
    await this.client.connect(new StreamableHTTPClientTransport(new URL(`/mcp?user=${user}`, location.href)));
    const { tools } = await this.client.listTools();
    const tool = tools.find(({ name }) => name === TOOL);
    const { contents } = await this.client.readResource({ uri: getToolUiResourceUri(tool) });
    this.resource = contents[0];

    const frame = document.querySelector("iframe");
    const transport = new PostMessageTransport(frame.contentWindow, frame.contentWindow);
    const hostContext = { ...context, toolInfo: { tool } };
    this.bridge = new AppBridge(this.client, { name: "host", version: "1" }, capabilities, { hostContext });
    this.bridge.onsizechange = ({ height }) => this.heights.push(height);
    this.bridge.onupdatemodelcontext = async ({ content }) => {
      this.notes.push(content[0].text);
      return {};
    };
    this.bridge.onrequestdisplaymode = async ({ mode }) => {
      this.change({ displayMode: mode });
      return { mode };
    };
    const initialized = new Promise((resolve) => (this.bridge.oninitialized = resolve));
    await this.bridge.connect(transport);
    frame.src = "/tasks";
    await initialized;
    await this.answer(args);
  }

  /** Call list_tasks as the model does, and hand the page arguments and result. */
  async answer(args) {
    await this.bridge.sendToolInput({ arguments: args });
    await this.bridge.sendToolResult(await this.client.callTool({ name: TOOL, arguments: args }));
  }

  change(context) {
    this.context = { ...this.context, ...context };
    this.bridge.setHostContext(this.context);
  }
}

window.host = new Host();
