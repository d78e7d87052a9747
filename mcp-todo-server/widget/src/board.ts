// The groups of tasks, and the way through them with the keyboard.

import { completing, deleting, reopening, restoring } from "./changes";
import { button, element, hasFocus, setAttribute, setHidden } from "./dom";
import { Editor } from "./editor";
import { type Group, GROUPS, grouped } from "./groups";
import type { TaskList } from "./list";
import { Row } from "./row";
import type { Task } from "./tasks";

interface Section {
  element: HTMLElement;
  count: HTMLElement;
  rows: HTMLUListElement;
}

export class Board {
  readonly element = element("div", { class: "board", hidden: true });
  readonly #list: TaskList;
  readonly #filterByTag: (tag: string) => void;
  readonly #leave: () => void;
  readonly #sections = new Map<Group, Section>();
  readonly #rows = new Map<number, Row>();
  readonly #empty = element("p", { class: "empty" });
  readonly #more: HTMLButtonElement;
  readonly #moreDone: HTMLButtonElement;
  readonly #toggleDone: HTMLButtonElement;
  #groups: Record<Group, Task[]> | undefined;
  #order: number[] = [];
  #current: number | undefined;
  #editor: { taskId: number; editor: Editor } | undefined;

  /** `leave` takes the focus where no task is left to have it. */
  constructor(list: TaskList, filterByTag: (tag: string) => void, leave: () => void) {
    this.#list = list;
    this.#filterByTag = filterByTag;
    this.#leave = leave;
    this.#more = button("Show more tasks", () => list.more(), { class: "more" });
    this.#moreDone = button("Show more completed tasks", () => list.moreDone(), { class: "more" });
    this.#toggleDone = button(GROUPS.done, () => list.showDone(!list.doneShown), { class: "toggle" });
    for (const group of Object.keys(GROUPS) as Group[]) this.#sections.set(group, this.#section(group));
    const done = this.#sections.get("done")!.element;
    done.append(this.#moreDone);
    done.before(this.#more);
    this.element.append(this.#empty);
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.element.addEventListener("focusin", (event) => {
      const id = taskOf(event.target);
      if (id !== undefined && id !== this.#current) this.#reach(id);
    });
  }

  /** Take the focus from what goes away elsewhere. */
  focus(): void {
    this.#focusOrLeave(this.#current);
  }

  /** Show the tasks as they are now; `canChange` tells whether the host passes changes on. */
  draw(now: number, canChange: boolean): void {
    const { calendar, filter, loaded } = this.#list;
    if (!calendar || !loaded) return;
    this.element.hidden = false;
    const focused = document.activeElement;
    const focusedTask = taskOf(focused);
    const before = this.#groups;
    const listed = this.#order;
    const groups = (this.#groups = grouped(this.#list.tasks, calendar, now));
    const shown = this.#shown();
    this.#order = [];
    for (const [group, section] of this.#sections) {
      // A task that is being edited stays, wherever it went meanwhile.
      const tasks = groups[group].filter((task) => shown.has(group) || task.task_id === this.#editor?.taskId);
      tasks.forEach((task) => this.#row(task).draw(task, group, calendar, this.#list.isPending(task.task_id), canChange));
      place(section.rows, tasks.map((task) => this.#elementOf(task.task_id)));
      section.rows.hidden = tasks.length === 0;
      this.#order.push(...tasks.map((task) => task.task_id));
      const toggled = group === "done" && (filter.status ?? "open") === "open";
      section.element.hidden = tasks.length === 0 && !toggled;
      section.count.textContent = tasks.length || !toggled ? String(tasks.length) : "";
    }
    // After the last page, reading goes on with what it brought.
    const readOn = () => this.#focusOrLeave(this.#order.find((id) => !listed.includes(id)) ?? this.#order.at(-1));
    this.#drawDone(readOn);
    setHidden(this.#more, !this.#list.hasMore, readOn);
    this.#empty.hidden = this.#order.length > 0;
    const narrowed = Object.keys(filter).some((name) => name !== "sort" && name !== "limit");
    this.#empty.textContent = narrowed ? "No task matches." : "Nothing to do. Add a task above.";
    for (const id of this.#rows.keys()) if (!this.#order.includes(id)) this.#rows.delete(id);
    if (focusedTask !== undefined && before) this.#refocus(focused as HTMLElement, focusedTask, before);
    this.#reach(this.#current);
  }

  #section(group: Group): Section {
    const id = `group-${group}`;
    const count = element("span", { class: "count" });
    const rows = element("ul", { role: "list", "aria-labelledby": id, "aria-describedby": "keys" });
    const heading = element("h2", { id }, group === "done" ? this.#toggleDone : GROUPS[group], " ", count);
    const section = element("section", { class: `group ${group}`, hidden: true }, heading, rows);
    this.element.append(section);
    return { element: section, count, rows };
  }

  #shown(): Set<Group> {
    const status = this.#list.filter.status ?? "open";
    if (status === "completed") return new Set(["done"]);
    if (status === "deleted") return new Set(["deleted"]);
    const open: Group[] = ["overdue", "today", "upcoming", "undated"];
    if (status === "all") return new Set([...open, "done", "deleted"]);
    return new Set(this.#list.doneShown ? [...open, "done"] : open);
  }

  #drawDone(readOn: () => void): void {
    const toggled = (this.#list.filter.status ?? "open") === "open";
    this.#toggleDone.disabled = !toggled;
    setAttribute(this.#toggleDone, "aria-expanded", toggled ? String(this.#list.doneShown) : undefined);
    setHidden(this.#moreDone, !(toggled && this.#list.doneShown && this.#list.hasMoreDone), readOn);
  }

  #row(task: Task): Row {
    const id = task.task_id;
    let row = this.#rows.get(id);
    if (!row) {
      row = new Row(id, {
        tick: (taskId) => this.#tick(taskId),
        edit: (taskId) => this.#edit(taskId),
        remove: (taskId) => void this.#list.attempt(deleting(this.#list.get(taskId))),
        restore: (taskId) => void this.#list.attempt(restoring(this.#list.get(taskId))),
        filterByTag: this.#filterByTag,
      });
      this.#rows.set(id, row);
    }
    return row;
  }

  #elementOf(taskId: number): HTMLLIElement {
    return this.#rows.get(taskId)!.element;
  }

  #tick(taskId: number): void {
    const shown = this.#list.tasks.find((task) => task.task_id === taskId)!;
    void this.#list.attempt(shown.status === "completed" ? reopening(shown) : completing(shown));
  }

  #edit(taskId: number): void {
    const { calendar } = this.#list;
    const row = this.#rows.get(taskId);
    if (!calendar || !row || this.#list.get(taskId).status === "deleted") return;
    const open = this.#editor?.editor;
    if (open?.saving) {
      void open.saving.then(() => this.#edit(taskId));
      return;
    }
    if (open?.unsaved) {
      open.insist();
      return;
    }
    if (this.#list.isPending(taskId)) {
      // The user's own change, still on its way, is not to look like somebody else's to the edit.
      void this.#list.idle().then(() => this.#edit(taskId));
      return;
    }
    open?.close();
    const editor = new Editor(this.#list.get(taskId), this.#list, calendar, () => {
      // Safari gives no focus to a button that is clicked; and who is in the page around by now keeps theirs.
      const hadFocus = hasFocus(editor.element) || (document.hasFocus() && document.activeElement === document.body);
      editor.element.remove();
      row.element.classList.remove("edited");
      this.#editor = this.#list.pinned = undefined;
      if (hadFocus) this.#focus(taskId);
    });
    this.#editor = { taskId, editor };
    this.#list.pinned = taskId;
    row.element.classList.add("edited");
    row.element.append(editor.element);
    editor.focus();
  }

  #onKey(event: KeyboardEvent): void {
    const id = taskOf(event.target);
    const target = event.target as HTMLElement;
    if (id === undefined || target.closest(".editor") || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = this.#order.indexOf(id);
    const onMain = target === this.#rows.get(id)?.main;
    const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.#order.length - 1 };
    const next = this.#order[steps[event.key] ?? -1];
    if (event.key in steps) {
      if (next !== undefined) this.#focus(next);
    } else if (event.repeat && (event.key === "Enter" || event.key === "Delete")) {
      // A key that is held: the focus has moved to the next task, for which it was not pressed.
    } else if (event.key === "Enter" && onMain && target instanceof HTMLInputElement) this.#edit(id);
    else if (event.key === "Delete" && onMain && !target.matches(":disabled")) {
      void this.#list.attempt(deleting(this.#list.get(id)));
    } else return;
    event.preventDefault();
  }

  #focus(taskId: number): void {
    if (this.#editor?.taskId === taskId) this.#editor.editor.focus();
    else this.#rows.get(taskId)?.main.focus();
  }

  #focusOrLeave(taskId: number | undefined): void {
    if (taskId === undefined) this.#leave();
    else this.#focus(taskId);
  }

  /** Make one task the list's stop in the tab order. */
  #reach(taskId: number | undefined): void {
    const reached = taskId !== undefined && this.#order.includes(taskId) ? taskId : this.#order[0];
    this.#current = reached;
    for (const [id, row] of this.#rows) row.reachable = id === reached;
  }

  /** Keep the focus where it was, or, where its task went elsewhere, give it to the task that took the place. */
  #refocus(focused: HTMLElement, taskId: number, before: Record<Group, Task[]>): void {
    const [was, wasAt] = placeOf(before, taskId);
    const [is] = placeOf(this.#groups!, taskId);
    if ((was === is || this.#editor?.taskId === taskId) && this.#order.includes(taskId)) {
      if (!focused.isConnected) this.#focus(taskId);
      else if (document.activeElement !== focused) focused.focus();
      return;
    }
    const rest = was ? this.#groups![was].filter((task) => this.#order.includes(task.task_id)) : [];
    this.#focusOrLeave(rest[Math.min(wasAt, rest.length - 1)]?.task_id ?? this.#order[0]);
  }
}

function taskOf(target: EventTarget | null): number | undefined {
  const row = target instanceof Element ? target.closest<HTMLElement>("[data-task]") : null;
  return row ? Number(row.dataset.task) : undefined;
}

function placeOf(groups: Record<Group, Task[]>, taskId: number): [Group | undefined, number] {
  for (const [group, tasks] of Object.entries(groups) as [Group, Task[]][]) {
    const at = tasks.findIndex((task) => task.task_id === taskId);
    if (at >= 0) return [group, at];
  }
  return [undefined, 0];
}

/** Put rows in order, and move none that stands right: a moved element loses the focus. */
function place(parent: HTMLElement, rows: HTMLElement[]): void {
  for (const child of [...parent.children]) if (!rows.includes(child as HTMLElement)) child.remove();
  rows.forEach((row, at) => {
    if (parent.children[at] !== row) parent.insertBefore(row, parent.children[at] ?? null);
  });
}
