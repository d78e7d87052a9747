// What the views show and ask for. `conversation.ts` and `conversations.ts` carry it out; views know nothing of HTTP.

import type { Conversation, Decision, Json, PendingApproval } from "./wire";

/** Something that views draw, and draw anew whenever it says that it has changed. */
export interface Observable {
  /** Call `listener` after each change, at most once a frame, until the signal aborts. */
  observe(listener: () => void, signal?: AbortSignal): void;
}

export interface TextPart {
  kind: "text";
  id: string;
  /** Markdown, not to be trusted. */
  text: string;
}

export interface CallPart {
  kind: "call";
  id: string;
  name: string;
  /** Undefined until they have come whole. */
  parameters: Record<string, Json> | undefined;
  /** Undefined while the call is under way; `{"error": …}` where the tool refused. */
  result: Json | undefined;
}

export type Part = TextPart | CallPart;

/**
 * `sending`: the message is on its way, perhaps again, and nothing is known of it yet.
 * `refused`: it was refused, and nothing is on record. The others are the run's status.
 */
export type TurnState =
  | "sending"
  | "refused"
  | "queued"
  | "running"
  | "requires_action"
  | "completed"
  | "failed"
  | "cancelled";

/** What went wrong, in words for the person at the page, and what they can do about it. */
export interface Trouble {
  text: string;
  /** `retry` goes on with the run or sends the same message again; `sign-in` needs a new token first. */
  next: "retry" | "sign-in" | "none";
  requestId?: string;
}

/** One message of the user's and everything that came of it. */
export interface Turn extends Observable {
  /** Names the turn for as long as the page shows it. */
  readonly key: string;
  readonly runId: string | undefined;
  readonly input: string;
  readonly createdAt: Date;
  readonly state: TurnState;
  /** It goes on only if somebody wants it to. */
  readonly atRest: boolean;
  readonly parts: readonly Part[];
  readonly trouble: Trouble | undefined;
  readonly approvals: readonly PendingApproval[];
  /** The connection was lost and is being made again; what is shown may be behind. */
  readonly reconnecting: boolean;
  /** Stop was asked for, and the run has not ended yet. */
  readonly stopping: boolean;
}

/** The conversation in the middle of the page. It is new, without an id, until its first message was taken. */
export interface ConversationModel extends Observable {
  readonly id: number | undefined;
  readonly title: string;
  /** Oldest first. Of the turns before them, `older` fetches more. */
  readonly turns: readonly Turn[];
  readonly hasOlder: boolean;
  readonly loading: boolean;
  /** Why it could not be read. */
  readonly trouble: Trouble | undefined;
  /** A turn is at work or waits for a decision: the next message would have to wait. */
  readonly busy: boolean;
  /** Words that are written and not sent, kept for each conversation over reloads. */
  draft: string;

  older(): Promise<void>;
  /** Send a message; where the conversation is busy it waits its turn. */
  send(text: string): void;
  /** Stop the turn that is at work, and those that wait behind it. */
  stop(): void;
  /** Go on with a failed or stopped turn, or send a refused one again: nothing that was done is done twice. */
  retry(turn: Turn): void;
  /** Ask the last turn's question again, in its place. */
  regenerate(turn: Turn): void;
  /** Ask another question in the last turn's place. */
  edit(turn: Turn, text: string): void;
  decide(turn: Turn, decisions: Decision[]): Promise<void>;
  /** Read it again where reading failed. */
  reload(): void;
}

/** The sidebar's list. */
export interface ConversationsModel extends Observable {
  readonly items: readonly Conversation[];
  readonly hasMore: boolean;
  readonly loading: boolean;
  readonly trouble: Trouble | undefined;
  /** Words that titles have in them; empty shows all. */
  query: string;

  more(): Promise<void>;
  rename(id: number, title: string): Promise<void>;
  /** Hide a conversation now and delete it after `UNDO_SECONDS`, or when the page goes away, unless it is undone. */
  remove(id: number): Removal;
  reload(): void;
}

export interface Removal {
  readonly title: string;
  /** Returns false where it is too late. */
  undo(): boolean;
}

export const UNDO_SECONDS = 10;

/** Calls of the todo server's tools in the user's name, with a key of their own: sent again, they are done once. */
export interface Tools {
  /** Returns the structured answer. Throws an Error whose message says what the tool refused or that no answer came. */
  call(name: string, parameters: Record<string, Json>): Promise<Json>;
}
