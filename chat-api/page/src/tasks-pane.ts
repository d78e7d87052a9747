// The place of the task list. What fills it is large, and comes when the page stands and the list is looked at.

import { button, element, part } from "./dom";
import type { Surroundings, TasksBridge, TasksPanel } from "./tasks";

const DARK = matchMedia("(prefers-color-scheme: dark)");

export class TasksPane {
  /** A place of its own: the one before it may still be taking its leave of another user's list. */
  readonly #place = element("div", { class: "frame" });
  readonly #bridge: TasksBridge;
  readonly #signal: AbortSignal;
  #panel: TasksPanel | undefined;
  #opening = false;

  constructor(bridge: TasksBridge, signal: AbortSignal) {
    this.#bridge = bridge;
    this.#signal = signal;
    part("tasks").lastElementChild?.replaceWith(this.#place);
    DARK.addEventListener("change", () => this.#panel?.adapt({ theme: theme() }), { signal });
    signal.addEventListener("abort", () => void this.#panel?.close());
  }

  /** Fill the place, once. */
  open(): void {
    if (this.#opening) return;
    this.#opening = true;
    // The first frame of the page goes before it.
    requestAnimationFrame(() => setTimeout(() => void this.#open()));
  }

  focus(): void {
    if (this.#panel) this.#panel.focus();
    else part("tasks").focus();
  }

  async #open(): Promise<void> {
    try {
      const { openTasks } = await import("./tasks");
      if (this.#signal.aborted) return;
      this.#panel = openTasks({ mount: this.#place, bridge: this.#bridge, ...surroundings() });
    } catch (error) {
      if (this.#signal.aborted) return;
      console.warn("The task list did not load:", error);
      // A browser does not ask for a module again whose loading has failed once.
      const again = button("Reload the page", () => location.reload());
      const text = element("p", { role: "alert" }, "The task list could not be loaded.");
      this.#place.replaceChildren(element("div", { class: "notice" }, text, again));
    }
  }
}

function surroundings(): Surroundings {
  const { locale, timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return { theme: theme(), locale, timeZone };
}

function theme(): "light" | "dark" {
  return DARK.matches ? "dark" : "light";
}
