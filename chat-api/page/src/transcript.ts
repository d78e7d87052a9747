// The conversation in the middle of the page: its turns, oldest first, and what is shown where there are none.

import { reconcile } from "./children";
import { button, element, icon } from "./dom";
import type { ConversationModel, Trouble } from "./model";
import { NearEnd } from "./near-end";
import { TaskTitles } from "./task-titles";
import { type ChatContext, TurnView } from "./turn-view";

/** How far above the first turn, in pixels, older ones are asked for. */
const OLDER_AHEAD_PX = 1500;
/** Turns that come into sight and go out of it together: of thousands, even passing over each one takes its time. */
const GROUP_SIZE = 10;
const EXAMPLES = ["Buy milk tomorrow at 5pm", "Water the plants every Monday", "What is due this week?"];

export interface TranscriptActions extends Pick<ChatContext, "tools" | "source" | "signIn" | "keep"> {
  /** Put words into the composer, for the user to change and to send. */
  compose(text: string): void;
}

export class Transcript {
  readonly element: HTMLElement;
  readonly #list = element("div", { class: "turns" });
  readonly #older = element("div", { class: "older" });
  readonly #notice = element("div", { class: "notice" });
  readonly #scroller: HTMLElement;
  readonly #end: NearEnd;
  readonly #actions: TranscriptActions;
  readonly #context: ChatContext;
  readonly #nearStart: IntersectionObserver;
  #conversation: ConversationModel | undefined;
  #views = new Map<string, TurnView>();
  #shown = new AbortController();
  #drawnNotice = "";
  #readingOlder = false;
  #olderFailed = false;

