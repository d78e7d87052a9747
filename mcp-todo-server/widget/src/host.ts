// The view's half of MCP Apps 2026-01-26: JSON-RPC 2.0 by postMessage with the frame's parent.
//
// Written out rather than taken from @modelcontextprotocol/ext-apps, whose App class brings a schema library and
// weighs twenty times as much as this whole page; its types are what this file is checked against, and its
// AppBridge is the host that the page is tested in.

import type { CallToolRequest, CallToolResult } from "@modelcontextprotocol/client";
import type {
  McpUiDisplayMode,
  McpUiHostCapabilities,
  McpUiHostContext,
  McpUiHostContextChangedNotification,
  McpUiInitializedNotification,
  McpUiInitializeRequest,
  McpUiInitializeResult,
  McpUiRequestDisplayModeRequest,
  McpUiRequestDisplayModeResult,
  McpUiSizeChangedNotification,
  McpUiToolCancelledNotification,
  McpUiToolInputNotification,
  McpUiToolResultNotification,
  McpUiUpdateModelContextRequest,
} from "@modelcontextprotocol/ext-apps";

const PROTOCOL_VERSION = "2026-01-26";
const METHOD_NOT_FOUND = -32601;
/** A person may be asked before a call is carried out; this is the longest that the server waits for their answer. */
const ANSWER_SECONDS = 600;

interface Requests {
  "ui/initialize": [McpUiInitializeRequest["params"], McpUiInitializeResult];
  "ui/request-display-mode": [McpUiRequestDisplayModeRequest["params"], McpUiRequestDisplayModeResult];
  "ui/update-model-context": [McpUiUpdateModelContextRequest["params"], object];
  "tools/call": [CallToolRequest["params"], CallToolResult];
}

type Sent = McpUiInitializedNotification | McpUiSizeChangedNotification;
type Received =
  | McpUiToolInputNotification
  | McpUiToolResultNotification
  | McpUiToolCancelledNotification
  | McpUiHostContextChangedNotification;

export type Listeners = {
  [Method in Received["method"]]: (params: Extract<Received, { method: Method }>["params"]) => void;
};

interface Message {
  id?: number | string;
  method?: string;
  params?: object;
  result?: unknown;
  error?: { code: number; message: string };
}

interface Waiting {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
  timer: number;
}

export class Host {
  context: McpUiHostContext = {};
  capabilities: McpUiHostCapabilities = {};
  readonly #listeners: Listeners;
  readonly #waiting = new Map<number | string, Waiting>();
  #lastId = 0;

  constructor(listeners: Listeners) {
    this.#listeners = listeners;
    // The parent's origin cannot be known beforehand; the window it comes from can.
    addEventListener("message", (event) => {
      if (event.source === parent && event.data?.jsonrpc === "2.0") this.#receive(event.data as Message);
    });
  }

  async connect(version: string, modes: McpUiDisplayMode[]): Promise<void> {
    const answer = await this.request("ui/initialize", {
      protocolVersion: PROTOCOL_VERSION,
      appInfo: { name: "todo-tasks", version },
      appCapabilities: { availableDisplayModes: modes },
    });
    this.capabilities = answer.hostCapabilities;
    this.context = answer.hostContext;
    this.notify({ method: "ui/notifications/initialized", params: {} });
  }

  request<Method extends keyof Requests>(method: Method, params: Requests[Method][0]): Promise<Requests[Method][1]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error("no answer came"));
      }, ANSWER_SECONDS * 1000);
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject, timer });
      this.#post({ id, method, params });
    });
  }

  notify(notification: Sent): void {
    this.#post(notification);
  }

  #post(message: Message): void {
    parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }

  #receive(message: Message): void {
    if (message.method === undefined) this.#settle(message);
    else if (message.id !== undefined) this.#answer(message.id, message.method);
    else this.#hear(message.method, message.params ?? {});
  }

  #settle({ id, result, error }: Message): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || !waiting) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (error) waiting.reject(new Error(error.message));
    else waiting.resolve(result);
  }

  #answer(id: number | string, method: string): void {
    const known = method === "ping" || method === "ui/resource-teardown";
    this.#post({ id, ...(known ? { result: {} } : { error: { code: METHOD_NOT_FOUND, message: "Method not found" } }) });
  }

  #hear(method: string, params: object): void {
    if (method === "ui/notifications/host-context-changed") this.context = { ...this.context, ...params };
    if (Object.hasOwn(this.#listeners, method)) this.#listeners[method as Received["method"]](params as never);
  }
}
