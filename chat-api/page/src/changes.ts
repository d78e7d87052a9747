// Follows the todo server's change events for as long as somebody can see what they change.

import { Backoff, visible, whenAway } from "./presence";

/**
 * Call `changed` for each event of `stream`, until `signal` aborts. A stream that is lost is opened again, and so is
 * one that was closed while the page was hidden; since its first event comes at once, nothing is missed.
 */
export async function followChanges(
  stream: (signal: AbortSignal) => AsyncIterable<unknown>,
  changed: () => void,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff();
  while (!signal.aborted) {
    const connection = new AbortController();
    const either = AbortSignal.any([signal, connection.signal]);
    try {
      await visible(signal);
      whenAway(() => connection.abort(), either);
      for await (const _ of stream(either)) {
        backoff.reset();
        changed();
      }
    } catch (error) {
      if (!either.aborted) console.info("Changes of the tasks are not heard; trying again.", error);
    }
    connection.abort();
    // It ends early with the signal, which the loop asks next.
    await backoff.pause(signal).catch(() => undefined);
  }
}
