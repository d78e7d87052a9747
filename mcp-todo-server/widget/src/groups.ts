// Which group a task stands in, and the order within each.

import type { Calendar } from "./dates";
import { PRIORITIES, type Task } from "./tasks";

export const GROUPS = {
  overdue: "Overdue",
  today: "Today",
  upcoming: "Upcoming",
  undated: "No date",
  done: "Done",
  deleted: "Deleted",
} as const;

export type Group = keyof typeof GROUPS;

export function groupOf(task: Task, calendar: Calendar, now: number): Group {
  if (task.status !== "open") return task.status === "completed" ? "done" : "deleted";
  const due = calendar.due(task);
  if (!due) return "undated";
  if (due.date < calendar.today || (task.due_at && Date.parse(task.due_at) < now)) return "overdue";
  return due.date === calendar.today ? "today" : "upcoming";
}

/** Return the tasks of each group: what presses most first, and what was done last first. */
export function grouped(tasks: Iterable<Task>, calendar: Calendar, now: number): Record<Group, Task[]> {
  const groups: Record<Group, Task[]> = { overdue: [], today: [], upcoming: [], undated: [], done: [], deleted: [] };
  for (const task of tasks) groups[groupOf(task, calendar, now)].push(task);
  const pressing = (task: Task) => {
    const due = calendar.due(task);
    // A task for the day has until its end.
    return due ? `${due.date} ${due.time ?? "24:00"}` : "";
  };
  for (const group of Object.values(groups)) {
    group.sort(
      (one, other) =>
        (other.completed_at ?? "").localeCompare(one.completed_at ?? "") ||
        pressing(one).localeCompare(pressing(other)) ||
        PRIORITIES.indexOf(other.priority) - PRIORITIES.indexOf(one.priority) ||
        one.task_id - other.task_id,
    );
  }
  return groups;
}
