// What stands above the list: adding, searching and filtering.

import { NoAnswer } from "./calls";
import { adding, type Change } from "./changes";
import { type Calendar, mistakeIn } from "./dates";
import { button, element, options, setAttribute } from "./dom";
import type { TaskList } from "./list";
import { DUE_BOUNDS, type ListArguments, type Priority, QUERY_MAX_CHARS, TITLE_MAX_CHARS } from "./tasks";

const TYPING_PAUSE_MS = 300;
const STATUSES = { open: "Open", completed: "Done", deleted: "Deleted", all: "All" };
const PRIORITIES = { "": "Any priority", urgent: "Urgent", high: "High", normal: "Normal", low: "Low" };

/** A new task as the user wrote it, and the change that adds it. */
interface Draft {
  title: string;
  due: string;
  change: Change;
  /** Takes away what was told of its failure. */
  dismiss?: () => void;
}

/** The line in which a new task is written. */
export class AddBar {
  readonly element: HTMLElement;
  readonly #title = element("input", {
    type: "text",
    dir: "auto",
    class: "grow",
    maxlength: TITLE_MAX_CHARS,
    "aria-label": "New task",
    placeholder: "Add a task",
    enterkeyhint: "done",
  });
  readonly #due = element("input", { type: "date", ...DUE_BOUNDS, "aria-label": "Due date of the new task" });
  readonly #list: TaskList;
  readonly #problem = element("p", { class: "problem", role: "alert" });
  /** What was sent last, where no answer came: perhaps it was added. */
  #unanswered: Draft | undefined;

  constructor(list: TaskList) {
    this.#list = list;
    this.element = element(
      "div",
      { class: "bar", role: "group", "aria-label": "Add a task" },
      this.#title,
      this.#due,
      button("Add", () => this.#submit(), { class: "primary" }),
      this.#problem,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
      event.preventDefault();
      void this.#submit();
    });
  }

  focus(): void {
    this.#title.focus();
  }

  async #submit(): Promise<void> {
    const title = this.#title.value.trim();
    const due = this.#due.value;
    const mistake = mistakeIn(this.#due);
    this.#problem.textContent = mistake ?? "";
    setAttribute(this.#due, "aria-invalid", mistake !== undefined && "true");
    (mistake ? this.#due : this.#title).focus();
    if (!title || mistake) return;
    const again = this.#unanswered && this.#holds(this.#unanswered) ? this.#unanswered : undefined;
    await this.#send(again ?? { title, due, change: adding(title, due) });
  }

  /** The text leaves the bar at once; where the task was not added it comes back, unless another one is begun. */
  async #send(draft: Draft): Promise<void> {
    if (this.#holds(draft)) this.#fill("", "");
    this.#unanswered = undefined;
    draft.dismiss?.();
    try {
      await this.#list.make(draft.change);
    } catch (error) {
      draft.dismiss = this.#list.tell(`Could not ${draft.change.aim}`, error, () => this.#send(draft));
      if (error instanceof NoAnswer) this.#unanswered = draft;
      if (!this.#title.value) this.#fill(draft.title, draft.due);
    }
  }

  #holds({ title, due }: Draft): boolean {
    return this.#title.value.trim() === title && this.#due.value === due;
  }

  #fill(title: string, due: string): void {
    this.#title.value = title;
    this.#due.value = due;
  }
}

/** What narrows the list down. What has no control of its own shows as a chip that takes it away. */
export class FilterBar {
  readonly element: HTMLElement;
  readonly #query = element("input", {
    type: "search",
    dir: "auto",
    class: "grow",
    maxlength: QUERY_MAX_CHARS,
    "aria-label": "Search tasks",
    placeholder: "Search",
  });
  readonly #status = element("select", { "aria-label": "Which tasks" }, ...options(STATUSES));
  readonly #priority = element("select", { "aria-label": "Priority" }, ...options(PRIORITIES));
  readonly #chips = element("div", { class: "chips" });
  readonly #show: (filter: ListArguments) => void;
  #filter: ListArguments = {};
  #pause = 0;

  constructor(show: (filter: ListArguments) => void) {
    this.#show = show;
    this.element = element(
      "div",
      { class: "bar filter", role: "search", "aria-label": "Filter tasks" },
      this.#query,
      this.#status,
      this.#priority,
      this.#chips,
    );
    this.#query.addEventListener("input", () => {
      clearTimeout(this.#pause);
      this.#pause = setTimeout(() => this.#narrow(), TYPING_PAUSE_MS);
    });
    for (const select of [this.#status, this.#priority]) select.addEventListener("change", () => this.#narrow());
  }

  /** Show what the list is narrowed to; what the user is typing stays. */
  draw(filter: ListArguments, calendar: Calendar): void {
    if (filter === this.#filter) return;
    this.#filter = filter;
    if (document.activeElement !== this.#query) this.#query.value = filter.query ?? "";
    this.#status.value = filter.status ?? "open";
    this.#priority.value = filter.priority ?? "";
    const chips: [keyof ListArguments, string | undefined][] = [
      ["tag", filter.tag && `#${filter.tag}`],
      ["overdue", filter.overdue ? "Overdue only" : undefined],
      ["due_before", filter.due_before && `Due before ${calendar.label({ date: filter.due_before })}`],
      ["due_after", filter.due_after && `Due after ${calendar.label({ date: filter.due_after })}`],
    ];
    this.#chips.replaceChildren(
      ...chips.flatMap(([name, label]) => {
        if (!label) return [];
        const chip = button(element("bdi", {}, label), () => this.without(name), { class: "chip" });
        chip.setAttribute("aria-label", `Remove filter: ${label}`);
        chip.append(" ✕");
        return [chip];
      }),
    );
  }

  without(name: keyof ListArguments): void {
    const { [name]: _, ...rest } = this.#filter;
    this.#query.focus();
    this.#show(rest);
  }

  #narrow(): void {
    clearTimeout(this.#pause);
    const { query: _query, status: _status, priority: _priority, ...rest } = this.#filter;
    const query = this.#query.value.trim();
    this.#show({
      ...rest,
      ...(query && { query }),
      ...(this.#status.value !== "open" && { status: this.#status.value as NonNullable<ListArguments["status"]> }),
      ...(this.#priority.value && { priority: this.#priority.value as Priority }),
    });
  }
}
