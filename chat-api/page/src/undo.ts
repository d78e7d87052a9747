// How a call of a tool is taken back.

import type { Call } from "./call-words";
import type { Json } from "./wire";

const OPPOSITES = new Map([
  ["add", "delete"],
  ["complete", "reopen"],
  ["reopen", "complete"],
  ["delete", "restore"],
  ["restore", "delete"],
]);

/** The call that takes this one back; undefined where there is none, or nothing was done. */
export function opposite({ name, result }: Call): { name: string; parameters: Record<string, Json> } | undefined {
  if (result === null || typeof result !== "object" || Array.isArray(result)) return undefined;
  if (name === "batch_tasks") return oppositeOfBatch(result);
  const kind = OPPOSITES.get(name.replace(/_task$/, ""));
  const taskId = result["task_id"];
  if (!kind || typeof taskId !== "number") return undefined;
  return { name: `${kind}_task`, parameters: { task_id: taskId } };
}

function oppositeOfBatch(result: Record<string, Json>): ReturnType<typeof opposite> {
  const parameters: Record<string, Json[]> = {};
  for (const [kind, items] of Object.entries(result)) {
    if (!Array.isArray(items)) return undefined;
    const done = items.flatMap((item) => {
      const id = item !== null && typeof item === "object" && !Array.isArray(item) ? item["task_id"] : undefined;
      return id === undefined ? [] : [id];
    });
    if (done.length === 0) continue;
    const back = OPPOSITES.get(kind);
    // What the fields were before a change is not known, and half of a batch taken back would only confuse.
    if (!back) return undefined;
    parameters[back] = [...(parameters[back] ?? []), ...done];
  }
  return Object.keys(parameters).length > 0 ? { name: "batch_tasks", parameters } : undefined;
}
