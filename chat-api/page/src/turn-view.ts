// One message of the user's and everything that came of it.

import { announce } from "./announcer";
import { AnswerStatus } from "./answer-status";
import { Approvals } from "./approvals";
import { Card, type CardContext } from "./cards";
import { reconcile } from "./children";
import { copyButton } from "./copy";
import { dayHeading } from "./date-words";
import { element, icon, iconButton, part, setAttribute } from "./dom";
import { MarkdownView } from "./markdown-view";
import type { ConversationModel, Part, Turn, TurnState } from "./model";
import { excerpt, Question } from "./question";
import type { SignInOptions } from "./sign-in";

export interface ChatContext extends CardContext {
  /** Where this page asks for a token by itself, as a run's page does. */
  source: SignInOptions["source"];
  /** Let the user sign in again. */
  signIn(): void;
  /** Put words behind those in the composer. */
  keep(text: string): void;
}

export interface Place {
  /** The turn before it is of another day, or there is none. */
  beginsDay: boolean;
  isLast: boolean;
}

/** Characters of an answer that are read out by themselves; the rest waits in the transcript. */
const ANNOUNCED_MAX_CHARS = 1000;

let count = 0;

export class TurnView {
  readonly element = element("div", { class: "turn" });
  /** The day of the message; equal for turns of one day. */
  readonly day: string;
  readonly #turn: Turn;
  readonly #context: ChatContext;
  readonly #closed = new AbortController();
  readonly #question: Question;
  readonly #answer: HTMLElement;
  readonly #parts = element("div", { class: "parts" });
  readonly #actions: HTMLElement;
  readonly #copy: HTMLButtonElement;
  readonly #regenerate: HTMLButtonElement;
  readonly #details = element("a", { class: "details" });
  readonly #approvals: Approvals;
  readonly #status: AnswerStatus;
  #views = new Map<string, MarkdownView | Card>();
  #place: Place = { beginsDay: false, isLast: false };
  #separator: HTMLElement | undefined;
  /** The state that was drawn last. */
  #state: TurnState | undefined;

  constructor(turn: Turn, conversation: ConversationModel, context: ChatContext, signal: AbortSignal) {
    this.#turn = turn;
    this.#context = context;
    this.day = turn.createdAt.toDateString();
    const about = excerpt(turn.input);
    this.#question = new Question(turn.input, turn.createdAt, {
      save: (text) => {
        part("message").focus();
        conversation.edit(turn, text);
      },
      keep: (text) => context.keep(text),
    });
    this.#approvals = new Approvals(turn, conversation, context.titles);
    this.#status = new AnswerStatus({ retry: () => conversation.retry(turn), signIn: () => context.signIn() });
    this.#copy = copyButton("", `Copy the answer to “${about}”`, () => this.#text);
    this.#regenerate = iconButton("refresh", "Answer again", () => {
      part("message").focus();
      conversation.regenerate(turn);
    });
    this.#regenerate.setAttribute("aria-label", `Answer “${about}” again`);
    const whose = element("span", { class: "heard" }, ` of the answer to “${about}”`);
    // A tab of its own has no window around it that hands it a token.
    if (context.source !== "frame") Object.assign(this.#details, { target: "_blank", rel: "noopener" });
    this.#details.append(icon("info"), "Details", whose);
    this.#actions = element("div", { class: "actions" }, this.#copy, this.#regenerate, this.#details);
    const heading = element("h2", { class: "heard", id: `assistant-${++count}` }, "Assistant");
    const attributes = { class: "answer", "aria-labelledby": heading.id };
    this.#answer = element("article", attributes, heading, this.#parts, this.#approvals.element);
    this.element.append(this.#question.element, this.#answer, this.#status.element, this.#actions);
    turn.observe(() => this.#draw(), AbortSignal.any([signal, this.#closed.signal]));
    this.#draw();
  }

  /** Say where among the others it stands. */
  place({ beginsDay, isLast }: Place): void {
    const { beginsDay: began, isLast: was } = this.#place;
    this.#place = { beginsDay, isLast };
    if (beginsDay !== began) {
      this.#separator?.remove();
      this.#separator = beginsDay ? element("p", { class: "day" }) : undefined;
      if (this.#separator) this.element.prepend(this.#separator);
    }
    if (this.#separator) {
      // After midnight, what was today is yesterday.
      const heading = dayHeading(this.#turn.createdAt);
      if (this.#separator.textContent !== heading) this.#separator.textContent = heading;
    }
    if (isLast !== was) this.#draw();
  }

  /** Begin to edit the message; returns false where that cannot be. */
  edit(): boolean {
    return this.#question.edit();
  }

  close(): void {
    this.#question.editable = false;
    this.#closed.abort();
  }

  /** The answer in Markdown. */
  get #text(): string {
    const texts = this.#turn.parts.flatMap((shown) => (shown.kind === "text" ? [shown.text.trim()] : []));
    return texts.filter(Boolean).join("\n\n");
  }

  get #words(): string {
    return [...this.#views.values()].map((view) => view.words).join(". ").slice(0, ANNOUNCED_MAX_CHARS);
  }

  #draw(): void {
    const turn = this.#turn;
    const { state, atRest } = turn;
    const { isLast } = this.#place;
    this.element.dataset["state"] = state;
    this.#drawParts(turn);
    this.#approvals.draw();
    this.#answer.hidden = this.#parts.childElementCount === 0 && this.#approvals.element.hidden;
    setAttribute(this.#answer, "aria-busy", !atRest && state !== "requires_action" && "true");
    this.#status.draw(turn, isLast);
    this.#question.editable = isLast && atRest;
    this.#actions.hidden = !atRest || state === "refused";
    this.#copy.hidden = this.#text === "";
    this.#regenerate.hidden = !isLast;
    // A token that was pasted here is not there.
    this.#details.hidden = turn.runId === undefined || this.#context.source === "none";
    if (turn.runId !== undefined) this.#details.href = `/runs/${turn.runId}`;
    if (this.#state !== undefined && this.#state !== state) this.#tell(state);
    this.#state = state;
  }

  #drawParts(turn: Turn): void {
    const known = this.#views;
    this.#views = new Map();
    let calls = 0;
    for (const shown of turn.parts) {
      const key = shown.kind === "call" ? `${turn.runId ?? turn.key}/${calls++}` : "";
      if (!isShown(shown, turn.state)) continue;
      const view = known.get(shown.id) ?? (shown.kind === "text" ? new MarkdownView() : new Card(key, this.#context));
      this.#views.set(shown.id, view);
      if (shown.kind === "text") (view as MarkdownView).draw(shown.text, turn.atRest);
      else (view as Card).draw(shown, turn.atRest);
    }
    reconcile(this.#parts, [...this.#views.values()].map((view) => view.element));
  }

  /** Say once, to those who hear the page, what came of the turn. */
  #tell(state: TurnState): void {
    if (state === "failed" || state === "refused") announce(this.#turn.trouble?.text ?? "There is no answer.");
    else if (state === "cancelled") announce("The answer was stopped.");
    else if (state === "completed") announce(`Assistant: ${this.#words}`);
  }
}

/** What waits for a decision stands there, and not among what was done. */
function isShown(shown: Part, state: TurnState): boolean {
  if (shown.kind === "text") return shown.text.trim() !== "";
  return state !== "requires_action" || shown.result != null;
}
