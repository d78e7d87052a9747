// One MCP client of the TypeScript SDK: a JSON call {"tool", "arguments"} per line on standard input, a JSON answer
// {"tools"} (once, before the first call) or the tool's result per line of standard output.
//
//   node client.mjs CLIENT ERA URL TOKEN [ANSWER]
//
// CLIENT is the SDK's first generation (sdk) or its second (client); ERA is a protocol revision. With ANSWER the client
// lets the server ask its user (elicitation), who always answers that: accept, decline or cancel.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// Installed below the folder that this is started in, not beside this file.
const { resolve } = createRequire(`${process.cwd()}/`);
const load = (name) => import(pathToFileURL(resolve(name)));

const [generation, era, url, token, action] = process.argv.slice(2);
const identity = { name: "todo-chat-tests", version: "1.0.0" };
const options = { requestInit: { headers: { Authorization: `Bearer ${token}` } } };

async function connected() {
  if (generation === "sdk") {
    const { Client } = await load("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = await load("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const client = new Client(identity);
    await client.connect(new StreamableHTTPClientTransport(new URL(url), options));
    return client;
  }
  const { Client, StreamableHTTPClientTransport } = await load("@modelcontextprotocol/client");
  const mode = era === "2026-07-28" ? { pin: era } : "legacy";
  const capabilities = action ? { elicitation: { form: {} } } : {};
  const client = new Client(identity, { versionNegotiation: { mode }, capabilities });
  if (action) {
    client.setRequestHandler("elicitation/create", async () => (action === "accept" ? { action, content: {} } : { action }));
  }
  await client.connect(new StreamableHTTPClientTransport(new URL(url), options));
  return client;
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const client = await connected();
// The SDK checks every result against the output schemas that it has seen here.
const { tools } = await client.listTools();
say({ tools: tools.map((tool) => tool.name), revision: client.transport.protocolVersion });
for await (const line of createInterface({ input: process.stdin })) {
  const { tool, arguments: given } = JSON.parse(line);
  say(await client.callTool({ name: tool, arguments: given }));
}
await client.close();
