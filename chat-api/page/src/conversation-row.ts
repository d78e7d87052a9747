// One conversation in the sidebar.

import { addressOf } from "./address";
import { element, iconButton, setAttribute, setLabel } from "./dom";
import { openMenu } from "./menu";
import { ago, inFull } from "./times";
import type { Conversation } from "./wire";

const TITLE_MAX_CHARS = 200;

export interface RowActions {
  open(id: number): void;
  rename(id: number, title: string): void;
  remove(id: number): void;
}

const MARKS: Partial<Record<string, string>> = {
  queued: "at work",
  running: "at work",
  requires_action: "waits for your decision",
  failed: "failed",
};

export class ConversationRow {
  readonly element: HTMLLIElement;
  readonly link: HTMLAnchorElement;
  readonly #name = element("span", { class: "name", dir: "auto" });
  readonly #mark = element("span", { class: "mark" });
  readonly #time = element("time");
  readonly #options: HTMLButtonElement;
  readonly #actions: RowActions;
  #conversation: Conversation;
  #editor: HTMLFormElement | undefined;

  constructor(conversation: Conversation, actions: RowActions) {
    this.#conversation = conversation;
    this.#actions = actions;
    this.link = element("a", { href: addressOf(conversation.id) }, this.#name, this.#mark, this.#time);
    const isMenu = { "aria-haspopup": "menu", "aria-expanded": "false" };
    this.#options = iconButton("more", "", () => this.#openMenu(), { class: "icon", ...isMenu });
    this.element = element("li", { class: "row" }, this.link, this.#options);
    this.link.addEventListener("click", (event) => {
      // With a modifier the browser opens a tab or a window of its own.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      actions.open(conversation.id);
    });
    this.link.addEventListener("keydown", (event) => {
      if (event.key === "F2") this.edit();
      else if (event.key === "Delete") {
        // A key that is held would go on with the row that gets the focus next.
        if (!event.repeat) actions.remove(conversation.id);
      } else return;
      event.preventDefault();
    });
  }

  get id(): number {
    return this.#conversation.id;
  }

  /** Whether the row can be reached by Tab: one of the list is, and the arrow keys go on from there. */
  set reachable(reachable: boolean) {
    this.link.tabIndex = this.#options.tabIndex = reachable ? 0 : -1;
  }

  draw(conversation: Conversation, isCurrent: boolean, now: Date): void {
    this.#conversation = conversation;
    const { title, updated_at: updatedAt, last_run: run } = conversation;
    if (this.#name.textContent !== title) {
      this.#name.textContent = this.#name.title = title;
      setLabel(this.#options, `Options of “${title}”`);
    }
    const mark = MARKS[run?.status ?? ""];
    if (this.#mark.title !== (mark ?? "")) {
      this.#mark.title = mark ?? "";
      this.#mark.replaceChildren(...(mark ? [element("span", { class: "heard" }, `, ${mark},`)] : []));
    }
    this.#mark.dataset["status"] = mark ? (run?.status ?? "") : "";
    const updated = new Date(updatedAt);
    const words = ago(updated, now);
    if (this.#time.textContent !== words) this.#time.textContent = words;
    if (this.#time.dateTime !== updatedAt) {
      this.#time.dateTime = updatedAt;
      this.#time.title = inFull(updated);
    }
    setAttribute(this.link, "aria-current", isCurrent && "page");
  }

  edit(): void {
    if (this.#editor) return;
    const field = element("input", {
      type: "text",
      dir: "auto",
      maxlength: TITLE_MAX_CHARS,
      "aria-label": "Title",
      enterkeyhint: "done",
      autocomplete: "off",
    });
    field.value = this.#conversation.title;
    const save = iconButton("check", "Save", () => this.#leave(field.value));
    this.#editor = element("form", {}, field, save);
    this.#editor.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#leave(field.value);
    });
    this.#editor.addEventListener("keydown", (event) => {
      // Enter and Escape belong to an input method while it composes a character.
      if (event.isComposing || event.key !== "Escape") return;
      event.preventDefault();
      this.#leave(undefined);
    });
    this.#editor.addEventListener("focusout", ({ relatedTarget }) => {
      if (!this.#editor?.contains(relatedTarget as Node | null)) this.#leave(field.value, false);
    });
    this.element.replaceChildren(this.#editor);
    field.select();
    field.focus();
  }

  #leave(title: string | undefined, focus = true): void {
    if (!this.#editor) return;
    // Taking the field away takes the focus from it, which ends here as well.
    this.#editor = undefined;
    this.element.replaceChildren(this.link, this.#options);
    if (focus) this.link.focus();
    const words = title?.trim();
    if (words && words !== this.#conversation.title) this.#actions.rename(this.id, words);
  }

  #openMenu(): void {
    openMenu(this.#options, "Conversation", [
      { icon: "edit", label: "Rename", act: () => this.edit() },
      { icon: "delete", label: "Delete", act: () => this.#actions.remove(this.id) },
    ]);
  }
}
