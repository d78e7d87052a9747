// What the list tells those who show it.

import type { Call } from "./calls";
import type { Task } from "./tasks";

export interface Observer {
  changed(): void;
  /** What was done, for the status line. */
  said(text: string): void;
  /** A change failed; `retry` does it again where that can help. What it returns takes the message away. */
  failed: (text: string, retry?: () => unknown) => () => void;
  /** The list could not be read. */
  unread: (text: string, retry?: () => unknown) => () => void;
  /** The user changed a task; for the model to know. */
  noted(call: Call, task: Task): void;
}
