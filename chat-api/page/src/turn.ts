// One message and all that came of it, from the events of its run or from what is on record of it.

import type { CallPart, Part, Trouble, Turn, TurnState } from "./model";
import { Changes } from "./observable";
import type { NumberedEvent } from "./api";
import { troubleOfRun } from "./problem";
import { randomKey } from "./random";
import type { Unsent } from "./storage";
import type { ChatRequest, Json, PendingApproval, Run, RunEvent } from "./wire";

/** A run on record; `answer` are the words that the transcript has of it. */
export interface StoredRun {
  run: Run;
  answer: string;
}

const AT_REST: ReadonlySet<TurnState> = new Set(["refused", "completed", "failed", "cancelled"]);

export class LiveTurn implements Turn {
  /** The message's idempotency key as well, where this tab has sent it. */
  readonly key: string;
  readonly input: string;
  readonly createdAt: Date;
  /** What is sent; undefined where it was not sent from here. */
  readonly request: ChatRequest | undefined;
  /** The run whose place it takes. */
  readonly replaces: string | undefined;
  /** Its run is newer than this one; undefined where that is not known. */
  after: string | undefined;
  /** Says that its conversation should look whether there is something to do for it. */
  readonly nudges = new EventTarget();
  /** When the reader sent it, last by hand. */
  sentAt: number;
  runId: string | undefined;
  /** As its run's events name it: the conversation's number, unless an AG-UI client has given it a name. */
  threadId: string | undefined;
  parts: readonly Part[] = [];
  trouble: Trouble | undefined;
  approvals: readonly PendingApproval[] = [];
  /** Another turn has taken its place for good. */
  replaced = false;
  /** When its state was last known to be what it is, by `performance.now()`. */
  knownAt = 0;
  #state: TurnState;
  #reconnecting = false;
  #stopping = false;
  /** Number of the last event that was applied, 0 where `parts` come from the record. */
  #last = 0;
  /** Arguments of calls that have not come whole. */
  readonly #unfinished = new Map<string, string>();
  readonly #changes = new Changes();
  readonly #moved: () => void;

  private constructor(
    moved: () => void,
    { key = randomKey(), state, input, createdAt, request, replaces }: {
      key?: string;
      state: TurnState;
      input: string;
      createdAt: Date;
      request?: ChatRequest;
      replaces: string | undefined;
    },
  ) {
    this.#moved = moved;
    this.#state = state;
    this.key = key;
    this.input = input;
    this.createdAt = createdAt;
    this.sentAt = createdAt.getTime();
    this.request = request;
    this.replaces = replaces;
  }

  /** A message that is about to be sent. `moved` is called whenever the turn's state has changed. */
  static sending(request: ChatRequest, moved: () => void, { key, at, after }: Partial<Unsent>): LiveTurn {
    const { message: input, replaces } = request;
    const createdAt = new Date(at ?? Date.now());
    const turn = new LiveTurn(moved, { ...(key && { key }), state: "sending", input, createdAt, request, replaces });
    turn.after = after;
    return turn;
  }

  /** A run that is on record. */
  static stored(stored: StoredRun, moved: () => void): LiveTurn {
    const { run_id, status: state, input, created_at } = stored.run;
    const replaces = stored.run.replaces ?? undefined;
    const turn = new LiveTurn(moved, { state, input, createdAt: new Date(created_at), replaces });
    turn.runId = run_id;
    turn.#record(stored);
    return turn;
  }

  observe(listener: () => void, signal?: AbortSignal): void {
    this.#changes.observe(listener, signal);
  }

  get state(): TurnState {
    return this.#state;
  }

