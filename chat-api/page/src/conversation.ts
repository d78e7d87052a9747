// One conversation: its turns, from the record and from here, and what is asked for in it.

import type { Api } from "./api";
import { Courier } from "./courier";
import { Draft } from "./draft";
import { History } from "./history";
import type { ConversationModel, Trouble, Turn } from "./model";
import { Changes } from "./observable";
import { passes, Problem, troubleOf } from "./problem";
import type { Session } from "./session";
import type { Drafts, Outbox, Unsent } from "./storage";
import { LiveTurn, type StoredRun } from "./turn";
import { TurnList } from "./turn-list";
import type { ChatRequest, Conversation, Decision } from "./wire";

/** What a conversation needs of the page around it. */
export interface Surroundings {
  readonly api: Api;
  readonly session: Session;
  readonly drafts: Drafts;
  readonly outbox: Outbox;
  readonly lifetime: AbortSignal;
  /** The state of one of the conversation's turns has changed. */
  moved(conversation: OpenConversation): void;
  /** A new conversation has got its id. */
  born(conversation: OpenConversation): void;
  /** One of the conversation's messages was refused. */
  refused(conversation: OpenConversation, turn: Turn): void;
}

export class OpenConversation implements ConversationModel {
  readonly turnList = new TurnList(() => this.#moved());
  readonly written: Draft;
  readonly #around: Surroundings;
  readonly #changes = new Changes();
  readonly #courier: Courier;
  #id: number | undefined;
  #title = "";
  #history: History | undefined;
  #loading = false;
  #loaded: boolean;
  #shown = false;
  #trouble: Trouble | undefined;

  constructor(around: Surroundings, id: number | undefined) {
    this.#around = around;
    this.#id = id;
    this.written = new Draft(around.drafts, id);
    this.#loaded = id === undefined;
    if (id !== undefined) this.#history = new History(around.api, id, around.lifetime);
    const { api, session, outbox, lifetime } = around;
    const conversation = this;
    this.#courier = new Courier({
      ...{ api, session, outbox, lifetime, turns: this.turnList },
      get id() {
        return conversation.#id;
      },
      adopt: (given) => this.#adopt(given),
      refused: (turn) => around.refused(this, turn),
      recall: (runId) => this.#recall(runId),
    });
  }

  observe(listener: () => void, signal?: AbortSignal): void {
    this.#changes.observe(listener, signal);
  }

  get id(): number | undefined {
    return this.#id;
  }

  get title(): string {
    return this.#title;
  }

  get turns(): readonly Turn[] {
    return this.turnList.standing;
  }

  get hasOlder(): boolean {
    return this.#loaded && (this.#history?.hasOlder ?? false);
  }

  get loading(): boolean {
    return this.#loading;
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  get busy(): boolean {
    return this.turnList.all.some(({ atRest }) => !atRest);
  }

  get draft(): string {
    return this.written.text;
  }

  set draft(text: string) {
    this.written.text = text;
  }

  /** Whether it has what the service does not have. */
  get hasUnsent(): boolean {
    return this.turnList.all.some(({ runId }) => runId === undefined);
  }

  /** Become the conversation that is shown: read it, or what has changed since, and follow what is at work. */
  enter(): void {
    this.#shown = true;
    void this.check();
    this.#courier.enter();
  }

  leave(): void {
    this.#shown = false;
    this.#courier.leave();
  }

  reload(): void {
    if (this.#loading || this.#id === undefined) return;
    if (this.#loaded) return void this.check();
    this.#loading = true;
    this.#changes.notify();
    void this.#load(this.#id);
  }

  async older(): Promise<void> {
    if (!this.hasOlder) return;
    try {
      this.turnList.prepend(await this.#history!.older());
      this.#changes.notify();
    } catch (error) {
      throw new Error(troubleOf(error).text, { cause: error });
    }
  }

  /** Look whether something was done here from elsewhere. */
  async check(): Promise<void> {
    // What does not exist any more will not come back.
    if (this.#id === undefined || this.#loading || !this.#shown || this.#trouble?.next === "none") return;
    if (!this.#loaded) return this.reload();
    const { api, lifetime } = this.#around;
    try {
      const asked = performance.now();
      if (this.#heed(await api.conversation(this.#id, lifetime))) await this.#refresh(asked);
      this.#trouble = undefined;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Send messages again of which it is not known whether they arrived. */
  resend(messages: readonly Unsent[]): void {
    for (const message of messages) {
      const turn = LiveTurn.sending(message.body, () => this.#moved(), message);
      if (message.stopped) turn.stopping = true;
      this.turnList.add(turn);
      if (message.begins !== undefined) this.#courier.name = message.begins;
    }
    this.#moved();
    void this.#courier.deliver();
  }

  send(text: string): void {
    this.draft = "";
    this.#say(text);
  }

  stop(): void {
    void this.#courier.stop(this.turnList.all.filter(({ atRest, stopping }) => !atRest && !stopping));
  }

  retry(turn: Turn): void {
    const live = this.#resting(turn);
    if (!live) return;
    if (live.runId !== undefined) return this.#courier.retry(live);
    live.become("sending");
    this.#courier.send(live);
  }

  regenerate(turn: Turn): void {
    this.edit(turn, turn.input);
  }

  edit(turn: Turn, text: string): void {
    const live = this.#resting(turn);
    if (!live) return;
    if (live.runId === undefined) {
      this.turnList.remove(live);
      this.#around.outbox.drop(live.key);
    }
    // What failed in another's place has left that one where it was, to be replaced.
    const stands = live.replaces !== undefined && this.turnList.standing.some(({ runId }) => runId === live.replaces);
    this.#say(text, stands ? live.replaces : live.runId);
  }

  async decide(turn: Turn, decisions: Decision[]): Promise<void> {
    const live = this.turnList.all.find((one) => one === turn);
    if (live?.runId === undefined) return;
    try {
      await this.#around.api.decide(live.runId, decisions, this.#around.lifetime);
    } catch (error) {
      const isDecided = error instanceof Problem && error.type === "already-decided";
      if (!isDecided) throw new Error(troubleOf(error).text, { cause: error });
    } finally {
      live.nudge();
    }
  }

  #resting(turn: Turn): LiveTurn | undefined {
    return this.turnList.all.find((one) => one === turn && one.atRest);
  }

  #say(text: string, replaces?: string): void {
    const request: ChatRequest = {
      message: text,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      on_busy: "enqueue",
      ...(this.#id !== undefined && { conversation_id: this.#id }),
      ...(replaces !== undefined && { replaces }),
    };
    const turn = LiveTurn.sending(request, () => this.#moved(), this.#loaded ? { after: this.turnList.newest } : {});
    this.turnList.add(turn);
    this.#moved();
    this.#courier.send(turn);
  }

  async #load(id: number): Promise<void> {
    try {
      const asked = performance.now();
      const [stored, conversation] = await Promise.all([this.#history!.older(), this.#around.api.conversation(id)]);
      this.#heed(conversation);
      this.turnList.begin(stored, asked);
      this.#loaded = true;
      this.#trouble = undefined;
      if (this.#shown) this.#courier.enter();
    } catch (error) {
      this.#history = new History(this.#around.api, id, this.#around.lifetime);
      if (!this.#around.lifetime.aborted) this.#trouble = troubleOf(error);
    } finally {
      this.#loading = false;
      this.#changes.notify();
    }
  }

  /** Note what is on record of the conversation itself. Returns whether there is something new in it. */
  #heed({ title, active_run_id, last_run }: Conversation): boolean {
    if (title !== this.#title) {
      this.#title = title;
      this.#changes.notify();
    }
    const active = active_run_id === null ? undefined : this.turnList.find(active_run_id);
    const last = last_run === null ? undefined : this.turnList.find(last_run.run_id);
    return (active_run_id !== null && (!active || active.atRest)) || last?.state !== last_run?.status;
  }

  async #refresh(asked: number): Promise<void> {
    const { stored, isAll } = await this.#history!.newest();
    if (this.turnList.merge(stored, asked, isAll)) this.#courier.advance();
    else {
      this.#courier.leave();
      this.#history = new History(this.#around.api, this.#id!, this.#around.lifetime);
      this.#loaded = false;
      this.reload();
    }
    this.#changes.notify();
  }

  #fail(error: unknown): void {
    if (this.#around.lifetime.aborted) return;
    // The next look is soon.
    if (passes(error)) return;
    this.#trouble = troubleOf(error);
    this.#changes.notify();
  }

  #adopt(id: number): void {
    if (this.#id !== undefined) return;
    this.#id = id;
    this.written.move(id);
    this.#history = new History(this.#around.api, id, this.#around.lifetime, true);
    this.#around.born(this);
    this.#moved();
    void this.check();
  }

  #recall(runId: string): Promise<StoredRun> {
    return this.#history!.one(runId);
  }

  #moved(): void {
    // Only this page gives a new conversation messages, and it gives none a name.
    const begun = this.#id === undefined && this.turnList.all.find(({ threadId }) => threadId !== undefined);
    if (begun) this.#adopt(Number(begun.threadId));
    this.#changes.notify();
    this.#around.moved(this);
  }
}
