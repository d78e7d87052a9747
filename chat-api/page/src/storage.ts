// What outlives the page: words that were not sent, and messages of which it is not known whether they arrived.
// A browser may keep nothing (private windows, full disks, settings). The page then works without, and says nothing.

import type { ChatRequest } from "./wire";

const DRAFTS_KEPT = 50;
const DRAFT_DAYS = 30;
/** What was sent longer ago is not sent by itself any more: the reader may have said it in another way since. */
const RESEND_MINUTES = 30;

/** Entries under a prefix of their own, each as JSON. */
class Shelf<Entry extends { at: number }> {
  readonly #prefix: string;

  constructor(name: string, userId: string) {
    this.#prefix = `todo-chat/${name}/${encodeURIComponent(userId)}/`;
  }

  get(name: string): Entry | undefined {
    const read = (storage: Storage) => JSON.parse(storage.getItem(this.#prefix + name) ?? "null") as Entry | null;
    return attempt(read) ?? undefined;
  }

  put(name: string, entry: Entry): void {
    attempt((storage) => storage.setItem(this.#prefix + name, JSON.stringify(entry)));
  }

  drop(name: string): void {
    attempt((storage) => storage.removeItem(this.#prefix + name));
  }

  /** Call `dropped` with each entry that another tab drops. */
  whenDropped(dropped: (name: string, entry: Entry) => void, signal: AbortSignal): void {
    const hear = ({ key, oldValue, newValue }: StorageEvent) => {
      if (!key?.startsWith(this.#prefix) || oldValue === null || newValue !== null) return;
      const entry = attempt(() => JSON.parse(oldValue) as Entry);
      if (entry) dropped(key.slice(this.#prefix.length), entry);
    };
    addEventListener("storage", hear, { signal });
  }

  /** All of them, the oldest first. */
  entries(): [string, Entry][] {
    const keys = attempt((storage) => Object.keys(storage).filter((key) => key.startsWith(this.#prefix))) ?? [];
    return keys
      .map((key) => key.slice(this.#prefix.length))
      .map((name): [string, Entry | undefined] => [name, this.get(name)])
      .filter((pair): pair is [string, Entry] => typeof pair[1]?.at === "number")
      .sort(([, one], [, other]) => one.at - other.at);
  }
}

/** Words that are written and not sent, by conversation; undefined is the one that is not begun yet. */
export class Drafts {
  readonly #shelf: Shelf<{ text: string; at: number }>;

  constructor(userId: string) {
    this.#shelf = new Shelf("drafts", userId);
    const kept = this.#shelf.entries();
    const oldest = Date.now() - DRAFT_DAYS * 24 * 3600 * 1000;
    kept.forEach(([name, { at }], index) => {
      if (at < oldest || index < kept.length - DRAFTS_KEPT) this.#shelf.drop(name);
    });
  }

  get(conversationId: number | undefined): string {
    const text = this.#shelf.get(String(conversationId ?? "new"))?.text;
    return typeof text === "string" ? text : "";
  }

  set(conversationId: number | undefined, text: string): void {
    const name = String(conversationId ?? "new");
    if (text) this.#shelf.put(name, { text, at: Date.now() });
    else this.#shelf.drop(name);
  }

  /** Call `dropped` with the words that another tab has sent or deleted, and their conversation. */
  whenDropped(dropped: (conversationId: number | undefined, text: string) => void, signal: AbortSignal): void {
    this.#shelf.whenDropped((name, { text }) => dropped(name === "new" ? undefined : Number(name), text), signal);
  }
}

export interface Unsent {
  key: string;
  body: ChatRequest;
  /** When its reader sent it. */
  at: number;
  /** The newest run of its conversation that was known then. */
  after?: string;
  /** Which new conversation it belongs to, where that has no number yet. */
  begins?: string;
  /** It is to be stopped as soon as it has arrived. */
  stopped?: boolean;
  /** It was refused: nobody but the reader sends it again. */
  refused?: boolean;
}

/** Messages that were sent and not heard of since. Sent again under its key, one is carried out once. */
export class Outbox {
  readonly #shelf: Shelf<Unsent>;

  constructor(userId: string) {
    this.#shelf = new Shelf("outbox", userId);
  }

  put(message: Unsent): void {
    this.#shelf.put(message.key, message);
  }

  has(key: string): boolean {
    return this.#shelf.get(key) !== undefined;
  }

  drop(key: string): void {
    this.#shelf.drop(key);
  }

  /** The messages to send again, the oldest first. Those that are not to be are dropped, and given to `lapsed`. */
  unsent(lapsed: (message: Unsent) => void): Unsent[] {
    const messages = Object.groupBy(
      this.#shelf.entries().map(([, entry]) => entry),
      ({ at, refused }) => (refused || !goesByItself(at) ? "lapsed" : "unsent"),
    );
    for (const one of messages.lapsed ?? []) {
      this.drop(one.key);
      lapsed(one);
    }
    return messages.unsent ?? [];
  }
}

/** Tell whether a message that was sent at this time is still sent by itself. */
export function goesByItself(at: number): boolean {
  return Date.now() - at <= RESEND_MINUTES * 60 * 1000;
}

function attempt<Value>(act: (storage: Storage) => Value): Value | undefined {
  try {
    return act(localStorage);
  } catch {
    return undefined;
  }
}
