// Calls of the todo server's tools in the reader's name, for the undo of what the assistant did.

import type { CallToolResult } from "@modelcontextprotocol/client";
import type { Api } from "./api";
import type { Tools } from "./model";
import { Backoff } from "./presence";
import { passes, troubleOf } from "./problem";
import { randomKey } from "./random";
import type { Json } from "./wire";

const EFFECT_KEY_META = "io.todo-chat/effect-key";
const TRIES = 3;

export class TodoTools implements Tools {
  readonly #api: Api;
  readonly #lifetime: AbortSignal;

  constructor(api: Api, lifetime: AbortSignal) {
    this.#api = api;
    this.#lifetime = lifetime;
  }

  async call(name: string, parameters: Record<string, Json>): Promise<Json> {
    const params = { name, arguments: parameters, _meta: { [EFFECT_KEY_META]: `page/${randomKey()}` } };
    const backoff = new Backoff();
    for (let tries = 1; ; tries += 1) {
      try {
        return contentOf(await this.#api.callTool(params, this.#lifetime));
      } catch (error) {
        if (!passes(error) || tries === TRIES) throw new Error(wordsOf(error), { cause: error });
      }
      await backoff.pause(this.#lifetime);
    }
  }
}

class Refusal extends Error {}

/** Return a tool's structured answer. Throws `Refusal` with what it said where it refused. */
function contentOf({ isError, structuredContent, content }: CallToolResult): Json {
  const text = content.find((block) => block.type === "text")?.text ?? "";
  if (isError) throw new Refusal(text || "The todo server refused without saying why.");
  return (structuredContent ?? text) as Json;
}

function wordsOf(error: unknown): string {
  return error instanceof Refusal ? error.message : troubleOf(error).text;
}
