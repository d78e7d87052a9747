// Telling listeners of changes, once a frame however many there were.

import type { Observable } from "./model";

/** A hidden page draws no frames; its title and its announcements are to come all the same. */
const WITHOUT_FRAMES_MS = 250;

const changed = new Set<Changes>();

/** The listeners of one thing that changes. */
export class Changes implements Observable {
  readonly #listeners = new Set<() => void>();

  observe(listener: () => void, signal?: AbortSignal): void {
    if (signal?.aborted) return;
    this.#listeners.add(listener);
    signal?.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  /** Call the listeners with the next frame. */
  notify(): void {
    if (changed.size === 0) schedule();
    changed.add(this);
  }

  tell(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        // One listener's defect is not to keep the others from hearing.
        reportError(error);
      }
    }
  }
}

function schedule(): void {
  const tellAll = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    const those = [...changed];
    changed.clear();
    for (const one of those) one.tell();
  };
  const frame = requestAnimationFrame(tellAll);
  const timer = setTimeout(tellAll, WITHOUT_FRAMES_MS);
}
