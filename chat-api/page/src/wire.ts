// The shapes of chat-api's HTTP contract that the page uses (docs/api.md), and of AG-UI events as it sends them.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

export type RunStatus = "queued" | "running" | "requires_action" | "completed" | "failed" | "cancelled";

export interface Conversation {
  id: number;
  title: string;
  created_at: string;
  updated_at: string;
  active_run_id: string | null;
  last_run: { run_id: string; status: RunStatus } | null;
}

export interface ToolCall {
  tool_name: string;
  parameters: Record<string, Json>;
  /** The tool's structured answer, `{"error": …}` where it refused, null while it is not known. */
  result: Json;
}

export interface Message {
  id: number;
  run_id: string;
  role: "user" | "assistant";
  content: string;
  tool_calls: ToolCall[];
  created_at: string;
}

export interface PendingApproval {
  tool_call_id: string;
  tool_name: string;
  parameters: Record<string, Json>;
  expires_at: string;
}

export interface Run {
  run_id: string;
  conversation_id: number;
  status: RunStatus;
  input: string;
  error: { type: string; detail: string } | null;
  usage: { model_requests: number; input_tokens: number; output_tokens: number };
  tool_calls: ToolCall[];
  attempt: number;
  replaces: string | null;
  replaced: boolean;
  pending_approvals: PendingApproval[];
  created_at: string;
  ended_at: string | null;
}

/** One step of a run. A time that is null is not known, or not yet; what does not apply is left out. */
export interface TimelineEntry {
  kind: "queued" | "attempt" | "model" | "tool" | "journal" | "commit" | "approval";
  attempt: number | null;
  began_at: string | null;
  ended_at: string | null;
  outcome: string | null;
  error?: { type: string; detail: string };
  response?: number;
  first_word_at?: string | null;
  input_tokens?: number | null;
  output_tokens?: number | null;
  call?: number;
  tool_name?: string;
  parameters?: Record<string, Json>;
  result?: Json;
}

export interface Timeline {
  run: Run;
  /** In the order in which the steps were taken. */
  entries: TimelineEntry[];
}

export interface Decision {
  tool_call_id: string;
  approve: boolean;
  reason?: string;
}

export interface ChatRequest {
  message: string;
  conversation_id?: number;
  timezone: string;
  on_busy?: "reject" | "enqueue" | "interrupt";
  replaces?: string;
}

/** The events of a run, without what the page has no use for. Others may come, and are passed over. */
export type RunEvent =
  | { type: "RUN_STARTED"; threadId: string }
  | { type: "TEXT_MESSAGE_START"; messageId: string }
  | { type: "TEXT_MESSAGE_CONTENT"; messageId: string; delta: string }
  | { type: "TEXT_MESSAGE_END"; messageId: string }
  | { type: "TOOL_CALL_START"; toolCallId: string; toolCallName: string }
  | { type: "TOOL_CALL_ARGS"; toolCallId: string; delta: string }
  | { type: "TOOL_CALL_END"; toolCallId: string }
  | { type: "TOOL_CALL_RESULT"; toolCallId: string; content: string }
  | { type: "CUSTOM"; name: string; value: Json }
  | { type: "RUN_FINISHED"; outcome?: { type: "success" | "cancelled" | "interrupt" } }
  | { type: "RUN_ERROR"; message: string; code: string };
