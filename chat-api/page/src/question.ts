// The user's own message, and its editor.

import { copyButton } from "./copy";
import { button, element, iconButton, part } from "./dom";
import { clock, inFull } from "./times";

let count = 0;

export interface QuestionActions {
  /** Send words in the place of these. */
  save(text: string): void;
  /** Keep words that were not sent before the message could be edited no more. */
  keep(text: string): void;
}

export class Question {
  readonly element: HTMLElement;
  readonly #input: string;
  readonly #actions: QuestionActions;
  readonly #words: HTMLElement;
  readonly #buttons: HTMLElement;
  readonly #edit: HTMLButtonElement;
  #editor: HTMLElement | undefined;

  constructor(input: string, createdAt: Date, actions: QuestionActions) {
    this.#input = input;
    this.#actions = actions;
    this.#words = element("p", { class: "words", dir: "auto" }, input);
    const heading = element("h2", { class: "heard", id: `you-${++count}` }, "You");
    this.#edit = iconButton("edit", "Edit", () => this.edit());
    this.#edit.setAttribute("aria-label", `Edit your message “${excerpt(input)}”`);
    const time = element("time", { datetime: createdAt.toISOString(), title: inFull(createdAt) }, clock(createdAt));
    const copy = copyButton("", `Copy your message “${excerpt(input)}”`, () => input);
    this.#buttons = element("div", { class: "actions" }, time, copy, this.#edit);
    const attributes = { class: "question", "aria-labelledby": heading.id };
    this.element = element("article", attributes, heading, this.#words, this.#buttons);
  }

  set editable(editable: boolean) {
    this.#edit.hidden = !editable;
    if (!editable) this.#giveUp();
  }

  /** Begin to edit; returns false where that cannot be. */
  edit(): boolean {
    if (this.#edit.hidden) return false;
    if (!this.#editor) {
      this.#editor = this.#makeEditor();
      this.#words.hidden = this.#buttons.hidden = true;
      this.element.append(this.#editor);
    }
    this.#editor.querySelector("textarea")?.focus();
    return true;
  }

  #makeEditor(): HTMLElement {
    const text = element("textarea", { dir: "auto", "aria-label": "Edit your message", enterkeyhint: "send", rows: 2 });
    text.value = this.#input;
    const save = () => {
      if (text.value.trim() === "") return text.focus();
      this.#close();
      this.#actions.save(text.value);
    };
    const leave = () => {
      this.#close();
      this.#edit.focus();
    };
    const buttons = [button("Send", save, { class: "primary" }), button("Cancel", leave)];
    const editor = element("div", { class: "editor" }, text, element("div", { class: "buttons" }, ...buttons));
    text.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229 || event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      save();
    });
    editor.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.preventDefault();
      leave();
    });
    requestAnimationFrame(() => text.setSelectionRange(text.value.length, text.value.length));
    return editor;
  }

  /** Take the editor away under whoever writes in it. */
  #giveUp(): void {
    const text = this.#editor?.querySelector("textarea")?.value ?? "";
    const hadFocus = this.#editor?.contains(document.activeElement) ?? false;
    this.#close();
    if (hadFocus) part("message").focus();
    if (text.trim() !== "" && text !== this.#input) this.#actions.keep(text);
  }

  #close(): void {
    this.#editor?.remove();
    this.#editor = undefined;
    this.#words.hidden = this.#buttons.hidden = false;
  }
}

/** The beginning of a message, long enough to tell it from the others. */
export function excerpt(text: string): string {
  const line = text.trim().replace(/\s+/g, " ");
  return line.length > 40 ? `${line.slice(0, 40).trimEnd()}…` : line;
}
