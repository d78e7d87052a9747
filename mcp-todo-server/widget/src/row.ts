// One task in the list.

import type { Calendar } from "./dates";
import { button, element, icon, iconButton, setAttribute } from "./dom";
import type { Group } from "./groups";
import type { Task } from "./tasks";

export interface RowActions {
  tick(taskId: number): void;
  edit(taskId: number): void;
  remove(taskId: number): void;
  restore(taskId: number): void;
  filterByTag(tag: string): void;
}

/** Those of the row itself; an editor in it is reached in its own order. */
const OWN_CONTROLS = ":scope > input, .facts button, .actions button";
const PRIORITY_LABELS = { low: "Low", normal: "", high: "High", urgent: "Urgent" } as const;

export class Row {
  readonly element: HTMLLIElement;
  readonly #checkbox: HTMLInputElement;
  readonly #title = element("span", { class: "title", dir: "auto" });
  readonly #facts: HTMLElement;
  readonly #details = element("p", { class: "details", dir: "auto" });
  readonly #edit: HTMLButtonElement;
  readonly #remove: HTMLButtonElement;
  readonly #restore: HTMLButtonElement;
  readonly #actions: RowActions;
  #drawn = "";

  constructor(taskId: number, actions: RowActions) {
    this.#actions = actions;
    this.#title.id = `title-${taskId}`;
    this.#facts = element("div", { class: "facts", id: `facts-${taskId}` });
    this.#checkbox = element("input", {
      type: "checkbox",
      "aria-labelledby": this.#title.id,
      "aria-describedby": this.#facts.id,
    });
    this.#checkbox.addEventListener("change", () => actions.tick(taskId));
    this.#title.addEventListener("click", () => actions.edit(taskId));
    this.#edit = iconButton("edit", "", () => actions.edit(taskId));
    this.#remove = iconButton("delete", "", () => actions.remove(taskId));
    this.#restore = iconButton("restore", "", () => actions.restore(taskId));
    this.element = element(
      "li",
      { class: "task", "data-task": taskId },
      this.#checkbox,
      element("div", { class: "body" }, this.#title, this.#facts, this.#details),
      element("div", { class: "actions" }, this.#restore, this.#edit, this.#remove),
    );
  }

  /** The control that has the focus when the row is reached with the arrow keys. */
  get main(): HTMLElement {
    return this.#checkbox.hidden ? this.#restore : this.#checkbox;
  }

  /** Take part in the tab order, or leave it to the row that does. */
  set reachable(reachable: boolean) {
    for (const control of this.element.querySelectorAll<HTMLElement>(OWN_CONTROLS)) {
      control.tabIndex = reachable ? 0 : -1;
    }
  }

  draw(task: Task, group: Group, calendar: Calendar, pending: boolean, canChange: boolean): void {
    const drawing = JSON.stringify([task, group, calendar.key, pending, canChange]);
    if (drawing === this.#drawn) return;
    this.#drawn = drawing;
    setAttribute(this.element, "aria-busy", pending && "true");
    this.#title.textContent = task.title;
    this.#details.textContent = task.description ?? "";
    this.#details.hidden = !task.description;
    this.#checkbox.checked = task.status === "completed";
    this.#checkbox.disabled = !canChange;
    this.#checkbox.hidden = task.status === "deleted";
    this.#offer(this.#edit, "Edit", task, canChange && task.status !== "deleted");
    this.#offer(this.#remove, "Delete", task, canChange && task.status !== "deleted");
    this.#offer(this.#restore, "Restore", task, canChange && task.status === "deleted");
    this.#facts.replaceChildren(...this.#factsOf(task, group, calendar, canChange));
    this.#facts.hidden = this.#facts.childElementCount === 0;
  }

  #offer(control: HTMLButtonElement, verb: string, task: Task, offered: boolean): void {
    control.hidden = !offered;
    control.title = verb;
    control.setAttribute("aria-label", `${verb} ${task.title}`);
  }

  #factsOf(task: Task, group: Group, calendar: Calendar, canFilter: boolean): HTMLElement[] {
    const facts: HTMLElement[] = [];
    const due = calendar.due(task);
    if (due) {
      const late = group === "overdue" ? [element("span", { class: "heard" }, "overdue: ")] : [];
      facts.push(element("span", { class: "due" }, ...late, calendar.label(due)));
    }
    if (task.recurrence) {
      const heard = element("span", { class: "heard" }, "repeats");
      facts.push(element("span", { class: "repeats", title: "Repeats" }, icon("repeat"), heard));
    }
    const priority = PRIORITY_LABELS[task.priority];
    if (priority) facts.push(element("span", { class: `priority ${task.priority}` }, `${priority} priority`));
    for (const tag of task.tags ?? []) {
      const label = element("bdi", {}, `#${tag}`);
      const filter = () => this.#actions.filterByTag(tag);
      facts.push(
        canFilter
          ? button(label, filter, { class: "tag", title: "Show only this tag" })
          : element("span", { class: "tag" }, label),
      );
    }
    return facts;
  }
}
