// The form in which a task is edited in its place in the list.

import { NoAnswer, Refusal } from "./calls";
import { type Change, dueOf, updating } from "./changes";
import { type Calendar, mistakeIn } from "./dates";
import { button, element, hasFocus, options, setAttribute } from "./dom";
import type { TaskList } from "./list";
import { DESCRIPTION_MAX_CHARS, DUE_BOUNDS, type Priority, type Task, type TaskFields, TITLE_MAX_CHARS } from "./tasks";

const PRIORITIES: Record<Priority, string> = { low: "Low", normal: "Normal", high: "High", urgent: "Urgent" };

// There is no <form>: a frame without allow-forms drops a form's submission before any script hears of it.
export class Editor {
  readonly element: HTMLElement;
  readonly #list: TaskList;
  readonly #calendar: Calendar;
  readonly close: () => void;
  readonly #title: HTMLInputElement;
  readonly #description: HTMLTextAreaElement;
  readonly #date: HTMLInputElement;
  readonly #time: HTMLInputElement;
  readonly #priority: HTMLSelectElement;
  readonly #tags: HTMLInputElement;
  readonly #problem = element("div", { class: "problem", role: "alert" });
  readonly #save: HTMLButtonElement;
  /** The task as the user saw it when they began. */
  readonly #begun: Task;
  /** The task that the next save is to replace. */
  #base: Task;
  #sent: { fields: string; change: Change } | undefined;
  #saving: Promise<void> | undefined;