  get atRest(): boolean {
    return AT_REST.has(this.#state);
  }

  /** Number of the last event that was applied. */
  get last(): number {
    return this.#last;
  }

  get reconnecting(): boolean {
    return this.#reconnecting;
  }

  set reconnecting(reconnecting: boolean) {
    if (reconnecting === this.#reconnecting) return;
    this.#reconnecting = reconnecting;
    this.#changes.notify();
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  set stopping(stopping: boolean) {
    this.#stopping = stopping;
    this.#changes.notify();
  }

  /** Let whoever waits for news of the run look at once. */
  nudge(): void {
    this.nudges.dispatchEvent(new Event("nudge"));
  }

  /** Note a state that was heard of, and why it is so. */
  become(state: TurnState, trouble?: Trouble, approvals: readonly PendingApproval[] = []): void {
    this.#state = state;
    this.trouble = trouble;
    this.approvals = approvals;
    this.knownAt = performance.now();
    if (this.atRest) {
      this.#stopping = false;
      this.#reconnecting = false;
    }
    this.#changes.notify();
    this.#moved();
  }

  /** Show a trouble that leaves the state what it is. */
  suffer(trouble: Trouble | undefined): void {
    if (trouble === this.trouble) return;
    this.trouble = trouble;
    this.#changes.notify();
  }

  /** Show what is on record, in place of what the events have told. */
  restore(stored: StoredRun): void {
    this.#record(stored);
    this.become(stored.run.status, this.trouble, this.approvals);
  }

  #record({ run, answer }: StoredRun): void {
    const calls = run.tool_calls.map(({ tool_name: name, parameters, result }, index): CallPart => {
      return { kind: "call", id: `${run.run_id}/${index}`, name, parameters, result: result ?? undefined };
    });
    const text: Part[] = answer ? [{ kind: "text", id: `${run.run_id}/answer`, text: answer }] : [];
    this.parts = [...calls, ...text];
    this.trouble = troubleOfRun(run);
    this.approvals = run.pending_approvals;
    this.replaced = run.replaced;
    this.#last = 0;
  }

  /** Apply an event, unless it was applied before. Events come in their order. */
  apply({ n, event }: NumberedEvent): void {
    if (n <= this.#last) return;
    // The first event is the run's beginning: what the record had of it comes again.
    if (this.#last === 0) this.parts = [];
    this.#last = n;
    this.#reconnecting = false;
    if (event.type === "RUN_STARTED") this.threadId = event.threadId;
    const end = endOf(event);
    if (end) this.become(...end);
    // A retry goes on behind the end that the run seemed to have, and a decision behind the pause.
    else if (this.#state !== "running") this.become("running");
    this.#draw(event);
    this.#changes.notify();
  }

  #draw(event: RunEvent): void {
    switch (event.type) {
      case "TEXT_MESSAGE_START":
        this.parts = [...this.parts, { kind: "text", id: event.messageId, text: "" }];
        break;
      case "TEXT_MESSAGE_CONTENT":
        this.#change(event.messageId, (part) => part.kind === "text" && { ...part, text: part.text + event.delta });
        break;
      case "TOOL_CALL_START":
        this.#unfinished.set(event.toolCallId, "");
        this.parts = [...this.parts, called(event.toolCallId, event.toolCallName)];
        break;
      case "TOOL_CALL_ARGS":
        this.#unfinished.set(event.toolCallId, (this.#unfinished.get(event.toolCallId) ?? "") + event.delta);
        break;
      case "TOOL_CALL_END": {
        const parameters = parsed(this.#unfinished.get(event.toolCallId) ?? "");
        this.#unfinished.delete(event.toolCallId);
        const whole = isObject(parameters) ? parameters : {};
        this.#change(event.toolCallId, (part) => part.kind === "call" && { ...part, parameters: whole });
        break;
      }
      case "TOOL_CALL_RESULT":
        this.#change(event.toolCallId, (part) => part.kind === "call" && { ...part, result: parsed(event.content) });
        break;
      case "CUSTOM": {
        if (event.name !== "message_discarded" || !isObject(event.value)) break;
        const { messageId } = event.value;
        this.parts = this.parts.filter(({ id }) => id !== messageId);
      }
    }
  }

  #change(id: string, change: (part: Part) => Part | false): void {
    this.parts = this.parts.map((part) => (part.id === id && change(part)) || part);
  }
}

/** Return the state that an event ends a stream in, and why; undefined where it does not. */
function endOf(event: RunEvent): [TurnState, Trouble?] | undefined {
  if (event.type === "RUN_ERROR") return ["failed", { text: event.message, next: "retry" }];
  if (event.type !== "RUN_FINISHED") return undefined;
  const outcome = event.outcome?.type;
  return [outcome === "cancelled" ? "cancelled" : outcome === "interrupt" ? "requires_action" : "completed"];
}

function called(id: string, name: string): CallPart {
  return { kind: "call", id, name, parameters: undefined, result: undefined };
}

function parsed(json: string): Json {
  try {
    return JSON.parse(json) as Json;
  } catch {
    return json; // arguments are the model's own words, and results what a tool has put there
  }
}

function isObject(value: Json): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
