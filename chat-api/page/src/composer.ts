// Where a message is written.

import { element, iconButton, setAttribute } from "./dom";
import type { ConversationModel } from "./model";

export interface ComposerActions {
  /** Begin to edit the newest message in its place; returns false where that cannot be. */
  editLast(): boolean;
}

export class Composer {
  readonly element: HTMLFormElement;
  readonly #text = element("textarea", {
    id: "message",
    name: "message",
    rows: 1,
    dir: "auto",
    "aria-label": "Message",
    "aria-describedby": "composer-keys",
    placeholder: "Write a message",
    autocomplete: "off",
    enterkeyhint: "send",
  });
  readonly #send = iconButton("send", "Send", () => undefined, { type: "submit", class: "icon primary" });
  readonly #stop = iconButton("stop", "Stop the answer", () => this.#onStop(), { class: "icon stop" });
  readonly #actions: ComposerActions;
  #conversation: ConversationModel | undefined;
  /** The draft as it was last written or read here; where the conversation has another one, somebody else wrote it. */
  #draft = "";
  #shown = new AbortController();

  /** The signal takes it away from its conversation's changes. */
  constructor(actions: ComposerActions, signal: AbortSignal) {
    this.#actions = actions;
    const keys = "Enter sends, Shift and Enter begin a new line, Escape stops the answer.";
    this.element = element(
      "form",
      { class: "composer", "aria-label": "Write a message" },
      element("div", { class: "box" }, this.#text, element("div", { class: "buttons" }, this.#stop, this.#send)),
      element("p", { id: "composer-keys", class: "heard" }, keys),
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#onInput());
    this.#text.addEventListener("keydown", (event) => this.#onKey(event));
    // A press anywhere in the box is meant for the text.
    this.element.addEventListener("click", (event) => {
      if (!(event.target as Element).closest("button")) this.focus();
    });
    signal.addEventListener("abort", () => this.#shown.abort());
  }

  show(conversation: ConversationModel): void {
    this.#shown.abort();
    this.#shown = new AbortController();
    this.#conversation = conversation;
    this.#fill(conversation.draft);
    conversation.observe(() => this.#draw(conversation), this.#shown.signal);
    this.#draw(conversation);
  }

  focus(): void {
    this.#text.focus();
  }

  /** Put words in the place of what is written, for the user to change and to send. */
  write(text: string): void {
    this.#put(text);
    this.focus();
    this.#text.setSelectionRange(text.length, text.length);
  }

  /** Put words behind what is written, and leave the focus where it is. */
  add(text: string): void {
    const written = this.#text.value;
    this.#put(written.trim() === "" ? text : `${written}\n\n${text}`);
  }

  #put(text: string): void {
    this.#fill(text);
    if (!this.#conversation) return;
    this.#conversation.draft = text;
    this.#draw(this.#conversation);
  }

  #draw({ draft, busy }: ConversationModel): void {
    if (draft !== this.#draft) this.#fill(draft);
    const blank = this.#text.value.trim() === "";
    // What has the focus must not go away under it.
    if (!busy && document.activeElement === this.#stop) this.focus();
    this.#stop.hidden = !busy;
    this.#send.hidden = busy && blank;
    setAttribute(this.element, "data-blank", blank);
    const label = busy ? "Send, to be answered next" : "Send";
    this.#send.setAttribute("aria-label", label);
    this.#send.title = label;
  }

  #fill(text: string): void {
    this.#draft = text;
    this.#text.value = text;
    this.#grow();
  }

  #onInput(): void {
    this.#draft = this.#text.value;
    this.#grow();
    if (!this.#conversation) return;
    this.#conversation.draft = this.#draft;
    this.#draw(this.#conversation);
  }

  #onKey(event: KeyboardEvent): void {
    // While an input method composes a word, its keys are its own; 229 is how WebKit says so at the word's end.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && this.#conversation?.busy) {
      event.preventDefault();
      this.#onStop();
    } else if (event.key === "ArrowUp" && this.#text.value === "" && this.#actions.editLast()) event.preventDefault();
  }

  #submit(): void {
    const text = this.#text.value;
    this.focus();
    if (!this.#conversation || text.trim() === "") return;
    this.#fill("");
    this.#conversation.draft = "";
    this.#conversation.send(text);
    this.#draw(this.#conversation);
  }

  #onStop(): void {
    this.#conversation?.stop();
    this.focus();
  }

  /** Be as high as the text, up to the style's bound, where the browser does not see to it. */
  #grow(): void {
    if (CSS.supports("field-sizing", "content")) return;
    const { style } = this.#text;
    style.height = "auto";
    style.height = `${this.#text.scrollHeight}px`;
  }
}
