// The titles of tasks by their numbers: most calls name a task by its number alone.

import type { Tools } from "./model";
import type { Json } from "./wire";

/** Titles, as far as they are known. */
export interface Titles {
  get(taskId: number): string | undefined;
}

export class TaskTitles implements Titles {
  readonly #known = new Map<number, { title: string; version: number }>();
  readonly #tools: Tools;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  /** The newest title that came by; the task may be called otherwise by now. */
  get(taskId: number): string | undefined {
    return this.#known.get(taskId)?.title;
  }

  /** Take in the tasks of a tool's answer, wherever they stand in it. */
  learn(answer: Json | undefined): void {
    if (Array.isArray(answer)) for (const item of answer) this.learn(item);
    else if (answer !== null && typeof answer === "object") {
      const { task_id: id, title, version } = answer;
      if (typeof id === "number" && typeof title === "string") {
        const known = this.#known.get(id)?.version ?? 0;
        // Answers do not come by in their order: an old conversation tells what a task was called then. Items of a
        // batch have no version.
        const given = typeof version === "number" ? version : known;
        if (given >= known) this.#known.set(id, { title, version: given });
      }
      for (const value of Object.values(answer)) if (value !== null && typeof value === "object") this.learn(value);
    }
  }

  /** Return what a task is called at this moment. Throws as `Tools.call` does. */
  async read(taskId: number): Promise<string | undefined> {
    const task = await this.#tools.call("get_task", { task_id: taskId });
    this.learn(task);
    const title = task !== null && typeof task === "object" && !Array.isArray(task) ? task["title"] : undefined;
    return typeof title === "string" ? title : undefined;
  }
}
