// The calls of chat-api, in the name of one user. Each throws `Problem` or `NoAnswer`, or the signal's reason.

import type {
  CallToolRequest,
  CallToolResult,
  ReadResourceRequest,
  ReadResourceResult,
} from "@modelcontextprotocol/client";
import { NoAnswer, Problem, readProblem } from "./problem";
import type { Session } from "./session";
import { serverSentEvents } from "./sse";
import type { ChatRequest, Conversation, Decision, Message, Page, Run, RunEvent, Timeline } from "./wire";

const ANSWER_SECONDS = 30;
const LAST_EVENT_ID = "Last-Event-ID";

export interface NumberedEvent {
  /** Grows from event to event of a run; numbers may be missing. */
  n: number;
  event: RunEvent;
}

/** An open connection that brings the events of a run. */
export interface RunStream {
  readonly runId: string;
  /** They end when the run rests. Throws `NoAnswer` where the connection is lost or closed. */
  readonly events: AsyncGenerator<NumberedEvent, void>;
  close(): void;
}

/** Which page of a list is wanted: the first, or the one behind another's `next_cursor`. */
interface Asked {
  cursor?: string;
  limit?: number;
}

interface Call {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  body?: unknown;
  headers?: Record<string, string>;
  /** Let the request go on when the page goes away. */
  keepalive?: boolean;
}

export class Api {
  readonly #session: Session;
  readonly #userId: string;
  readonly #lifetime: AbortSignal;

  /** Calls end with `lifetime`. The session's user is whose calls these are, also when somebody else signs in. */
  constructor(session: Session, lifetime: AbortSignal = new AbortController().signal) {
    if (session.userId === undefined) throw new Error("nobody is signed in");
    this.#session = session;
    this.#userId = session.userId;
    this.#lifetime = lifetime;
  }

  /** One page of conversations, the most recently updated first; `query` are words of their titles. */
  conversations(page: Asked & { query?: string }, signal?: AbortSignal): Promise<Page<Conversation>> {
    return this.#json(`conversations${search(page)}`, {}, signal);
  }

  conversation(id: number, signal?: AbortSignal): Promise<Conversation> {
    return this.#json(`conversations/${id}`, {}, signal);
  }

  rename(id: number, title: string): Promise<Conversation> {
    return this.#json(`conversations/${id}`, { method: "PATCH", body: { title } });
  }

  async remove(id: number, keepalive: boolean): Promise<void> {
    await this.#answer(`conversations/${id}`, { method: "DELETE", keepalive });
  }

  /** One page of a conversation's messages, newest first. */
  messages(id: number, page: Asked, signal?: AbortSignal): Promise<Page<Message>> {
    return this.#json(`conversations/${id}/messages${search(page)}`, {}, signal);
  }

  /** One page of a conversation's runs, newest first. */
  runs(id: number, page: Asked, signal?: AbortSignal): Promise<Page<Run>> {
    return this.#json(`conversations/${id}/runs${search(page)}`, {}, signal);
  }

  run(runId: string, signal?: AbortSignal): Promise<Run> {
    return this.#json(`runs/${encodeURIComponent(runId)}`, {}, signal);
  }

  /** What a run did when, as far as it has come. */
  timeline(runId: string, signal?: AbortSignal): Promise<Timeline> {
    return this.#json(`runs/${encodeURIComponent(runId)}/timeline`, {}, signal);
  }

  /** Stop a run. The answer is its state, which may become `cancelled` only later. */
  cancel(runId: string, signal?: AbortSignal): Promise<Run> {
    return this.#json(`runs/${encodeURIComponent(runId)}/cancel`, { method: "POST" }, signal);
  }

  decide(runId: string, decisions: Decision[], signal?: AbortSignal): Promise<Run> {
    return this.#json(`runs/${encodeURIComponent(runId)}/approvals`, { method: "POST", body: { decisions } }, signal);
  }

  /** Send a message. Under the same key it is the same message, whose run is begun or joined. */
  send(body: ChatRequest, key: string, signal: AbortSignal): Promise<RunStream> {
    return this.#follow("chat", { method: "POST", body, headers: { "Idempotency-Key": key } }, signal);
  }

  /** Go on with a run that failed or was stopped. */
  retry(runId: string, signal: AbortSignal): Promise<RunStream> {
    return this.#follow(`runs/${encodeURIComponent(runId)}/retry`, { method: "POST" }, signal);
  }

