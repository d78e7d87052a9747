// The list of conversations: finding, opening, renaming and deleting them.

import { announce } from "./announcer";
import { ConversationRow } from "./conversation-row";
import { reconcile } from "./children";
import { button, element, icon, part } from "./dom";
import { UNDO_SECONDS, type ConversationsModel } from "./model";
import { toast } from "./toasts";
import type { Conversation } from "./wire";

const CLOCK_MS = 60_000;

export interface SidebarActions {
  open(id: number): void;
  begin(): void;
  /** A conversation was deleted, for as long as that is not undone. */
  removed(id: number): void;
}

export class Sidebar {
  readonly #model: ConversationsModel;
  readonly #actions: SidebarActions;
  readonly #place = part("conversations");
  readonly #query = element("input", {
    type: "search",
    dir: "auto",
    "aria-label": "Search conversations",
    placeholder: "Search",
    maxlength: 200,
    autocomplete: "off",
    spellcheck: false,
    enterkeyhint: "search",
  });
  readonly #list = element("ul", { class: "rows" });
  /** Stands after the last row; when it comes near, the next page is asked for. */
  readonly #end = element("div", { class: "end" });
  readonly #words = element("div", { class: "words" });
  readonly #rows = new Map<number, ConversationRow>();
  #current: number | undefined;
  /** The row that Tab reaches. */
  #reachable: number | undefined;
  #endSeen = false;
  /** The list was there once, or its trouble. */
  #loaded = false;

  /** The signal takes the list away from the page's changes. */
  constructor(model: ConversationsModel, actions: SidebarActions, signal: AbortSignal) {
    this.#model = model;
    this.#actions = actions;
    const begin = button(icon("add"), () => actions.begin(), { class: "begin" });
    begin.append("New conversation");
    const scroller = element("div", { class: "scroller" }, this.#list, this.#words, this.#end);
    const find = element("div", { role: "search", class: "find" }, icon("search"), this.#query);
    this.#place.replaceChildren(begin, find, scroller);
    this.#query.addEventListener("input", () => this.#search());
    this.#query.addEventListener("keydown", (event) => this.#leaveSearch(event));
    this.#list.addEventListener("keydown", (event) => this.#move(event));
    this.#list.addEventListener("focusin", ({ target }) => this.#reach(this.#rowOf(target)));
    const near = { root: scroller, rootMargin: "300px" };
    const nearEnd = new IntersectionObserver((entries) => this.#onEnd(entries), near);
    nearEnd.observe(this.#end);
    const clock = setInterval(() => this.#draw(), CLOCK_MS);
    signal.addEventListener("abort", () => {
      nearEnd.disconnect();
      clearInterval(clock);
    });
    model.observe(() => this.#draw(), signal);
    this.#draw();
  }

  /** Mark the conversation that is shown; undefined for a new one. */
  set current(id: number | undefined) {
    if (id === this.#current) return;
    this.#current = id;
    this.#reachable = id ?? this.#reachable;
    this.#draw();
  }

  focusList(): void {
    (this.#rows.get(this.#reachable ?? NaN)?.link ?? this.#query).focus();
  }

  focusSearch(): void {
    this.#query.focus();
    this.#query.select();
  }

  #search(): void {
    this.#model.query = this.#query.value.trim();
  }

  #leaveSearch(event: KeyboardEvent): void {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") this.#rowAt(0)?.link.focus();
    else if (event.key === "Escape" && this.#query.value) {
      this.#query.value = "";
      this.#search();
    } else return;
    event.preventDefault();
  }

  #draw(): void {
    const { items, loading } = this.#model;
    this.#drawRows(items);
    this.#drawWords(items.length, loading);
    this.#place.setAttribute("aria-busy", String(!this.#loaded));
    this.#goOn();
  }

  #drawRows(items: readonly Conversation[]): void {
    const focused = this.#rowOf(document.activeElement);
    const now = new Date();
    const wanted = new Set(items.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!wanted.has(id)) this.#rows.delete(id);
    const rows = items.map((conversation) => {
      const row = this.#rows.get(conversation.id) ?? this.#make(conversation);
      row.draw(conversation, conversation.id === this.#current, now);
      return row.element;
    });
    reconcile(this.#list, rows);
    if (!wanted.has(this.#reachable ?? NaN)) this.#reachable = items[0]?.id;
    for (const [id, row] of this.#rows) row.reachable = id === this.#reachable;
    // A row that has moved up has lost the focus on its way.
    if (focused && this.#rows.has(focused.id) && !this.#list.contains(document.activeElement)) focused.link.focus();
  }

  #make(conversation: Conversation): ConversationRow {
    const row = new ConversationRow(conversation, {
      open: (id) => this.#actions.open(id),
      rename: (id, title) => void this.#rename(id, title),
      remove: (id) => this.#remove(id),
    });
    this.#rows.set(conversation.id, row);
    return row;
  }

  #drawWords(count: number, loading: boolean): void {
    const { trouble, query } = this.#model;
    this.#words.hidden = !trouble && count > 0;
    if (trouble) this.#say(trouble.text, button("Try again", () => this.#model.reload()));
    else if (loading && !this.#loaded) return this.#showWaiting();
    else if (query) this.#say(`No title has “${query}” in it.`);
    else this.#say("Conversations that you begin stand here.");
    // The list is looked at again and again, and what it says meanwhile stays right.
    this.#loaded = true;
  }

  #showWaiting(): void {
    if (this.#words.dataset["text"] === "") return;
    this.#words.dataset["text"] = "";
    const lines = Array.from({ length: 4 }, () => element("li"));
    this.#words.replaceChildren(element("ul", { class: "waiting", "aria-hidden": "true" }, ...lines));
  }

  #say(text: string, ...more: HTMLElement[]): void {
    if (this.#words.dataset["text"] === text) return;
    this.#words.dataset["text"] = text;
    this.#words.replaceChildren(element("p", { dir: "auto" }, text), ...more);
    if (!this.#words.hidden && this.#query === document.activeElement) announce(text);
  }

  #onEnd(entries: IntersectionObserverEntry[]): void {
    this.#endSeen = entries.at(-1)?.isIntersecting ?? false;
    this.#goOn();
  }

  #goOn(): void {
    if (this.#endSeen && this.#model.hasMore && !this.#model.loading && !this.#model.trouble) void this.#model.more();
  }

  #rowOf(target: EventTarget | null): ConversationRow | undefined {
    if (!(target instanceof Node) || !this.#list.contains(target)) return undefined;
    return [...this.#rows.values()].find((row) => row.element.contains(target));
  }

  #rowAt(index: number): ConversationRow | undefined {
    const item = this.#model.items.at(index);
    return item && this.#rows.get(item.id);
  }

  #reach(row: ConversationRow | undefined): void {
    if (!row || row.id === this.#reachable) return;
    if (this.#reachable !== undefined) {
      const before = this.#rows.get(this.#reachable);
      if (before) before.reachable = false;
    }
    this.#reachable = row.id;
    row.reachable = true;
  }

  #move(event: KeyboardEvent): void {
    const row = this.#rowOf(event.target);
    if (event.target !== row?.link || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#model.items.findIndex(({ id }) => id === row?.id);
    const last = this.#model.items.length - 1;
    const to = { ArrowDown: Math.min(at + 1, last), ArrowUp: at - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0) this.#query.focus();
    else this.#rowAt(to)?.link.focus();
  }

  async #rename(id: number, title: string): Promise<void> {
    try {
      await this.#model.rename(id, title);
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), {
        urgent: true,
        action: { label: "Try again", act: () => void this.#rename(id, title) },
      });
    }
  }

  #remove(id: number): void {
    const at = this.#model.items.findIndex((item) => item.id === id);
    const hadFocus = this.#rowOf(document.activeElement)?.id === id;
    const wasCurrent = this.#current === id;
    const removal = this.#model.remove(id);
    this.#draw();
    if (hadFocus) (this.#rowAt(Math.min(at, this.#model.items.length - 1))?.link ?? this.#query).focus();
    if (wasCurrent) this.#actions.removed(id);
    const undo = () => {
      if (!removal.undo()) toast(`“${removal.title}” is gone: it was too late to undo.`, { urgent: true });
      else if (wasCurrent) this.#actions.open(id);
      else {
        this.#draw();
        this.#rows.get(id)?.link.focus();
      }
    };
    const action = { label: "Undo", act: undo };
    toast(`Deleted “${removal.title}”`, { seconds: UNDO_SECONDS, undoes: true, action });
  }
}
