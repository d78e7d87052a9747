// Server-sent events (WHATWG HTML, section 9.2) of a response that `fetch` brought: `EventSource` can send no token.

import { createParser, type EventSourceMessage } from "eventsource-parser";
import { NoAnswer } from "./problem";

/** The service says at least every 30 s that it is there (two spans of `journal/feed.py`, at worst). */
const SILENCE_MS = 35_000;

/**
 * Yield the events of a response as they come, until it ends. The connection is closed when the caller stops reading.
 * Throws `NoAnswer` where it breaks, or is silent for longer than one that lives can be.
 */
export async function* serverSentEvents(response: Response): AsyncGenerator<EventSourceMessage, void> {
  const arrived: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => arrived.push(event) });
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await within(SILENCE_MS, reader.read());
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* arrived.splice(0);
    }
  } finally {
    // Of a connection that has broken, this rejects with the reason that `read` gave already.
    reader.cancel().catch(() => undefined);
  }
}

async function within<Value>(milliseconds: number, awaited: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswer()), milliseconds);
  });
  try {
    return await Promise.race([awaited, late]);
  } catch (error) {
    throw new NoAnswer({ cause: error });
  } finally {
    clearTimeout(timer);
  }
}
