// The views of one user's page: the list of conversations, the one in the middle, and the tasks beside it.

import { Address } from "./address";
import type { App } from "./app";
import { Composer } from "./composer";
import { ConnectionLine } from "./connection";
import { part } from "./dom";
import type { Layout, Region } from "./layout";
import type { ConversationModel, Turn } from "./model";
import { Sidebar } from "./sidebar";
import { TasksPane } from "./tasks-pane";
import { closeToasts, toast } from "./toasts";
import { Transcript } from "./transcript";

const NAME = "Todo Chat";
const NEW = "New conversation";
/** Of a message that is named by its beginning. */
const NAMED_CHARS = 60;
/** A way back to words that were not sent is there for longer than a note that something was done. */
const REFUSAL_SECONDS = 20;
/** With a finger for a pointer, a field that is focused calls up a keyboard over half of the page. */
const FINE = matchMedia("(pointer: fine)");

export interface PageOptions {
  app: App;
  layout: Layout;
  /** Let the reader sign in again. */
  signIn(): void;
}

export class Page {
  readonly #app: App;
  readonly #layout: Layout;
  readonly #closed = new AbortController();
  readonly #address: Address;
  readonly #sidebar: Sidebar;
  readonly #transcript: Transcript;
  readonly #composer: Composer;
  readonly #connection: ConnectionLine;
  readonly #tasks: TasksPane;
  #shown: ConversationModel | undefined;
  #heard = new AbortController();

  constructor({ app, layout, signIn }: PageOptions) {
    const { signal } = this.#closed;
    this.#app = app;
    this.#layout = layout;
    this.#address = new Address((id) => this.#show(id), signal);
    this.#tasks = new TasksPane(app.api, signal);
    this.#composer = new Composer({ editLast: () => this.#transcript.editLast() }, signal);
    const composing = {
      compose: (text: string) => this.#composer.write(text),
      keep: (text: string) => this.#composer.add(text),
    };
    const { tools, session } = app;
    this.#transcript = new Transcript({ tools, source: session.source, signIn, ...composing }, signal);
    const actions = {
      open: (id: number) => this.open(id),
      begin: () => this.open(undefined),
      removed: (id: number) => this.#onRemoved(id),
    };
    this.#sidebar = new Sidebar(app.conversations, actions, signal);
    this.#connection = new ConnectionLine(signal);
    part("conversation").replaceChildren(this.#transcript.element, this.#composer.element);
    app.whenRefused((conversation, turn) => this.#onRefused(conversation, turn));
    app.open(this.#address.id);
    app.observe(() => this.#draw(), signal);
    this.#draw();
    layout.whenTasksSeen(() => this.#tasks.open(), signal);
  }

  /** Show a conversation, or a new one, as the reader's next step. */
  open(id: number | undefined): void {
    this.#address.show(id, "push");
    this.#show(id);
    this.#layout.reveal("chat");
    if (FINE.matches) this.#composer.focus();
    else part("chat").focus();
  }

  /** Bring a part of the page into sight, and go there. */
  go(region: Region): void {
    this.#layout.reveal(region);
    if (region === "chat") this.#composer.focus();
    else if (region === "tasks") this.#tasks.focus();
    else this.#sidebar.focusList();
  }

  search(): void {
    this.#layout.reveal("sidebar");
    this.#sidebar.focusSearch();
  }

  /** Returns false where nothing is at work. */
  stop(): boolean {
    const { conversation } = this.#app;
    if (!conversation.busy) return false;
    conversation.stop();
    return true;
  }

  /** Go to the message, unless the reader is somewhere already. */
  focus(): void {
    if (FINE.matches && document.activeElement === document.body) this.#composer.focus();
  }

  close(): void {
    this.#closed.abort();
    this.#heard.abort();
    closeToasts();
    for (const id of ["conversation", "conversations", "polite", "assertive"]) part(id).replaceChildren();
    this.#address.show(undefined, "replace");
    this.#app.close();
  }

  #onRefused(conversation: ConversationModel, { input, trouble }: Turn): void {
    const words = input.trim().replace(/\s+/g, " ").slice(0, NAMED_CHARS);
    toast(`About “${words}”: ${trouble?.text ?? "it was refused."}`, {
      action: { label: "Open", act: () => this.open(conversation.id) },
      seconds: REFUSAL_SECONDS,
      urgent: true,
    });
  }

  #onRemoved(id: number): void {
    if (this.#app.conversation.id !== id && this.#address.id !== id) return;
    // A step back is not to lead to what is no more.
    this.#address.show(undefined, "replace");
    this.#show(undefined);
  }

  #show(id: number | undefined): void {
    this.#app.open(id);
    this.#draw();
  }

  #draw(): void {
    const { conversation } = this.#app;
    if (conversation !== this.#shown) {
      this.#heard.abort();
      this.#heard = new AbortController();
      this.#shown = conversation;
      this.#transcript.show(conversation);
      this.#composer.show(conversation);
      conversation.observe(() => this.#drawConversation(conversation), this.#heard.signal);
    }
    this.#drawConversation(conversation);
  }

  #drawConversation(conversation: ConversationModel): void {
    // A new conversation has got its number: that is no step of its own.
    this.#address.show(conversation.id, "replace");
    const title = conversation.title || NEW;
    const heading = part("title");
    if (heading.textContent !== title) heading.textContent = heading.title = title;
    document.title = conversation.id === undefined ? NAME : `${title} · ${NAME}`;
    this.#sidebar.current = conversation.id;
    this.#connection.follow(conversation);
  }
}
