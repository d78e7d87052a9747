// Calls of the todo server's tools through the host, and what can come of one.

import type { Host } from "./host";
import type { ListArguments, Task, TaskFields, TaskPage } from "./tasks";
import { inWords } from "./words";

const EFFECT_KEY_META = "io.todo-chat/effect-key";

/** The server refused for good and changed nothing; the text says why. */
export class Refusal extends Error {}

/** No answer came, so it is not known whether it was done. Sending the same call again is safe: see `Call.key`. */
export class NoAnswer extends Error {}

/** A call that changes something. */
export interface Call {
  name: "add_task" | "update_task" | "complete_task" | "reopen_task" | "delete_task" | "restore_task";
  arguments: { task_id?: number; expected_version?: number } & TaskFields;
  /** The server does what a key stands for once, however often the call is sent. */
  key: string;
}

export function call(name: Call["name"], args: Call["arguments"]): Call {
  const random = crypto.getRandomValues(new Uint32Array(4));
  return { name, arguments: args, key: `widget/${Array.from(random, (part) => part.toString(36)).join("-")}` };
}

export class Calls {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  list(args: ListArguments): Promise<TaskPage> {
    return this.#send("list_tasks", { ...args });
  }

  get(taskId: number): Promise<Task> {
    return this.#send("get_task", { task_id: taskId });
  }

  change(change: Call): Promise<Task> {
    return this.#send(change.name, { ...change.arguments }, { [EFFECT_KEY_META]: change.key });
  }

  /** Days and times are read in this IANA zone from now on. */
  async setZone(zone: string): Promise<void> {
    await this.#send("set_timezone", { timezone: zone });
  }

  async #send<Answer>(name: string, args: Record<string, unknown>, meta?: Record<string, unknown>): Promise<Answer> {
    let result;
    try {
      result = await this.#host.request("tools/call", { name, arguments: args, ...(meta && { _meta: meta }) });
    } catch (error) {
      // It is told in the middle of a sentence.
      throw new NoAnswer((error as Error).message.replace(/\.$/, ""));
    }
    return contentOf<Answer>(result);
  }
}

/** Return what a tool answered with; a host may hand on the text alone. Throws `Refusal`. */
export function contentOf<Answer>(result: {
  isError?: boolean | undefined;
  structuredContent?: unknown;
  content?: unknown;
}): Answer {
  const blocks = (result.content ?? []) as { type: string; text?: string }[];
  const text = blocks.find((block) => block.type === "text")?.text ?? "";
  if (result.isError) throw new Refusal(inWords(text) || "the todo server refused without saying why");
  if (result.structuredContent) return result.structuredContent as Answer;
  try {
    return JSON.parse(text) as Answer;
  } catch {
    throw new Refusal("the answer holds no tasks");
  }
}
