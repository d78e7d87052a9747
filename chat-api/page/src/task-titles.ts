// The titles of tasks by their numbers, as far as they came by: most calls name a task by its number alone.

import type { Tools } from "./model";
import type { Json } from "./wire";

export class TaskTitles {
  readonly #known = new Map<number, string>();
  readonly #asked = new Map<number, Promise<string>>();
  readonly #tools: Tools;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  get(taskId: number): string | undefined {
    return this.#known.get(taskId);
  }

  /** Take in the tasks of a tool's answer, wherever they stand in it. */
  learn(answer: Json | undefined): void {
    if (Array.isArray(answer)) for (const item of answer) this.learn(item);
    else if (answer !== null && typeof answer === "object") {
      const { task_id: id, title } = answer;
      if (typeof id === "number" && typeof title === "string") this.#known.set(id, title);
      for (const value of Object.values(answer)) if (value !== null && typeof value === "object") this.learn(value);
    }
  }

  /** Read the titles of these tasks that are not known yet. Throws as `Tools.call` does. */
  async read(taskIds: readonly number[]): Promise<void> {
    await Promise.all(taskIds.filter((id) => !this.#known.has(id)).map((id) => this.#read(id)));
  }

  #read(taskId: number): Promise<string> {
    let asked = this.#asked.get(taskId);
    if (!asked) {
      asked = this.#tools.call("get_task", { task_id: taskId }).then((task) => {
        this.learn(task);
        return this.#known.get(taskId) ?? "";
      });
      this.#asked.set(taskId, asked);
      asked.catch(() => this.#asked.delete(taskId));
    }
    return asked;
  }
}
