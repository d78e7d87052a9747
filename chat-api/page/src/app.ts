// The models of one user's page, put together. `main.ts` makes one when somebody has signed in, and a new one,
// after `close`, when `session.userId` has become another: nothing of the one before is kept.

import { Api } from "./api";
import { OpenConversation, type Surroundings } from "./conversation";
import { ConversationList } from "./conversations";
import type { ConversationModel, ConversationsModel, Observable, Tools, Turn } from "./model";
import { Changes } from "./observable";
import { whileVisible } from "./presence";
import type { Session } from "./session";
import { Drafts, Outbox, type Unsent } from "./storage";
import { type News, Tabs } from "./tabs";
import { TodoTools } from "./tools";

const POLL_MS = 10_000;
/** Changes that come together are told together. */
const GATHER_MS = 100;
/** Conversations that are kept as they were left, so that coming back shows them at once. */
const KEPT = 10;

export interface App extends Observable {
  readonly session: Session;
  readonly api: Api;
  readonly tools: Tools;
  /** The sidebar's list. */
  readonly conversations: ConversationsModel;
  /** The one in the middle. Observers of the app hear when it is another, and when a new one has got its id. */
  readonly conversation: ConversationModel;
  /** Show a conversation; undefined shows a new one. */
  open(id: number | undefined): void;
  /** Call `refused` with each message that is refused while another conversation than its own is shown. */
  whenRefused(refused: (conversation: ConversationModel, turn: Turn) => void): void;
  /** Let go of everything: requests are broken off, runs go on without the page. */
  close(): void;
}

/** Make the models for the session's user. The first conversation that is opened takes what a reload had cut off. */
export function createApp(session: Session): App {
  return new UserApp(session);
}

class UserApp implements App {
  readonly session: Session;
  readonly api: Api;
  readonly tools: Tools;
  readonly conversations: ConversationList;
  readonly #changes = new Changes();
  readonly #closed = new AbortController();
  readonly #around: Surroundings;
  readonly #tabs: Tabs;
  /** Those that were shown, the last one at the end. */
  #visited: OpenConversation[] = [];
  #conversation: OpenConversation;
  #moved: ReturnType<typeof setTimeout> | undefined;
  /** In which something has moved that the others are to be told of. */
  readonly #moving = new Set<OpenConversation>();
  #opened = false;
  #refusedElsewhere: (conversation: ConversationModel, turn: Turn) => void = () => undefined;

