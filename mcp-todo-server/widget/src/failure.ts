// What went wrong, in one place, until it is mended or dismissed.

import { button, element, hasFocus } from "./dom";

type Retry = () => unknown;

export class Failure {
  readonly element = element("div", { role: "alert", class: "failed" });
  readonly #leave: () => void;
  /** What is shown, and whether a change of the user's failed, who has not seen to it yet. */
  #shown: { message: HTMLElement; retry: Retry | undefined; isChange: boolean } | undefined;

  /** `leave` takes the focus when a message goes away. */
  constructor(leave: () => void) {
    this.#leave = leave;
  }

  /** Show what became of a change. What it returns takes the message away, if it is still there. */
  show(text: string, retry?: Retry): () => void {
    return this.#show(text, retry, true);
  }

  /** Show that the list could not be read, unless a change that failed is still to be seen to. */
  mention(text: string, retry?: Retry): () => void {
    if (this.#shown?.isChange) return () => {};
    // What goes on failing is not read out again.
    const { message, retry: before } = this.#shown ?? {};
    if (message && retry === before && message.textContent === text) return () => this.#dismiss(message);
    return this.#show(text, retry, false);
  }

  clear(): void {
    this.#shown = undefined;
    if (hasFocus(this.element)) this.#leave();
    this.element.replaceChildren();
  }

  #show(text: string, retry: Retry | undefined, isChange: boolean): () => void {
    const message = element("p", {}, text);
    const dismiss = () => this.#dismiss(message);
    const again = () => {
      dismiss();
      return retry?.();
    };
    this.#shown = { message, retry, isChange };
    const hadFocus = hasFocus(this.element);
    const close = button("Dismiss", dismiss);
    this.element.replaceChildren(message, ...(retry ? [button("Try again", again)] : []), close);
    if (hadFocus) close.focus();
    return dismiss;
  }

  #dismiss(message: HTMLElement): void {
    if (this.#shown?.message === message) this.clear();
  }
}