  constructor(task: Task, list: TaskList, calendar: Calendar, close: () => void) {
    this.#begun = this.#base = task;
    this.#list = list;
    this.#calendar = calendar;
    this.close = close;
    const due = calendar.due(task);
    this.#title = element("input", { type: "text", dir: "auto", maxlength: TITLE_MAX_CHARS });
    this.#title.value = task.title;
    this.#description = element("textarea", { dir: "auto", rows: 3, maxlength: DESCRIPTION_MAX_CHARS });
    this.#description.value = task.description ?? "";
    this.#date = element("input", { type: "date", ...DUE_BOUNDS });
    this.#date.value = due?.date ?? "";
    this.#time = element("input", { type: "time" });
    this.#time.value = due?.time ?? "";
    this.#priority = element("select", {}, ...options(PRIORITIES));
    this.#priority.value = task.priority;
    this.#tags = element("input", { type: "text", dir: "auto", placeholder: "home, errands" });
    this.#tags.value = tagsText(task);
    this.#save = button("Save", () => this.#submit(), { class: "primary" });
    this.element = element(
      "div",
      { class: "editor", role: "group", "aria-label": `Edit ${task.title}` },
      field("Title", this.#title, "wide"),
      field("Due date", this.#date),
      field("Time", this.#time),
      field("Priority", this.#priority),
      field("Tags", this.#tags, "grow"),
      field("Description", this.#description, "wide"),
      this.#problem,
      element("div", { class: "buttons" }, this.#save, button("Cancel", close)),
    );
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
  }

  focus(): void {
    this.#title.focus();
  }

  /** Settles once the server has answered what is being saved. */
  get saving(): Promise<void> | undefined {
    return this.#saving;
  }

  /** Whether closing would throw away something that the user wrote. */
  get unsaved(): boolean {
    return [this.#date, this.#time].some(mistakeIn) || Object.keys(this.#fields()).length > 0;
  }

  /** Have the user decide about what they wrote. */
  insist(): void {
    // What went wrong with it says more, and may offer more.
    if (!this.#problem.hasChildNodes()) this.#tell("Save or cancel this first.");
    if (!hasFocus(this.element)) this.focus();
  }

  #onKey(event: KeyboardEvent): void {
    // The key that opened the editor may still be held, and is not to close it.
    if (event.isComposing || event.repeat) return;
    const inText = event.target instanceof HTMLInputElement;
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && (inText || event.ctrlKey || event.metaKey)) void this.#submit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  async #submit(): Promise<void> {
    const mistake = this.#mistake();
    if (mistake) {
      this.#tell(mistake.text);
      mistake.where.setAttribute("aria-invalid", "true");
      mistake.where.focus();
      return;
    }
    const fields = this.#fields();
    if (Object.keys(fields).length === 0) this.close();
    else await this.#send(fields);
  }

  #send(fields: TaskFields): Promise<void> {
    return (this.#saving ??= this.#exchange(fields).finally(() => (this.#saving = undefined)));
  }

  async #exchange(fields: TaskFields): Promise<void> {
    this.#busy(true);
    try {
      await this.#list.make(this.#changeTo(fields));
      this.close();
    } catch (error) {
      if (error instanceof Refusal) await this.#refused(fields, error);
      else if (error instanceof NoAnswer) {
        this.#tell(`Perhaps not saved: the todo server gave no answer (${error.message}). Saving again is safe.`);
      } else throw error;
    } finally {
      this.#busy(false);
    }
  }

  /** The same change again under the same key, where it is sent again because no answer came. */
  #changeTo(fields: TaskFields): Change {
    const text = JSON.stringify([fields, this.#base.version]);
    if (this.#sent?.fields !== text) this.#sent = { fields: text, change: updating(this.#base, fields) };
    return this.#sent.change;
  }

  async #refused(fields: TaskFields, refusal: Refusal): Promise<void> {
    let latest: Task | undefined;
    try {
      latest = await this.#list.reread(this.#base.task_id);
    } catch (error) {
      if (!(error instanceof Refusal || error instanceof NoAnswer)) throw error;
    }
    if (latest?.status === "deleted") {
      this.#tell("Not saved: this task was deleted elsewhere. Restore it under “Deleted” first, then edit it.");
    } else if (latest && latest.version !== this.#base.version) this.#conflict(latest, fields);
    else this.#tell(`Not saved: ${refusal.message}`);
  }

  #conflict(latest: Task, fields: TaskFields): void {
    const due = this.#calendar.due(latest);
    this.#problem.replaceChildren(
      "Not saved: this task was changed elsewhere while you edited it. It now reads ",
      element("q", {}, element("bdi", {}, latest.title)),
      due ? `, due ${this.#calendar.label(due)}, ` : ", ",
      `priority ${latest.priority}. Your text is still here.`,
      element(
        "div",
        { class: "buttons" },
        button("Save mine over it", () => {
          this.#base = latest;
          return this.#send(fields);
        }),
        button("Drop mine", this.close),
      ),
    );
  }

  #tell(text: string): void {
    this.#problem.replaceChildren(text);
  }

  #busy(busy: boolean): void {
    // Not disabled, which would take the focus away.
    setAttribute(this.#save, "aria-disabled", busy && "true");
    this.#save.textContent = busy ? "Saving…" : "Save";
    if (!busy) return;
    if (hasFocus(this.#problem)) this.#save.focus();
    this.#problem.replaceChildren();
  }

  #mistake(): { text: string; where: HTMLInputElement } | undefined {
    for (const input of [this.#title, this.#date, this.#time]) input.removeAttribute("aria-invalid");
    if (!this.#title.value.trim()) return { text: "A task needs a title.", where: this.#title };
    for (const input of [this.#date, this.#time]) {
      const text = mistakeIn(input);
      if (text) return { text, where: input };
    }
    if (this.#time.value && !this.#date.value) return { text: "A time needs a date.", where: this.#date };
    return undefined;
  }

  /** What the user changed, and no more: other fields may have been changed elsewhere. */
  #fields(): TaskFields {
    const begun = this.#begun;
    const due = this.#calendar.due(begun);
    const fields: TaskFields = {};
    const title = this.#title.value.trim();
    // A text area has line feeds alone, whatever it was given.
    const description = (begun.description ?? "").replace(/\r\n?/g, "\n");
    if (title !== begun.title) fields.title = title;
    if (this.#description.value !== description) fields.description = this.#description.value;
    if (this.#priority.value !== begun.priority) fields.priority = this.#priority.value as Priority;
    if (this.#tags.value !== tagsText(begun)) fields.tags = tagsOf(this.#tags.value);
    if (this.#date.value !== (due?.date ?? "") || this.#time.value !== (due?.time ?? "")) {
      Object.assign(fields, this.#due());
    }
    return fields;
  }

  #due(): TaskFields {
    const [date, time] = [this.#date.value, this.#time.value];
    return dueOf(date && time ? { due_at: this.#calendar.instant(date, time) } : { due: date });
  }
}

function tagsText(task: Task): string {
  return (task.tags ?? []).join(", ");
}

function tagsOf(text: string): string[] {
  const tags = text.split(",").map((tag) => tag.trim().replace(/^#/, ""));
  return tags.filter((tag) => tag !== "");
}

function field(label: string, control: HTMLElement, size = ""): HTMLElement {
  return element("label", { class: `field ${size}` }, element("span", {}, label), control);
}
