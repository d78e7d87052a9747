// The words of one conversation that are written and not sent. Another tab may keep its own in the same place.

import type { Drafts } from "./storage";

export class Draft {
  readonly #drafts: Drafts;
  #id: number | undefined;
  #text: string;
  /** What was last read or written where they are kept. */
  #kept: string;
  /** Whether they were written here, rather than read. */
  #isOwn = false;

  constructor(drafts: Drafts, conversationId: number | undefined) {
    this.#drafts = drafts;
    this.#id = conversationId;
    this.#text = this.#kept = drafts.get(conversationId);
  }

  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    this.#text = text;
    this.#isOwn = text !== "";
    // What another tab has put there since is not this one's to drop.
    if (text === "" && this.#drafts.get(this.#id) !== this.#kept) return;
    this.#drafts.set(this.#id, text);
    this.#kept = text;
  }

  /** Go with a new conversation that has got its number. */
  move(id: number): void {
    const text = this.#text;
    this.text = "";
    this.#id = id;
    this.#kept = "";
    if (text) this.text = text;
  }

  /** Take the place again that another tab's words had taken. */
  dropped(conversationId: number | undefined, text: string): void {
    if (conversationId === this.#id && this.#isOwn && text !== this.#text) this.text = this.#text;
  }
}
