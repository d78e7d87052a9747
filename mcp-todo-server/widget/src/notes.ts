// What the model is told of the user's own changes, which it has no part in.

import type { Call } from "./calls";
import type { Host } from "./host";
import type { Task } from "./tasks";

const KEPT = 30;
const DID: Record<Call["name"], string> = {
  add_task: "added",
  update_task: "edited",
  complete_task: "completed",
  reopen_task: "reopened",
  delete_task: "deleted",
  restore_task: "restored",
};

export class Notes {
  readonly #host: Host;
  readonly #lines: string[] = [];

  constructor(host: Host) {
    this.#host = host;
  }

  /** Tasks are named by number: their text is data that nobody has to read as part of a conversation. */
  add(call: Call, task: Task): void {
    if (!this.#host.capabilities.updateModelContext) return;
    this.#lines.push(`${DID[call.name]} task ${task.task_id} (now version ${task.version})`);
    this.#lines.splice(0, this.#lines.length - KEPT);
    const text = `In the task list on the screen the user has since: ${this.#lines.join("; ")}.`;
    // A note that does not arrive changes nothing for the user: the model reads the tasks before it acts.
    this.#host.request("ui/update-model-context", { content: [{ type: "text", text }] }).catch(console.warn);
  }
}
