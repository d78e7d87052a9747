// Changes of a task: the call that makes each, how the task looks meanwhile, and the change that takes it back.

import { type Call, call } from "./calls";
import type { Task, TaskFields } from "./tasks";

export interface Change {
  call: Call;
  /** What was done, in the past tense. */
  said: string;
  /** What was not done where it fails: "complete “Buy milk”". */
  aim: string;
  /** The task as it is shown until the server answers; undefined shows it as it was. */
  shown?: Task;
  /**
   * The change that takes this one back, given the task as it is known by then, and the version in which the
   * user's own changes left it: a later one is somebody else's, and no edit of theirs is to be lost.
   */
  opposite: (task: Task, version: number) => Change;
}

const SHOWN_CHARS = 60;

function named(title: string): string {
  const characters = Array.from(title);
  const shown = characters.length > SHOWN_CHARS ? `${characters.slice(0, SHOWN_CHARS).join("")}…` : title;
  // Isolated, so that a title in another direction leaves the sentence around it in order.
  return `\u2068“${shown}”\u2069`;
}

export function completing(task: Task): Change {
  return {
    call: call("complete_task", { task_id: task.task_id }),
    said: `Completed ${named(task.title)}.`,
    aim: `complete ${named(task.title)}`,
    shown: { ...task, status: "completed", completed_at: new Date().toISOString() },
    opposite: reopening,
  };
}

export function reopening(task: Task): Change {
  const { completed_at: _, ...open } = task;
  return {
    call: call("reopen_task", { task_id: task.task_id }),
    said: `${named(task.title)} is open again.`,
    aim: `reopen ${named(task.title)}`,
    shown: { ...open, status: "open" },
    opposite: completing,
  };
}

export function deleting(task: Task): Change {
  return {
    call: call("delete_task", { task_id: task.task_id }),
    said: `Deleted ${named(task.title)}.`,
    aim: `delete ${named(task.title)}`,
    shown: { ...task, status: "deleted" },
    opposite: restoring,
  };
}

export function restoring(task: Task): Change {
  return {
    call: call("restore_task", { task_id: task.task_id }),
    said: `Restored ${named(task.title)}.`,
    aim: `restore ${named(task.title)}`,
    shown: { ...task, status: task.completed_at ? "completed" : "open" },
    opposite: deleting,
  };
}

export function adding(title: string, due: string): Change {
  return {
    call: call("add_task", { title, ...(due && { due }) }),
    said: `Added ${named(title)}.`,
    aim: `add ${named(title)}`,
    opposite: deleting,
  };
}

/** Changes of `fields`, of the task as it was read: the server refuses if it has changed since. */
export function updating(task: Task, fields: TaskFields): Change {
  return {
    call: call("update_task", { task_id: task.task_id, ...fields, expected_version: task.version }),
    said: `Saved ${named(fields.title ?? task.title)}.`,
    aim: `save ${named(fields.title ?? task.title)}`,
    opposite: (now, version) => ({
      ...updating({ ...now, version }, former(task, fields)),
      said: `${named(task.title)} is as it was.`,
      aim: `take back the edit of ${named(now.title)}`,
    }),
  };
}

function former(task: Task, fields: TaskFields): TaskFields {
  const values: TaskFields = {};
  if (fields.title !== undefined) values.title = task.title;
  if (fields.description !== undefined) values.description = task.description ?? "";
  if (fields.priority !== undefined) values.priority = task.priority;
  if (fields.tags !== undefined) values.tags = task.tags ?? [];
  if (fields.due !== undefined || fields.due_at !== undefined) Object.assign(values, dueOf(task));
  return values;
}

/** The arguments that give a task the due date or time of another, or take it away. */
export function dueOf({ due, due_at }: { due?: string; due_at?: string }): TaskFields {
  // Either replaces the other, and both may be emptied together.
  if (due) return { due };
  return due_at ? { due_at } : { due: "", due_at: "" };
}