  /** The signal takes what is shown away from its conversation's changes. */
  constructor(actions: TranscriptActions, signal: AbortSignal) {
    this.#actions = actions;
    const { tools, source, signIn, keep } = actions;
    this.#context = { tools, source, signIn, keep, titles: new TaskTitles(tools), undone: new Set() };
    this.#scroller = element(
      "div",
      // Words are not read out as they stream in: each turn announces its answer once, when it is whole.
      { class: "scroller", role: "log", "aria-label": "Conversation", "aria-live": "off", tabindex: 0 },
      this.#older,
      this.#list,
      this.#notice,
    );
    const jump = button(icon("down"), () => this.#onJump(), { class: "jump" });
    jump.append("Jump to the newest");
    this.#end = new NearEnd(this.#scroller, [this.#list, this.#notice], (near) => (jump.hidden = near));
    this.#nearStart = new IntersectionObserver((entries) => this.#onNearStart(entries), {
      root: this.#scroller,
      rootMargin: `${OLDER_AHEAD_PX}px 0px 0px`,
    });
    this.element = element("div", { class: "transcript" }, this.#scroller, jump);
    signal.addEventListener("abort", () => this.#shown.abort());
  }

  /** Show this conversation in the place of the one before it. */
  show(conversation: ConversationModel): void {
    this.#shown.abort();
    this.#shown = new AbortController();
    this.#conversation = conversation;
    for (const view of this.#views.values()) view.close();
    this.#views = new Map();
    this.#list.replaceChildren();
    this.#readingOlder = this.#olderFailed = false;
    this.#end.follow();
    conversation.observe(() => this.#draw(conversation), this.#shown.signal);
    this.#draw(conversation);
  }

  /** Begin to edit the newest message in its place; returns false where that cannot be. */
  editLast(): boolean {
    const last = this.#conversation?.turns.at(-1);
    return last ? this.#views.get(last.key)!.edit() : false;
  }

  #draw(conversation: ConversationModel): void {
    const { turns } = conversation;
    const known = this.#views;
    const first = known.keys().next().value;
    const last = [...known.keys()].at(-1);
    this.#views = new Map();
    let day = "";
    for (const [index, turn] of turns.entries()) {
      const view = known.get(turn.key) ?? new TurnView(turn, conversation, this.#context, this.#shown.signal);
      known.delete(turn.key);
      this.#views.set(turn.key, view);
      view.place({ beginsDay: view.day !== day, isLast: index === turns.length - 1 });
      day = view.day;
    }
    for (const view of known.values()) view.close();
    const insert = () => this.#insert();
    if (first !== undefined && first !== turns[0]?.key) this.#end.keepPlace(this.#views.get(first)?.element, insert);
    else insert();
    const newest = turns.at(-1);
    if (newest && newest.key !== last && newest.state === "sending") this.#end.follow();
    this.#drawNotice(conversation);
    this.#drawOlder(conversation);
    this.#end.settle();
  }

  /** Put each turn that is new into a group: into the one before it while there is room, else into another. */
  #insert(): void {
    const groups = new Map<HTMLElement, HTMLElement[]>();
    let last: HTMLElement | undefined;
    for (const { element: turn } of this.#views.values()) {
      const own = turn.parentElement;
      const isPlaced = own !== null && (own === last || !groups.has(own));
      const hasRoom = last !== undefined && groups.get(last)!.length < GROUP_SIZE;
      last = isPlaced ? own : hasRoom ? last! : element("div", { class: "group" });
      const members = groups.get(last);
      if (members) members.push(turn);
      else groups.set(last, [turn]);
    }
    for (const [group, members] of groups) reconcile(group, members);
    reconcile(this.#list, [...groups.keys()]);
  }

  #drawNotice(conversation: ConversationModel): void {
    const { turns, loading, trouble } = conversation;
    const kind = trouble ? "trouble" : turns.length > 0 ? "" : loading ? "loading" : "start";
    const drawing = `${kind} ${trouble?.text ?? ""}`;
    if (drawing === this.#drawnNotice) return;
    this.#drawnNotice = drawing;
    this.#notice.className = `notice ${kind}`;
    if (trouble) this.#notice.replaceChildren(...this.#trouble(trouble, conversation));
    else if (kind === "loading") this.#notice.replaceChildren(element("p", {}, "Reading the conversation…"));
    else this.#notice.replaceChildren(...(kind === "start" ? this.#start() : []));
  }

  #trouble({ text, next }: Trouble, conversation: ConversationModel): HTMLElement[] {
    const words = element("p", { role: "alert" }, text);
    if (next === "sign-in") return [words, button("Sign in", () => this.#actions.signIn())];
    return next === "retry" ? [words, button("Try again", () => conversation.reload())] : [words];
  }

  #start(): HTMLElement[] {
    const examples = EXAMPLES.map((text) => button(text, () => this.#actions.compose(text)));
    return [
      element("h2", {}, "What needs doing?"),
      element("p", {}, "Say it in your own words: the assistant adds, finds, changes and ticks off."),
      element("div", { class: "examples", role: "group", "aria-label": "Examples" }, ...examples),
    ];
  }

  #drawOlder({ hasOlder }: ConversationModel): void {
    this.#older.hidden = !hasOlder;
    if (!hasOlder || this.#olderFailed) return;
    this.#older.textContent = this.#readingOlder ? "Reading older messages…" : "";
    // Whoever is still near the start gets the next page: the observer speaks up again only if it is asked anew.
    this.#nearStart.unobserve(this.#older);
    if (!this.#readingOlder) this.#nearStart.observe(this.#older);
  }

  #onJump(): void {
    // The button goes away, and the focus with it, if it is not led on.
    this.#scroller.focus({ preventScroll: true });
    this.#end.follow();
  }

  #onNearStart(entries: IntersectionObserverEntry[]): void {
    if (entries.at(-1)?.isIntersecting && this.#conversation?.hasOlder) void this.#readOlder(this.#conversation);
  }

  async #readOlder(conversation: ConversationModel): Promise<void> {
    if (this.#readingOlder) return;
    this.#readingOlder = true;
    this.#olderFailed = false;
    this.#drawOlder(conversation);
    let failed: unknown;
    try {
      await conversation.older();
    } catch (error) {
      failed = error;
    }
    if (conversation !== this.#conversation) return;
    this.#readingOlder = false;
    if (failed === undefined) return this.#drawOlder(conversation);
    this.#olderFailed = true;
    const text = failed instanceof Error ? failed.message : String(failed);
    const again = button("Try again", () => this.#readOlder(conversation));
    const words = element("p", { role: "alert" }, `Older messages could not be read: ${text}`);
    this.#older.replaceChildren(words, again);
  }
}
