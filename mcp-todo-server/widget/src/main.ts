// The task list as an MCP App: puts the parts together and listens to the host.

import { AddBar, FilterBar } from "./bars";
import { Board } from "./board";
import { type Call, Calls, contentOf, Refusal } from "./calls";
import { button, element, iconButton, setHidden } from "./dom";
import { Failure } from "./failure";
import { Host } from "./host";
import { TaskList } from "./list";
import { Notes } from "./notes";
import type { ListArguments, Task, TaskPage } from "./tasks";
import { applyTheme, reportHeight } from "./theme";
import { ZoneNote } from "./zone";

const VERSION = "1";
const MINUTE_MS = 60_000;

class App {
  readonly #host = new Host({
    "ui/notifications/tool-input": ({ arguments: args }) => {
      this.#asked = (args ?? {}) as ListArguments;
    },
    "ui/notifications/tool-result": (result) => this.#receive(result),
    "ui/notifications/tool-cancelled": () => {
      this.#unread("The list was not read: the call was stopped.", () => this.#list.refresh());
    },
    "ui/notifications/host-context-changed": () => this.#adapt(),
  });
  readonly #list = new TaskList(new Calls(this.#host), {
    changed: () => this.#draw(),
    said: (text) => this.#say(text),
    failed: (text, retry) => this.#fail(text, retry),
    unread: (text, retry) => this.#unread(text, retry),
    noted: (call: Call, task: Task) => this.#notes.add(call, task),
  });
  readonly #notes = new Notes(this.#host);
  readonly #add = new AddBar(this.#list);
  readonly #filter = new FilterBar((filter) => void this.#list.show(filter));
  readonly #board = new Board(this.#list, (tag) => void this.#list.show({ ...this.#list.filter, tag }), () => this.#add.focus());
  readonly #today = element("p", { class: "date" });
  readonly #said = element("p", { role: "status" }, "Reading the tasks…");
  readonly #failure = new Failure(() => this.#board.focus());
  readonly #undo = button("Undo", () => this.#list.undo());
  readonly #refresh = iconButton("refresh", "Refresh", () => this.#reload());
  readonly #full = iconButton("full", "Full screen", () => this.#toggleFull());
  readonly #zone = new ZoneNote((zone) => this.#list.setZone(zone), () => this.#board.focus());
  /** The arguments of the call whose result comes next. */
  #asked: ListArguments = {};
  #received = false;

  async start(): Promise<void> {
    document.getElementById("app")!.append(
      element("header", {}, element("div", {}, element("h1", {}, "Tasks"), this.#today), this.#refresh, this.#full),
      this.#add.element,
      this.#filter.element,
      element("div", { class: "status" }, this.#said, this.#undo),
      this.#failure.element,
      this.#board.element,
      this.#zone.element,
      keys(),
    );
    document.addEventListener("keydown", (event) => this.#onKey(event));
    this.#draw();
    await this.#host.connect(VERSION, ["inline", "fullscreen"]);
    this.#adapt();
    reportHeight((height) => this.#host.notify({ method: "ui/notifications/size-changed", params: { height } }));
    setInterval(() => this.#tick(), MINUTE_MS);
  }

  #receive(result: Parameters<typeof contentOf>[0]): void {
    let page: Partial<TaskPage>;
    try {
      page = contentOf<Partial<TaskPage>>(result);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#unread(`The tasks could not be listed: ${error.message}`, () => this.#list.refresh());
      return;
    }
    // A conversation that is opened again shows its answers of then, so the first is compared with now.
    const perhapsOld = !this.#received;
    this.#received = true;
    if (perhapsOld || page.tasks) {
      this.#said.textContent = "";
      this.#failure.clear();
    }
    if (page.tasks && page.today && page.timezone) this.#list.receive(page as TaskPage, this.#asked);
    // An answer without tasks says that something changed; what was said and what failed here is still to be read.
    if (this.#canChange && (perhapsOld || !page.tasks)) void this.#list.refresh();
  }

  /** Without a way to the server the list can be read and nothing else. */
  get #canChange(): boolean {
    return this.#host.capabilities.serverTools !== undefined;
  }

  #adapt(): void {
    const { context } = this.#host;
    applyTheme(context);
    this.#list.locale = context.locale;
    this.#full.hidden = !context.availableDisplayModes?.includes("fullscreen");
    this.#full.setAttribute("aria-pressed", String(context.displayMode === "fullscreen"));
    this.#draw();
  }

  #draw(): void {
    const { calendar, busy, canUndo, filter } = this.#list;
    for (const part of [this.#add.element, this.#filter.element, this.#refresh]) part.hidden = !this.#canChange;
    setHidden(this.#undo, !canUndo, () => this.#board.focus());
    this.#refresh.classList.toggle("busy", busy > 0);
    if (!calendar) return;
    this.#today.textContent = calendar.heading();
    this.#filter.draw(filter, calendar);
    this.#zone.draw(calendar, this.#canChange ? this.#host.context.timeZone : undefined);
    this.#board.draw(Date.now(), this.#canChange);
  }

  #tick(): void {
    const { calendar, readOn } = this.#list;
    // A new day moves tasks between the groups; which day it is in the user's zone, the server knows.
    if (calendar && calendar.wall(Date.now()).date !== readOn && this.#canChange) void this.#list.refresh();
    else this.#draw();
  }

  async #reload(): Promise<void> {
    this.#failure.clear();
    if (await this.#list.refresh()) this.#say("The list is up to date.");
  }

  async #toggleFull(): Promise<void> {
    const mode = this.#host.context.displayMode === "fullscreen" ? "inline" : "fullscreen";
    const answer = await this.#host.request("ui/request-display-mode", { mode });
    this.#host.context = { ...this.#host.context, displayMode: answer.mode };
    this.#adapt();
  }

  #say(text: string): void {
    this.#said.replaceChildren(text);
  }

  #fail(text: string, retry?: () => unknown): () => void {
    this.#said.textContent = "";
    return this.#failure.show(text, this.#canChange ? retry : undefined);
  }

  #unread(text: string, retry?: () => unknown): () => void {
    if (!this.#list.loaded) this.#said.textContent = "";
    return this.#failure.mention(text, this.#canChange ? retry : undefined);
  }

  #onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    const writing = target.matches("textarea, select, input:not([type=checkbox])");
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !writing) {
      event.preventDefault();
      void this.#list.undo();
    }
  }
}

function keys(): HTMLElement {
  const list: [string, string][] = [
    ["↑ ↓", "move between tasks"],
    ["Space", "ticks a task off, or opens it again"],
    ["Enter", "edits it, and saves"],
    ["Esc", "leaves the editor"],
    ["Delete", "deletes it"],
    ["Ctrl Z", "takes the last change back"],
  ];
  return element(
    "details",
    { class: "keys" },
    element("summary", {}, "Keyboard"),
    element("dl", { id: "keys" }, ...list.flatMap(([key, what]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, what)])),
  );
}

void new App().start();
