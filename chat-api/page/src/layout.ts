// Which parts of the page are seen: three columns, two and a drawer, or one with tabs (layout.css has the widths).

import { part, setAttribute, setLabel } from "./dom";

export type Region = "sidebar" | "chat" | "tasks";

const WIDE = matchMedia("(min-width: 1100px)");
const NARROW = matchMedia("(max-width: 759px)");
const KEPT_AS = "todo-chat:layout";

interface Choices {
  sidebar: boolean;
  tasks: boolean;
}

export class Layout {
  readonly #app = part("app");
  readonly #choices = keptChoices();
  #drawer = false;
  #view: "chat" | "tasks" = "chat";
  /** What had the focus when the drawer was opened. */
  #before: HTMLElement | undefined;
  #tasksSeen: (() => void) | undefined;

  constructor() {
    part("sidebar-open").addEventListener("click", () => this.openSidebar());
    part("sidebar-close").addEventListener("click", () => this.closeSidebar());
    part("scrim").addEventListener("click", () => this.closeDrawer());
    part("tasks-toggle").addEventListener("click", () => this.#choose({ tasks: !this.#choices.tasks }));
    part("view-chat").addEventListener("click", () => this.#see("chat"));
    part("view-tasks").addEventListener("click", () => this.#see("tasks"));
    for (const width of [WIDE, NARROW]) {
      width.addEventListener("change", () => {
        this.#drawer = false;
        this.#draw();
      });
    }
    this.#draw();
  }

  /** Call `listener` now if the tasks are in sight, and whenever they come there, until the signal aborts. */
  whenTasksSeen(listener: () => void, signal: AbortSignal): void {
    this.#tasksSeen = listener;
    signal.addEventListener("abort", () => (this.#tasksSeen = undefined));
    this.#draw();
  }

  /** Bring a part of the page into sight. */
  reveal(region: Region): void {
    if (region === "sidebar") this.openSidebar();
    else {
      this.closeDrawer();
      if (NARROW.matches) this.#see(region);
      else if (region === "tasks") this.#choose({ tasks: true });
    }
  }

  openSidebar(): void {
    if (WIDE.matches) {
      if (this.#choices.sidebar) return;
      this.#choose({ sidebar: true });
      part("sidebar-close").focus();
    } else if (!this.#drawer) {
      this.#before = document.activeElement instanceof HTMLElement ? document.activeElement : undefined;
      this.#drawer = true;
      this.#draw();
      part("sidebar-close").focus();
    }
  }

  closeSidebar(): void {
    if (!WIDE.matches) this.closeDrawer();
    else {
      this.#choose({ sidebar: false });
      part("sidebar-open").focus();
    }
  }

  /** Returns false where it was not open. */
  closeDrawer(): boolean {
    if (!this.#drawer) return false;
    const hadFocus = part("sidebar").contains(document.activeElement);
    this.#drawer = false;
    this.#draw();
    if (hadFocus) (this.#before?.isConnected ? this.#before : part("sidebar-open")).focus();
    return true;
  }

  #see(view: "chat" | "tasks"): void {
    this.#view = view;
    this.#draw();
  }

  #choose(choices: Partial<Choices>): void {
    Object.assign(this.#choices, choices);
    keep(this.#choices);
    this.#draw();
  }

  #draw(): void {
    const wide = WIDE.matches;
    const drawer = this.#drawer && !wide;
    const tasksShown = NARROW.matches ? this.#view === "tasks" : this.#choices.tasks;
    const { dataset } = this.#app;
    dataset["sidebar"] = this.#choices.sidebar ? "open" : "closed";
    dataset["tasks"] = this.#choices.tasks ? "open" : "closed";
    dataset["drawer"] = drawer ? "open" : "closed";
    dataset["view"] = this.#view;
    setAttribute(part("tasks"), "role", NARROW.matches && this.#view === "tasks" && "main");
    // Behind an open drawer nothing can be reached, by whatever means.
    for (const id of ["chat", "tasks", "views"]) part(id).inert = drawer;
    part("sidebar-open").setAttribute("aria-expanded", String(wide ? this.#choices.sidebar : drawer));
    const toggle = part("tasks-toggle");
    toggle.setAttribute("aria-expanded", String(tasksShown));
    setLabel(toggle, tasksShown ? "Hide the tasks" : "Show the tasks");
    for (const view of ["chat", "tasks"]) {
      setAttribute(part(`view-${view}`), "aria-current", this.#view === view && "true");
    }
    if (tasksShown) this.#tasksSeen?.();
  }
}

/** The reader's choices; a browser may keep nothing for a page, and then all is open. */
function keptChoices(): Choices {
  const all: Choices = { sidebar: true, tasks: true };
  try {
    return { ...all, ...(JSON.parse(localStorage.getItem(KEPT_AS) ?? "{}") as Partial<Choices>) };
  } catch (error) {
    console.info("The layout that was chosen before cannot be read.", error);
    return all;
  }
}

function keep(choices: Choices): void {
  try {
    localStorage.setItem(KEPT_AS, JSON.stringify(choices));
  } catch (error) {
    console.info("The layout lasts only until the page is loaded again: nothing can be kept.", error);
  }
}
