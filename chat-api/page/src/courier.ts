// Sends the messages of one conversation in their order, and follows its runs one after the other: a browser has few
// connections, and a run that waits has nothing to say.

import type { Api, RunStream } from "./api";
import { deliver, follow, hasEnded, persist, type Way } from "./follow";
import { Backoff } from "./presence";
import { troubleOf } from "./problem";
import { randomKey } from "./random";
import type { Session } from "./session";
import type { Outbox } from "./storage";
import type { LiveTurn, StoredRun } from "./turn";
import type { TurnList } from "./turn-list";

export interface Desk {
  readonly api: Api;
  readonly session: Session;
  readonly outbox: Outbox;
  readonly lifetime: AbortSignal;
  readonly turns: TurnList;
  /** Undefined until the first message was taken. */
  readonly id: number | undefined;
  adopt(id: number): void;
  refused(turn: LiveTurn): void;
  /** Read what is on record of a run. */
  recall(runId: string): Promise<StoredRun>;
}

export class Courier {
  readonly #desk: Desk;
  /** Lives while the conversation is shown. */
  #shown: AbortController | undefined;
  #followed: LiveTurn | undefined;
  #delivering = false;
  readonly #retried = new WeakSet<LiveTurn>();
  /** Tells the conversation from others that are new, while it has no number. */
  name = randomKey();

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  enter(): void {
    this.#shown ??= new AbortController();
    this.advance();
  }

  /** Follow no more. Runs go on, and messages that are on their way are sent. */
  leave(): void {
    this.#shown?.abort();
    this.#shown = this.#followed = undefined;
  }

  /** Send a message by the reader's hand, and go on with that after a reload. */
  send(turn: LiveTurn): void {
    turn.sentAt = Date.now();
    this.#keep(turn);
    void this.deliver();
  }

  /** Send what was not sent, one after the other, so that it arrives in order and in the same conversation. */
  async deliver(): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    for (let turn; (turn = this.#desk.turns.all.find(isUnsent)); ) {
      await this.#deliver(turn);
      if (this.#desk.lifetime.aborted) return;
    }
    this.#delivering = false;
  }

  /** Go on with a run that has ended. */
  retry(turn: LiveTurn): void {
    this.#retried.add(turn);
    turn.become("running");
    this.advance();
  }

  /** Stop turns, the newest first: the end of what is at work begins what waits behind it. */
  async stop(turns: readonly LiveTurn[]): Promise<void> {
    for (const turn of turns) {
      turn.stopping = true;
      if (turn.runId === undefined) this.#keep(turn);
    }
    for (const turn of turns.toReversed()) if (turn.runId !== undefined) await this.#cancel(turn);
  }

  /** Follow the first run that has not ended. `opened` is a stream that has just been opened, of any run. */
  advance(opened?: RunStream): void {
    const { head } = this.#desk.turns;
    if (!this.#shown || !head || this.#followed) return opened?.close();
    if (opened && head.runId !== opened.runId) opened.close();
    const stream = opened?.runId === head.runId ? opened : undefined;
    this.#followed = head;
    const { signal } = this.#shown;
    const retry = this.#retried.delete(head);
    void follow(head, this.#way(signal), { opened: stream, retry, recall: () => this.#desk.recall(head.runId!) })
      .catch((error: unknown) => {
        if (!signal.aborted && !this.#desk.lifetime.aborted) head.become("failed", troubleOf(error));
      })
      .finally(() => {
        if (signal.aborted) return;
        this.#followed = undefined;
        this.advance();
      });
  }

  async #deliver(message: LiveTurn): Promise<void> {
    const { api, outbox, lifetime, turns } = this.#desk;
    const way = this.#way(lifetime);
    let turn = message;
    try {
      const stream = await deliver(message, way);
      turn = turns.identify(message, stream.runId);
      if (turn === message && turns.head !== turn) turn.become("queued");
      this.advance(stream);
      if (this.#desk.id === undefined) {
        this.#desk.adopt((await persist(turn, way, () => api.run(stream.runId, lifetime))).conversation_id);
      }
      // Those behind it have to know the conversation before the message that began it is forgotten.
      for (const next of turns.all.filter(isUnsent)) this.#keep(next);
      if (turn.stopping) await this.#cancel(turn);
      outbox.drop(message.key);
    } catch (error) {
      if (lifetime.aborted) return;
      if (turn.runId !== undefined) outbox.drop(message.key);
      // Another tab may have made a draft of it.
      else if (outbox.has(message.key)) this.#keep(message, true);
      turn.become(turn.runId === undefined ? "refused" : "failed", troubleOf(error));
      if (turn.state === "refused") this.#desk.refused(turn);
    }
  }

  /** Put a message where a reload finds it. */
  #keep({ key, request, sentAt: at, after, stopping }: LiveTurn, refused = false): void {
    const { outbox, id } = this.#desk;
    const body = request!;
    if (id !== undefined) body.conversation_id ??= id;
    const known = { ...(after !== undefined && { after }), ...(stopping && { stopped: true }) };
    outbox.put({ key, body, at, begins: this.name, ...known, ...(refused && { refused }) });
  }

  async #cancel(turn: LiveTurn): Promise<void> {
    const { api, lifetime } = this.#desk;
    try {
      const run = await persist(turn, this.#way(lifetime), () => api.cancel(turn.runId!, lifetime));
      // What waited in the queue has said nothing. Of any other run, the events tell how it ends.
      if (turn.state === "queued" && hasEnded(run.status)) turn.become(run.status);
      // Else a later retry would be stopped.
      if (turn.atRest && hasEnded(run.status)) turn.stopping = false;
      turn.nudge();
    } catch (error) {
      if (lifetime.aborted) return;
      turn.stopping = false;
      turn.suffer(troubleOf(error));
    }
  }

  #way(signal: AbortSignal): Way {
    const { api, session } = this.#desk;
    return { api, session, signal, backoff: new Backoff() };
  }
}

function isUnsent({ state, runId }: LiveTurn): boolean {
  return state === "sending" && runId === undefined;
}
