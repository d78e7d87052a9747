// Where an answer stands: not begun, held up, broken off, failed.

import { button, element, icon, part } from "./dom";
import type { Turn } from "./model";

export interface StatusActions {
  retry: () => void;
  signIn: () => void;
}

interface Status {
  kind: "waiting" | "note" | "trouble";
  text: string;
  /** The next step, and what it is called. */
  next?: { label: string; act: () => void };
  /** What to name when asking somebody for help. */
  requestId?: string;
}

export class AnswerStatus {
  readonly element = element("div", { class: "status" });
  readonly #actions: StatusActions;
  #drawn = "";

  constructor(actions: StatusActions) {
    this.#actions = actions;
  }

  /** `isLast`: only the newest turn can be gone on with. */
  draw(turn: Turn, isLast: boolean): void {
    const status = this.#of(turn, isLast);
    const drawing = JSON.stringify([status, status?.next?.label]);
    if (drawing === this.#drawn) return;
    this.#drawn = drawing;
    const hadFocus = this.element.contains(document.activeElement);
    const offer = status?.next && button(status.next.label, status.next.act);
    this.element.hidden = status === undefined;
    this.element.replaceChildren(...(status ? shown(status) : []), ...(offer ? [offer] : []));
    if (status) this.element.dataset["kind"] = status.kind;
    if (hadFocus) (offer ?? part("message")).focus();
  }

  #of(turn: Turn, isLast: boolean): Status | undefined {
    const { state, atRest, trouble, parts, stopping, reconnecting } = turn;
    if (trouble) return this.#troubled(turn, isLast);
    if (stopping && !atRest) return { kind: "waiting", text: "Stopping…" };
    if (reconnecting && !atRest) return { kind: "waiting", text: "Connecting again…" };
    if (state === "queued") return { kind: "note", text: "Waits for the answer before it." };
    if (state === "sending") return { kind: "waiting", text: "Sending…" };
    if (state === "cancelled") {
      return { kind: "note", text: "Stopped.", ...(isLast && { next: { label: "Go on", act: this.#actions.retry } }) };
    }
    const last = parts.at(-1);
    const silent = last === undefined || (last.kind === "text" ? last.text.trim() === "" : last.result != null);
    return state === "running" && silent ? { kind: "waiting", text: "Thinking…" } : undefined;
  }

  #troubled({ state, trouble }: Turn, isLast: boolean): Status {
    const { text, next, requestId } = trouble!;
    const status: Status = { kind: "trouble", text, ...(requestId && { requestId }) };
    if (next === "sign-in") status.next = { label: "Sign in", act: this.#actions.signIn };
    else if (next === "retry" && (isLast || state === "refused")) {
      status.next = { label: state === "refused" ? "Send again" : "Try again", act: this.#actions.retry };
    }
    return status;
  }
}

function shown({ kind, text, requestId }: Status): Element[] {
  const words = element("p", { dir: "auto" }, text);
  if (requestId) words.append(" ", element("span", { class: "reference" }, `Request ${requestId}`));
  if (kind === "note") return [words];
  return [kind === "waiting" ? dots() : icon("alert"), words];
}

function dots(): HTMLElement {
  const made = element("span", { class: "dots", "aria-hidden": "true" });
  for (let count = 0; count < 3; count += 1) made.append(element("span"));
  return made;
}
