// Whether anybody is looking, and when it is worth while to try again.

const AWAY_SECONDS = 30;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/** Resolves at once where the page can be seen, else when it can be. Rejects with the signal's reason. */
export async function visible(signal: AbortSignal): Promise<void> {
  while (document.visibilityState === "hidden") await happening(document, "visibilitychange", signal);
  signal.throwIfAborted();
}

/** Call `leave` when the page has been hidden for a while: a browser has few connections for all its tabs. */
export function whenAway(leave: () => void, signal: AbortSignal): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (document.visibilityState === "hidden") timer = setTimeout(leave, AWAY_SECONDS * 1000);
  };
  document.addEventListener("visibilitychange", look, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  if (!signal.aborted) look();
}

/** Call `act` each time that so many milliseconds have passed while the page can be seen, and when it can be again. */
export function whileVisible(act: () => void, everyMs: number, signal: AbortSignal): void {
  const look = () => {
    if (document.visibilityState === "visible") act();
  };
  const timer = setInterval(look, everyMs);
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  document.addEventListener("visibilitychange", look, { signal });
}

/** Pauses that grow from try to try. One is over at once when the network is back, or the reader. */
export class Backoff {
  #tries = 0;

  reset(): void {
    this.#tries = 0;
  }

  async pause(signal: AbortSignal): Promise<void> {
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#tries);
    this.#tries += 1;
    // Half of it by chance: those who were cut off together don't come back together.
    await pause(longest * (0.5 + Math.random() / 2), signal);
  }
}

/** Resolves after so many milliseconds, or when the network or the reader is back. Rejects with the signal's reason. */
export async function pause(milliseconds: number, signal: AbortSignal, nudge?: EventTarget): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const timer = setTimeout(() => over.abort(), milliseconds);
  const back = () => {
    if (document.visibilityState === "visible") over.abort();
  };
  window.addEventListener("online", () => over.abort(), { signal: either });
  document.addEventListener("visibilitychange", back, { signal: either });
  nudge?.addEventListener("nudge", () => over.abort(), { signal: either });
  if (!either.aborted) await new Promise((resolve) => either.addEventListener("abort", resolve, { once: true }));
  clearTimeout(timer);
  signal.throwIfAborted();
}

function happening(target: EventTarget, name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const settled = new AbortController();
    const settle = (act: () => void) => () => {
      settled.abort();
      act();
    };
    target.addEventListener(name, settle(resolve), { signal: settled.signal });
    signal.addEventListener("abort", settle(() => reject(signal.reason)), { signal: settled.signal });
  });
}