  constructor(session: Session) {
    const lifetime = this.#closed.signal;
    const userId = session.userId ?? "";
    this.session = session;
    this.api = new Api(session, lifetime);
    this.tools = new TodoTools(this.api, lifetime);
    this.#tabs = new Tabs(userId, (news) => this.#hear(news), lifetime);
    this.conversations = new ConversationList(this.api, lifetime, () => {
      this.#tabs.tell({ about: "list" });
      void this.#conversation.check();
    });
    this.#around = {
      ...{ api: this.api, session, drafts: new Drafts(userId), outbox: new Outbox(userId), lifetime },
      moved: (conversation) => {
        this.#gather(conversation);
        const { id, turns, draft } = this.#conversation;
        const isBlank = id === undefined && turns.length === 0 && !draft;
        if (isBlank && conversation === this.#refused) this.#show(undefined, conversation);
      },
      born: () => this.#changes.notify(),
      refused: (conversation, turn) => {
        if (conversation !== this.#conversation) this.#refusedElsewhere(conversation, turn);
      },
    };
    const dropped = (id: number | undefined, text: string) => {
      for (const { written } of this.#visited) written.dropped(id, text);
    };
    this.#around.drafts.whenDropped(dropped, lifetime);
    this.#conversation = new OpenConversation(this.#around, undefined);
    whileVisible(() => this.#look(), POLL_MS, lifetime);
    session.observe(() => this.#recover(), lifetime);
  }

  get conversation(): ConversationModel {
    return this.#conversation;
  }

  observe(listener: () => void, signal?: AbortSignal): void {
    this.#changes.observe(listener, signal);
  }

  open(wanted: number | undefined): void {
    // A step back may lead to it; what is written there would be deleted as well.
    const id = wanted !== undefined && this.conversations.isRemoved(wanted) ? undefined : wanted;
    const refused = id === undefined ? this.#refused : undefined;
    const isOpen = id === this.#conversation.id && (id !== undefined || this.#conversation.turns.length === 0);
    if (isOpen && this.#opened && !refused) return;
    const unsent = this.#opened ? [] : this.#unsent();
    this.#opened = true;
    this.#show(id, refused);
    this.#resend(unsent);
  }

  whenRefused(refused: (conversation: ConversationModel, turn: Turn) => void): void {
    this.#refusedElsewhere = refused;
  }

  close(): void {
    clearTimeout(this.#moved);
    this.#conversation.leave();
    this.#closed.abort(new DOMException("The page was closed.", "AbortError"));
  }

  /** A new conversation whose message was refused while another was shown: it stands in no list. */
  get #refused(): OpenConversation | undefined {
    const others = this.#visited.filter((one) => one !== this.#conversation);
    return others.find(({ id, hasUnsent, busy }) => id === undefined && hasUnsent && !busy);
  }

  #show(id: number | undefined, found?: OpenConversation): void {
    this.#conversation.leave();
    const known = id === undefined ? found : this.#visited.find((one) => one.id === id);
    this.#conversation = known ?? new OpenConversation(this.#around, id);
    const others = this.#visited.filter((one) => one !== this.#conversation);
    // What the service does not have yet is here alone. Nobody comes back to a new one without a message.
    const isKept = ({ id, hasUnsent }: OpenConversation, at: number) =>
      hasUnsent || (id !== undefined && at >= others.length - KEPT);
    this.#visited = [...others.filter(isKept), this.#conversation];
    this.#conversation.enter();
    this.#changes.notify();
  }

  /** Return what was on its way when the page was left. What was refused, or is too old, becomes a draft. */
  #unsent(): Unsent[] {
    const { outbox, drafts } = this.#around;
    return outbox.unsent(({ body: { conversation_id: id, message } }) => {
      const draft = drafts.get(id);
      if (!draft.includes(message)) drafts.set(id, draft ? `${draft}\n\n${message}` : message);
    });
  }

  /** Send messages again, each in its conversation. */
  #resend(messages: readonly Unsent[]): void {
    const byConversation = Map.groupBy(messages, ({ body, begins }) => body.conversation_id ?? begins);
    // Of several new ones, the place is the newest's.
    for (const unsent of [...byConversation.values()].reverse()) {
      const id = unsent[0]!.body.conversation_id;
      const isShown = id === this.#conversation.id && (id !== undefined || !this.#conversation.hasUnsent);
      const conversation = isShown ? this.#conversation : new OpenConversation(this.#around, id);
      if (!isShown) this.#visited.unshift(conversation);
      conversation.resend(unsent);
    }
  }

  #gather(conversation: OpenConversation): void {
    this.#moving.add(conversation);
    this.#moved ??= setTimeout(() => {
      this.#moved = undefined;
      for (const { id } of this.#moving) if (id !== undefined) this.#tabs.tell({ about: "run", conversationId: id });
      this.#moving.clear();
      this.conversations.refresh();
    }, GATHER_MS);
  }

  #hear(news: News): void {
    this.conversations.refresh();
    if (news.about === "list" || news.conversationId === this.#conversation.id) void this.#conversation.check();
  }

  #look(): void {
    this.conversations.refresh();
    void this.#conversation.check();
  }

  /** Read again what could not be read while nobody was signed in. */
  #recover(): void {
    if (this.session.state !== "signed-in" || this.session.userId === undefined) return;
    if (this.conversations.trouble?.next === "sign-in") this.conversations.reload();
    if (this.#conversation.trouble?.next === "sign-in") this.#conversation.reload();
  }
}
