// The tasks that are shown: what was read of them, what is under way, and what can be taken back.

import { type Calls, NoAnswer, Refusal } from "./calls";
import type { Change } from "./changes";
import { Calendar } from "./dates";
import { Meanwhile } from "./meanwhile";
import type { Observer } from "./observer";
import type { ListArguments, Task, TaskPage } from "./tasks";

const PAGE = 50;
const PAGE_MAX = 100;

export class TaskList {
  /** The arguments of list_tasks that the shown list answers. */
  filter: ListArguments = { sort: "due" };
  calendar: Calendar | undefined;
  /** The day on which the calendar was read, by the browser's clock, which may be wrong about today. */
  readOn: string | undefined;
  /** Number of calls under way. */
  busy = 0;
  /** Whether the first page is there. */
  loaded = false;
  /** Whether the group of completed tasks is shown below the open ones. */
  doneShown = false;
  /** A task that stays listed whatever is read. */
  pinned: number | undefined;

  readonly #calls: Calls;
  readonly #observer: Observer;
  readonly #known = new Map<number, Task>();
  readonly #meanwhile = new Meanwhile();
  /** What can be taken back, each with the task as the user's own changes have left it since. */
  readonly #undo: { change: Change; after: Task }[] = [];
  #open = new Set<number>();
  #done = new Set<number>();
  #cursor: string | undefined;
  #doneCursor: string | undefined;
  #locale: string | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #undoing: Promise<void> = Promise.resolve();
  /** Takes away what was told of the last reading's failure. */
  #dismissUnread: (() => void) | undefined;
  readonly #readAgain = () => this.refresh();

  constructor(calls: Calls, observer: Observer) {
    this.#calls = calls;
    this.#observer = observer;
  }

  /** The listed tasks, as they will be once what is under way is done. */
  get tasks(): Task[] {
    const ids = new Set([...this.#open, ...this.#done]);
    if (this.pinned !== undefined) ids.add(this.pinned);
    return [...ids].map((id) => this.#meanwhile.get(id) ?? this.get(id));
  }

  /** The reader's locale; undefined for the browser's. */
  set locale(locale: string | undefined) {
    if (locale === this.#locale) return;
    this.#locale = locale;
    if (this.calendar) this.calendar = new Calendar(this.calendar.today, this.calendar.zone, locale);
  }

  get hasMore(): boolean {
    return this.#cursor !== undefined;
  }

  get hasMoreDone(): boolean {
    return this.#doneCursor !== undefined;
  }

  get canUndo(): boolean {
    return this.#undo.length > 0;
  }

  get(taskId: number): Task {
    return this.#known.get(taskId)!;
  }

  /** Whether a change of the task is under way. */
  isPending(taskId: number): boolean {
    return this.#meanwhile.has(taskId);
  }

  /** Show a page that list_tasks answered these arguments with. */
  receive(page: TaskPage, args: ListArguments): void {
    const { cursor: _, ...filter } = args;
    this.filter = filter;
    this.#open = new Set();
    this.#take(page, this.#open);
    this.#cursor = page.next_cursor;
    this.loaded = true;
    this.#observer.changed();
  }

  /** Show the tasks that these arguments ask for. */
  async show(filter: ListArguments): Promise<void> {
    this.filter = filter;
    this.doneShown &&= (filter.status ?? "open") === "open";
    await this.#readAll(() => 0);
  }

  /** Read what is shown once more. */
  async refresh(): Promise<boolean> {
    return this.#readAll((shown) => shown.size);
  }

  async #readAll(count: (shown: Set<number>) => number): Promise<boolean> {
    const { filter, doneShown } = this;
    try {
      await this.#inTurn(async () => {
        // Another list has been asked for meanwhile, and its own reading is queued.
        if (filter !== this.filter) return;
        const open = await this.#read(filter, count(this.#open));
        const done = doneShown ? await this.#read(this.#doneFilter, count(this.#done)) : undefined;
        if (filter !== this.filter) return;
        this.#open = open.ids;
        this.#cursor = open.cursor;
        this.#done = done?.ids ?? new Set();
        this.#doneCursor = done?.cursor;
        this.loaded = true;
      });
      this.#dismissUnread?.();
      return true;
    } catch (error) {
      this.#dismissUnread = this.tell("Could not read the tasks", error, this.#readAgain, this.#observer.unread);
      return false;
    }
  }

  /** Have days and times read in another zone. */
  async setZone(zone: string): Promise<void> {
    const set = await this.#enqueue(`use the zone ${zone}`, () => this.setZone(zone), () => this.#calls.setZone(zone));
    if (set && (await this.refresh())) this.#observer.said(`Days and times are those of ${zone}.`);
  }

  async showDone(shown: boolean): Promise<void> {
    this.doneShown = shown;
    this.#observer.changed();
    if (shown && this.#doneCursor === undefined) await this.refresh();
  }

  async more(): Promise<void> {
    const { filter } = this;
    await this.#enqueue("read more tasks", () => this.more(), async () => {
      const cursor = this.#cursor;
      if (filter !== this.filter || cursor === undefined) return;
      this.#cursor = this.#take(await this.#calls.list({ ...filter, cursor }), this.#open);
    });
  }

