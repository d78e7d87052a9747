// How tasks look while changes of them are under way.

import type { Task } from "./tasks";

export class Meanwhile {
  readonly #pending = new Map<number, { task: Task; calls: number }>();

  /** The task as it will be; undefined where no change of it is under way. */
  get(taskId: number): Task | undefined {
    return this.#pending.get(taskId)?.task;
  }

  has(taskId: number): boolean {
    return this.#pending.has(taskId);
  }

  /** A change is under way that makes the task look like this. */
  begin(task: Task): void {
    const { task_id: id } = task;
    this.#pending.set(id, { task, calls: (this.#pending.get(id)?.calls ?? 0) + 1 });
  }

  /** One of the task's changes has ended, in whatever way. */
  end(taskId: number): void {
    const pending = this.#pending.get(taskId);
    if (pending && --pending.calls === 0) this.#pending.delete(taskId);
  }
}