  /** Read a run's events behind number `after`. */
  events(runId: string, after: number, signal: AbortSignal): Promise<RunStream> {
    const headers: Record<string, string> = after > 0 ? { [LAST_EVENT_ID]: `${runId}:${after}` } : {};
    return this.#follow(`runs/${encodeURIComponent(runId)}/events`, { headers }, signal);
  }

  /** Call a tool of the todo server. What it refuses is a result with `isError`. */
  callTool(params: CallToolRequest["params"], signal?: AbortSignal): Promise<CallToolResult> {
    return this.#json("mcp/tools/call", { method: "POST", body: params }, signal);
  }

  readResource(params: ReadResourceRequest["params"], signal?: AbortSignal): Promise<ReadResourceResult> {
    return this.#json("mcp/resources/read", { method: "POST", body: params }, signal);
  }

  /** Yield the address of what has changed at the todo server, each time, until the connection is lost (`NoAnswer`). */
  async *taskChanges(signal: AbortSignal): AsyncGenerator<string, void> {
    const response = await this.#open("mcp/changes", {}, signal);
    for await (const { data } of serverSentEvents(response)) yield (JSON.parse(data) as { uri: string }).uri;
  }

  async #follow(path: string, call: Call, signal: AbortSignal): Promise<RunStream> {
    const connection = new AbortController();
    const response = await this.#open(path, call, AbortSignal.any([signal, connection.signal]));
    const location = /\/runs\/([^/]+)$/.exec(response.headers.get("Content-Location") ?? "");
    if (!location) throw new Error("the answer does not name its run");
    return {
      runId: decodeURIComponent(location[1]!),
      events: numbered(response),
      close: () => connection.abort(),
    };
  }

  /** Open a stream; its head has to come in the time of any other answer. */
  async #open(path: string, call: Call, signal: AbortSignal): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), ANSWER_SECONDS * 1000);
    try {
      const headers = { ...call.headers, Accept: "text/event-stream" };
      return await this.#send(path, { ...call, headers }, AbortSignal.any([signal, late.signal]), signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async #json<Answer>(path: string, call: Call, signal?: AbortSignal): Promise<Answer> {
    const response = await this.#answer(path, call, signal);
    try {
      return (await response.json()) as Answer;
    } catch (error) {
      signal?.throwIfAborted();
      throw new NoAnswer({ cause: error });
    }
  }

  #answer(path: string, call: Call, signal?: AbortSignal): Promise<Response> {
    const late = AbortSignal.timeout(ANSWER_SECONDS * 1000);
    return this.#send(path, call, signal ? AbortSignal.any([signal, late]) : late, signal);
  }

  /** `signal` breaks the request off; `given` is the caller's part of it, whose reason the caller is to get back. */
  async #send(path: string, call: Call, signal: AbortSignal, given?: AbortSignal): Promise<Response> {
    for (let renewed = false; ; renewed = true) {
      this.#lifetime.throwIfAborted();
      const { token } = this.#session;
      if (token === undefined) throw new Problem(401, { type: "unauthenticated" }, new Headers());
      const either = AbortSignal.any([signal, this.#lifetime]);
      const response = await this.#fetch(path, call, token, either).catch((error) => {
        this.#lifetime.throwIfAborted();
        given?.throwIfAborted();
        throw new NoAnswer({ cause: error });
      });
      if (response.ok) return response;
      const problem = await readProblem(response);
      if (response.status !== 401) throw problem;
      if (renewed) this.#session.refused(token, problem.message);
      if (renewed || !(await this.#session.renew(token, problem.message))) throw problem;
    }
  }

  #fetch(path: string, call: Call, token: string, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { ...call.headers, Authorization: `Bearer ${token}` };
    const init: RequestInit = { method: call.method ?? "GET", headers, cache: "no-store", signal };
    if (call.body !== undefined) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(call.body);
    }
    if (call.keepalive) init.keepalive = true;
    return fetch(`/api/${encodeURIComponent(this.#userId)}/${path}`, init);
  }
}

async function* numbered(response: Response): AsyncGenerator<NumberedEvent, void> {
  for await (const { id, data } of serverSentEvents(response)) {
    yield { n: Number(id!.slice(id!.lastIndexOf(":") + 1)), event: JSON.parse(data) as RunEvent };
  }
}

function search(parameters: object): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}