  async moreDone(): Promise<void> {
    const { filter } = this;
    await this.#enqueue("read more completed tasks", () => this.moreDone(), async () => {
      const cursor = this.#doneCursor;
      if (filter !== this.filter || cursor === undefined) return;
      this.#doneCursor = this.#take(await this.#calls.list({ ...this.#doneFilter, cursor }), this.#done);
    });
  }

  /** Make a change; throws `Refusal` or `NoAnswer`, for a caller with a draft to keep. */
  async make(change: Change, undoing = false): Promise<Task> {
    const taskId = change.call.arguments.task_id;
    this.#show(taskId, change.shown);
    try {
      return await this.#inTurn(async () => {
        const before = taskId === undefined ? undefined : this.#known.get(taskId);
        const after = await this.#calls.change(change.call);
        this.#keep(after);
        this.#open.add(after.task_id);
        for (const made of this.#undo) if (follows(after, made.after)) made.after = after;
        if (!undoing) this.#undo.push({ change, after });
        this.#observer.noted(change.call, after);
        this.#observer.said(change.said);
        await this.#follow(after.next_task_id ?? before?.next_task_id);
        return after;
      });
    } finally {
      this.#hide(taskId);
    }
  }

  /** Make a change and tell what goes wrong. */
  async attempt(change: Change, undoing = false): Promise<void> {
    try {
      await this.make(change, undoing);
    } catch (error) {
      this.tell(`Could not ${change.aim}`, error, () => this.attempt(change, undoing));
    }
  }

  /** Take back the last change that was not taken back yet. */
  async undo(): Promise<void> {
    const last = this.#undo.pop();
    if (!last) return;
    this.#undoing = this.#undoing.then(async () => {
      // What is under way changes the version that an edit is taken back from.
      await this.idle();
      await this.attempt(last.change.opposite(this.get(last.after.task_id), last.after.version), true);
    });
    await this.#undoing;
  }

  /** Wait for the calls that are under way. */
  async idle(): Promise<void> {
    await this.#queue;
  }

  /** Read one task anew. */
  async reread(taskId: number): Promise<Task> {
    return this.#inTurn(async () => this.#keep(await this.#calls.get(taskId)));
  }

  get #doneFilter(): ListArguments {
    return { ...this.filter, status: "completed", sort: "updated" };
  }

  async #read(filter: ListArguments, count: number): Promise<{ ids: Set<number>; cursor: string | undefined }> {
    const ids = new Set<number>();
    const limit = Math.max(filter.limit ?? PAGE, Math.min(count, PAGE_MAX));
    let cursor: string | undefined;
    do {
      cursor = this.#take(await this.#calls.list({ ...filter, limit, ...(cursor && { cursor }) }), ids);
    } while (cursor && ids.size < count);
    return { ids, cursor };
  }

  #take(page: TaskPage, ids: Set<number>): string | undefined {
    this.calendar = new Calendar(page.today, page.timezone, this.#locale);
    this.readOn = this.calendar.wall(Date.now()).date;
    for (const task of page.tasks) ids.add(this.#keep(task).task_id);
    return page.next_cursor;
  }

  /** Keep the newest that is known of a task: answers may overtake one another. */
  #keep(task: Task): Task {
    const known = this.#known.get(task.task_id);
    if (!known || known.version <= task.version) this.#known.set(task.task_id, task);
    return this.get(task.task_id);
  }

  /** A recurring task's next appears with its completion, and goes away with its reopening. */
  async #follow(next: number | undefined): Promise<void> {
    if (next === undefined) return;
    try {
      this.#keep(await this.#calls.get(next));
      this.#open.add(next);
    } catch (error) {
      this.tell("Could not read the next occurrence", error, () => this.refresh());
    }
  }

  #show(taskId: number | undefined, task: Task | undefined): void {
    const shown = taskId === undefined ? undefined : (task ?? this.#known.get(taskId));
    if (shown) this.#meanwhile.begin(shown);
    this.#observer.changed();
  }

  #hide(taskId: number | undefined): void {
    if (taskId !== undefined) this.#meanwhile.end(taskId);
    this.#observer.changed();
  }

  async #enqueue(aim: string, retry: () => unknown, work: () => Promise<void>): Promise<boolean> {
    try {
      await this.#inTurn(work);
      return true;
    } catch (error) {
      this.tell(`Could not ${aim}`, error, retry);
      return false;
    }
  }

  /** Calls go one after the other, so that two changes of one task arrive in the order they were made in. */
  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    this.busy += 1;
    this.#observer.changed();
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.busy -= 1;
      this.#observer.changed();
    }
  }

  /** Tell of a `Refusal` or a `NoAnswer`, and throw anything else. What it returns takes the message away. */
  tell(failure: string, error: unknown, retry: () => unknown, how = this.#observer.failed): () => void {
    if (error instanceof Refusal) return how(`${failure}: ${error.message}`);
    if (!(error instanceof NoAnswer)) throw error;
    return how(`${failure}: the todo server gave no answer (${error.message}).`, retry);
  }
}

/** Whether a task is another as the very next change of it left it. */
function follows(after: Task, before: Task): boolean {
  return after.task_id === before.task_id && after.version === before.version + 1;
}
