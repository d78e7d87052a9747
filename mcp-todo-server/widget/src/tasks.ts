// Tasks as mcp-todo-server's tools answer with them; a field without a value is left out.

export type Priority = "low" | "normal" | "high" | "urgent";
export type Status = "open" | "completed" | "deleted";

export const PRIORITIES: readonly Priority[] = ["low", "normal", "high", "urgent"];
export const TITLE_MAX_CHARS = 500;
export const DESCRIPTION_MAX_CHARS = 10_000;
export const QUERY_MAX_CHARS = 200;
/** The days on which a task can be due. */
export const DUE_BOUNDS = { min: "1900-01-01", max: "9998-12-31" };

export interface Task {
  task_id: number;
  title: string;
  description?: string;
  status: Status;
  priority: Priority;
  tags?: string[];
  due?: string;
  due_at?: string;
  recurrence?: string;
  next_task_id?: number;
  version: number;
  completed_at?: string;
}

export interface TaskPage {
  tasks: Task[];
  next_cursor?: string;
  today: string;
  timezone: string;
}

export interface ListArguments {
  status?: Status | "all";
  query?: string;
  tag?: string;
  priority?: Priority;
  due_before?: string;
  due_after?: string;
  overdue?: boolean;
  sort?: string;
  limit?: number;
  cursor?: string;
}

/** What can be changed of a task; an empty text or list removes the value. */
export interface TaskFields {
  title?: string;
  description?: string;
  due?: string;
  due_at?: string;
  priority?: Priority;
  tags?: string[];
}
