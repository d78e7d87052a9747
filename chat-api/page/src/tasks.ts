// The task list beside the chat: a host of the todo server's MCP App (MCP Apps 2026-01-26), which runs in a frame
// without an origin of its own and reaches the tasks through this page alone.

import "./csp";
import type { CallToolRequest, CallToolResult, ReadResourceRequest, ReadResourceResult } from "@modelcontextprotocol/client";
import {
  AppBridge,
  type McpUiHostContext,
  type McpUiHostStyles,
  type McpUiStyles,
  PostMessageTransport,
} from "@modelcontextprotocol/ext-apps/app-bridge";
import { followChanges } from "./changes";
import { button, element } from "./dom";
import { visible } from "./presence";

/** The way to the user's tasks: calls of chat-api's bridge, which throw where no answer came. */
export interface TasksBridge {
  callTool(params: CallToolRequest["params"]): Promise<CallToolResult>;
  readResource(params: ReadResourceRequest["params"]): Promise<ReadResourceResult>;
  /** One event at once and one for each change, wherever it was made; ends or throws when the connection is lost. */
  taskChanges(signal: AbortSignal): AsyncIterable<unknown>;
}

/** What the page tells its apps of itself. */
export type Surroundings = Required<Pick<McpUiHostContext, "theme" | "locale" | "timeZone">>;

export interface TasksOptions extends Surroundings {
  /** The frame fills this element. */
  mount: HTMLElement;
  bridge: TasksBridge;
}

export interface TasksPanel {
  /** Tell the app of another theme, locale or zone. */
  adapt(surroundings: Partial<Surroundings>): void;
  /** Have the tasks read anew. */
  refresh(): void;
  focus(): void;
  /** Take the app out of the page, and hear no more changes. */
  close(): Promise<void>;
}

const DOCUMENT = "/widget";
const HOST = { name: "todo-chat", version: "1" };
const LIST = { name: "list_tasks", arguments: { sort: "due" } };
/** Tells the app no more than that its list may be out of date. */
const OUT_OF_DATE: CallToolResult = { content: [], structuredContent: {} };
const READABLE = /^(todo:\/\/|ui:\/\/todo\/)/;
/** The app is offered no more than this: it may not speak to the model, nor in the user's name in a chat. */
const CAPABILITIES = { serverTools: {}, serverResources: {}, openLinks: {} };

/** The frame fills its part of the page, and there is no other way to show it. */
const SHOWN: McpUiHostContext = { platform: "web", displayMode: "inline", availableDisplayModes: ["inline"] };
const TOKENS = {
  "--color-background-primary": "--surface",
  "--color-background-secondary": "--raised",
  "--color-text-primary": "--text",
  "--color-text-secondary": "--muted",
  "--color-text-danger": "--danger",
  "--color-border-primary": "--line",
  "--color-ring-primary": "--focus",
  "--border-radius-md": "--radius",
  "--font-sans": "--sans",
};

/** Time after which a frame that is still empty is explained. */
const PATIENCE_MS = 5_000;
/** Of a todo server that is away the document tells by itself, and loads again: this is for a page that is cut off. */
const RELOAD_MS = 15_000;
const FAREWELL_MS = 1_000;
/** Changes that come together are read together. */
const GATHER_MS = 50;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

export function openTasks(options: TasksOptions): TasksPanel {
  return new TaskHost(options);
}

class TaskHost implements TasksPanel {
  readonly #tasks: TasksBridge;
  readonly #life = new AbortController();
  readonly #frame = element("iframe", { title: "Tasks", sandbox: "allow-scripts" });
  readonly #problem = element("p", { role: "alert" });
  readonly #notice = element("div", { class: "notice", hidden: true }, this.#problem, button("Try again", () => this.#load()));
  readonly #app: AppBridge;
  readonly #sight: IntersectionObserver;
  /** Changes are listened to while the list can be seen. */
  #listening: AbortController | undefined;
  #context: McpUiHostContext;
  #initialized = false;
  #loading: ReturnType<typeof setTimeout> | undefined;
  /** When the app is told next that its list may be out of date. */
  #telling: { timer: ReturnType<typeof setTimeout>; at: number } | undefined;
  /** Number of readings of the list that are under way. */
  #readings = 0;
  #pause = FIRST_PAUSE_MS;

