// The sidebar's list: pages of conversations, searched by the service, renamed and removed before it has answered.

import type { Api } from "./api";
import type { ConversationsModel, Removal, Trouble } from "./model";
import { UNDO_SECONDS } from "./model";
import { Changes } from "./observable";
import { passes, Problem, troubleOf } from "./problem";
import type { Conversation, Page } from "./wire";

const PAGE = 50;
const TYPING_MS = 200;

export class ConversationList implements ConversationsModel {
  readonly #api: Api;
  readonly #lifetime: AbortSignal;
  readonly #changed: () => void;
  readonly #changes = new Changes();
  #items: readonly Conversation[] = [];
  #cursor: string | null = null;
  #trouble: Trouble | undefined;
  #query = "";
  #typing: ReturnType<typeof setTimeout> | undefined;
  /** The reading that the list waits for; another query breaks it off. */
  #reading: AbortController | undefined;
  #readingMore = false;
  /** Whether there may be news since the reading under way began. */
  #missed = false;
  /** Titles that were given and are not on record yet. */
  readonly #titles = new Map<number, string>();
  /** Those that are to be deleted, each with what does it. */
  readonly #removed = new Map<number, () => void>();

  /** `changed` is called when the list was changed from here. */
  constructor(api: Api, lifetime: AbortSignal, changed: () => void) {
    this.#api = api;
    this.#lifetime = lifetime;
    this.#changed = changed;
    addEventListener("pagehide", () => this.#removed.forEach((remove) => remove()), { signal: lifetime });
    this.reload();
  }

  observe(listener: () => void, signal?: AbortSignal): void {
    this.#changes.observe(listener, signal);
  }

  get items(): readonly Conversation[] {
    return this.#items
      .filter(({ id }) => !this.#removed.has(id))
      .map((item) => ({ ...item, title: this.#titles.get(item.id) ?? item.title }));
  }

  get hasMore(): boolean {
    return this.#cursor !== null;
  }

  get loading(): boolean {
    return this.#typing !== undefined || this.#reading !== undefined || this.#readingMore;
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  get query(): string {
    return this.#query;
  }

  set query(query: string) {
    if (query === this.#query) return;
    this.#query = query;
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.reload(), TYPING_MS);
    this.#changes.notify();
  }

  reload(): void {
    clearTimeout(this.#typing);
    this.#typing = undefined;
    this.#missed = false;
    this.#reading?.abort();
    const reading = (this.#reading = new AbortController());
    this.#changes.notify();
    void this.#read(reading, (page) => {
      this.#items = page.items;
      this.#cursor = page.next_cursor;
    });
  }

  /** Look what is new, and leave the pages that were read. */
  refresh(): void {
    this.#missed = this.loading;
    if (this.#missed) return;
    void this.#read((this.#reading = new AbortController()), (page) => this.#merge(page));
  }

  async more(): Promise<void> {
    if (this.#cursor === null || this.loading) return;
    const query = this.#query;
    this.#readingMore = true;
    this.#changes.notify();
    try {
      const page = await this.#api.conversations({ query, limit: PAGE, cursor: this.#cursor });
      if (query !== this.#query || this.#reading) return;
      const known = new Set(this.#items.map(({ id }) => id));
      this.#items = [...this.#items, ...page.items.filter(({ id }) => !known.has(id))];
      this.#cursor = page.next_cursor;
    } catch (error) {
      if (!this.#lifetime.aborted) this.#trouble = troubleOf(error);
    } finally {
      this.#readingMore = false;
      this.#changes.notify();
      this.#catchUp();
    }
  }

  async rename(id: number, title: string): Promise<void> {
    this.#titles.set(id, title);
    this.#changes.notify();
    try {
      const renamed = await this.#api.rename(id, title);
      this.#items = this.#items.map((item) => (item.id === id ? renamed : item));
      this.#changed();
    } catch (error) {
      throw new Error(troubleOf(error).text, { cause: error });
    } finally {
      if (this.#titles.get(id) === title) this.#titles.delete(id);
      this.#changes.notify();
    }
  }

  remove(id: number): Removal {
    const title = this.items.find((item) => item.id === id)?.title ?? "";
    const remove = () => {
      clearTimeout(timer);
      this.#removed.set(id, () => undefined);
      void this.#remove(id);
    };
    const timer = setTimeout(remove, UNDO_SECONDS * 1000);
    this.#removed.set(id, remove);
    this.#changes.notify();
    const undo = () => {
      if (this.#removed.get(id) !== remove) return false;
      clearTimeout(timer);
      this.#removed.delete(id);
      this.#changes.notify();
      return true;
    };
    return { title, undo };
  }

  /** Whether it is to be deleted, unless that is undone. */
  isRemoved(id: number): boolean {
    return this.#removed.has(id);
  }

  async #remove(id: number): Promise<void> {
    try {
      await this.#api.remove(id, true);
    } catch (error) {
      const isGone = error instanceof Problem && error.status === 404;
      if (!isGone) {
        if (!this.#lifetime.aborted) this.#trouble = troubleOf(error);
        this.#removed.delete(id);
        this.#changes.notify();
        return;
      }
    }
    this.#items = this.#items.filter((item) => item.id !== id);
    this.#removed.delete(id);
    this.#changes.notify();
    this.#changed();
  }

  async #read(reading: AbortController, take: (page: Page<Conversation>) => void): Promise<void> {
    try {
      const page = await this.#api.conversations({ query: this.#query, limit: PAGE }, reading.signal);
      if (reading.signal.aborted) return;
      take(page);
      this.#trouble = undefined;
    } catch (error) {
      if (reading.signal.aborted || this.#lifetime.aborted) return;
      // Where the list is there already, the next look is soon.
      if (!passes(error) || this.#items.length === 0) this.#trouble = troubleOf(error);
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
      this.#changes.notify();
      this.#catchUp();
    }
  }

  #catchUp(): void {
    if (this.#missed && !this.#lifetime.aborted) this.refresh();
  }

  /** Put the first page as it is now in front of the items that are behind it. */
  #merge({ items, next_cursor }: Page<Conversation>): void {
    const last = items.at(-1);
    const isBehind = ({ id, updated_at }: Conversation) =>
      last !== undefined && (updated_at < last.updated_at || (updated_at === last.updated_at && id < last.id));
    const known = new Set(items.map(({ id }) => id));
    const behind = next_cursor === null ? [] : this.#items.filter((item) => isBehind(item) && !known.has(item.id));
    // With nothing behind it, this page is the last one that was read.
    if (behind.length === 0) this.#cursor = next_cursor;
    this.#items = [...items, ...behind];
  }
}
