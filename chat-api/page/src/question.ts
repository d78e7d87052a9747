// The user's own message, and its editor.

import { copyButton } from "./copy";
import { button, element, iconButton } from "./dom";
import { clock, inFull } from "./times";

let count = 0;

export class Question {
  readonly element: HTMLElement;
  readonly #input: string;
  readonly #save: (text: string) => void;
  readonly #words: HTMLElement;
  readonly #actions: HTMLElement;
  readonly #edit: HTMLButtonElement;
  #editor: HTMLElement | undefined;

  /** `save` takes the words that are to stand in the place of these. */
  constructor(input: string, createdAt: Date, save: (text: string) => void) {
    this.#input = input;
    this.#save = save;
    this.#words = element("p", { class: "words", dir: "auto" }, input);
    const heading = element("h2", { class: "heard", id: `you-${++count}` }, "You");
    this.#edit = iconButton("edit", "Edit", () => this.edit());
    this.#edit.setAttribute("aria-label", `Edit your message “${excerpt(input)}”`);
    const time = element("time", { datetime: createdAt.toISOString(), title: inFull(createdAt) }, clock(createdAt));
    const copy = copyButton("", `Copy your message “${excerpt(input)}”`, () => input);
    this.#actions = element("div", { class: "actions" }, time, copy, this.#edit);
    const attributes = { class: "question", "aria-labelledby": heading.id };
    this.element = element("article", attributes, heading, this.#words, this.#actions);
  }

  set editable(editable: boolean) {
    this.#edit.hidden = !editable;
    if (!editable) this.#close();
  }

  /** Begin to edit; returns false where that cannot be. */
  edit(): boolean {
    if (this.#edit.hidden) return false;
    if (!this.#editor) {
      this.#editor = this.#makeEditor();
      this.#words.hidden = this.#actions.hidden = true;
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
      this.#save(text.value);
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

  #close(): void {
    this.#editor?.remove();
    this.#editor = undefined;
    this.#words.hidden = this.#actions.hidden = false;
  }
}

/** The beginning of a message, long enough to tell it from the others. */
export function excerpt(text: string): string {
  const line = text.trim().replace(/\s+/g, " ");
  return line.length > 40 ? `${line.slice(0, 40).trimEnd()}…` : line;
}