  constructor({ mount, bridge, theme, locale, timeZone }: TasksOptions) {
    this.#tasks = bridge;
    this.#context = { theme, locale, timeZone, styles: styles(), ...SHOWN };
    mount.append(this.#frame, this.#notice);
    this.#app = this.#connect();
    this.#sight = new IntersectionObserver(([entry]) => this.#seen(entry!.isIntersecting));
    this.#sight.observe(mount);
  }

  adapt(surroundings: Partial<Surroundings>): void {
    this.#context = { ...this.#context, ...surroundings };
    if (this.#initialized) this.#app.setHostContext(this.#context);
  }

  refresh(): void {
    this.#refreshAfter(GATHER_MS);
  }

  focus(): void {
    this.#frame.focus();
  }

  async close(): Promise<void> {
    this.#life.abort();
    this.#sight.disconnect();
    this.#seen(false);
    clearTimeout(this.#loading);
    clearTimeout(this.#telling?.timer);
    this.#notice.remove();
    this.#frame.hidden = true;
    if (this.#initialized) {
      // An app that does not answer is taken away all the same.
      await this.#app.teardownResource({}, { timeout: FAREWELL_MS }).catch(console.info);
    }
    await this.#app.close();
    this.#frame.remove();
  }

  #connect(): AppBridge {
    const app = new AppBridge(null, HOST, CAPABILITIES, { hostContext: this.#context });
    // The list is read while the app is loading.
    const first = this.#call(LIST);
    first.catch(() => undefined);
    app.oninitialized = () => void this.#begin(first);
    app.oncalltool = (params) => this.#call(params);
    app.onreadresource = async (params) => {
      if (!READABLE.test(params.uri)) throw new Error("This page reads the user's tasks and nothing else.");
      return this.#tasks.readResource(params);
    };
    app.onopenlink = async ({ url }) => ({ ...(!opened(url) && { isError: true }) });
    app.onerror = (error) => console.warn("The task list:", error);
    const view = this.#frame.contentWindow!;
    // What the app asks for first must find a listener, so its document comes after the connection.
    void app.connect(new PostMessageTransport(view, view)).then(() => this.#load());
    return app;
  }

  #seen(seen: boolean): void {
    if (!seen) {
      this.#listening?.abort();
      this.#listening = undefined;
    } else if (!this.#listening) {
      this.#listening = new AbortController();
      const { signal } = this.#listening;
      void followChanges((lost) => this.#tasks.taskChanges(lost), () => this.refresh(), signal);
    }
  }

  #load(): void {
    if (this.#life.signal.aborted) return;
    clearTimeout(this.#loading);
    this.#frame.src = DOCUMENT;
    this.#loading = setTimeout(() => this.#explain(), PATIENCE_MS);
  }

  #explain(): void {
    this.#frame.hidden = true;
    this.#notice.hidden = false;
    this.#problem.textContent = "The task list does not load. It is tried again by itself.";
    this.#loading = setTimeout(() => this.#load(), RELOAD_MS);
  }

  /** `first` is the list as it was read while the app was loading. */
  async #begin(first: Promise<CallToolResult>): Promise<void> {
    clearTimeout(this.#loading);
    this.#initialized = true;
    this.#notice.hidden = true;
    this.#frame.hidden = false;
    this.#frame.parentElement?.removeAttribute("aria-busy");
    this.#app.setHostContext(this.#context);
    await this.#app.sendToolInput({ arguments: LIST.arguments });
    const result = await first.catch(() => this.#call(LIST)).catch(refusal);
    if (!this.#life.signal.aborted) await this.#app.sendToolResult(result);
  }

  async #call(params: CallToolRequest["params"]): Promise<CallToolResult> {
    const reads = params.name === LIST.name;
    if (reads) this.#readings += 1;
    try {
      const result = await this.#tasks.callTool(params);
      this.#pause = FIRST_PAUSE_MS;
      return result;
    } catch (error) {
      // The app tells what failed, and offers to try again. Whether the list can be read is tried without being asked.
      this.#refreshAfter(this.#pause);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
      throw error;
    } finally {
      if (reads) this.#readings -= 1;
    }
  }

  #refreshAfter(ms: number): void {
    const at = performance.now() + ms;
    if (this.#life.signal.aborted || (this.#telling && this.#telling.at <= at)) return;
    clearTimeout(this.#telling?.timer);
    this.#telling = { timer: setTimeout(() => void this.#tell(), ms), at };
  }

  async #tell(): Promise<void> {
    const { signal } = this.#life;
    await visible(signal).catch(() => undefined);
    this.#telling = undefined;
    // The list is read anyhow by an app that has only just come, and when it comes into sight again.
    if (!this.#initialized || !this.#listening) return;
    // A reading that is under way may have missed what happened since it began.
    if (this.#readings > 0) this.#refreshAfter(GATHER_MS);
    else await this.#app.sendToolResult(OUT_OF_DATE);
  }
}

/** The page's colours and letters under the names that apps know; light-dark() is resolved there, by the theme. */
function styles(): McpUiHostStyles {
  const page = getComputedStyle(document.documentElement);
  const variables = Object.entries(TOKENS).map(([name, token]) => [name, page.getPropertyValue(token).trim()] as const);
  const size = getComputedStyle(document.body).fontSize;
  return { variables: { ...Object.fromEntries(variables), "--font-text-md-size": size } as McpUiStyles };
}

function refusal(error: Error): CallToolResult {
  return { isError: true, content: [{ type: "text", text: error.message }] };
}

/** Open a link of the app's in a tab that knows nothing of this one. */
function opened(address: string): boolean {
  const url = URL.parse(address);
  if (url?.protocol !== "https:" && url?.protocol !== "http:") return false;
  open(url, "_blank", "noopener,noreferrer");
  return true;
}
