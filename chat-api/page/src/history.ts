// What is on record of a conversation, in pages: its runs, each with the words that the transcript has of it.

import type { Api } from "./api";
import type { StoredRun } from "./turn";
import type { Page, Run } from "./wire";

const RUNS = 25;
/** A run has two messages. */
const MESSAGES = 2 * RUNS;
/** A message stands at most so many pages behind its run: what was stopped in the queue ended before the rest. */
const PAGES_BEHIND = 2;

export class History {
  readonly #api: Api;
  readonly #conversationId: number;
  readonly #signal: AbortSignal;
  readonly #answers = new Map<string, string>();
  /** Undefined before the first page, null behind the last one. */
  #runs: string | null | undefined;
  #messages: string | null | undefined;

  /** Of a conversation that has only just begun, the page has the `whole`. */
  constructor(api: Api, conversationId: number, signal: AbortSignal, whole = false) {
    if (whole) this.#runs = null;
    this.#api = api;
    this.#conversationId = conversationId;
    this.#signal = signal;
  }

  get hasOlder(): boolean {
    return this.#runs !== null;
  }

  /** Return the next page with runs that stand in the transcript, oldest first. The first page has the newest. */
  async older(): Promise<StoredRun[]> {
    const shown: Run[] = [];
    let [messages, page] = await Promise.all([this.#messagePage(), this.#runPage(this.#runs)]);
    for (;;) {
      shown.push(...page.items.filter(({ replaced }) => !replaced));
      this.#runs = page.next_cursor;
      if (shown.length > 0 || this.#runs === null) break;
      page = await this.#runPage(this.#runs);
    }
    // Messages are in the order in which their runs ended, which is nearly that in which they began.
    for (let pages = 0; messages && pages < PAGES_BEHIND; pages += 1) {
      if (shown.every((run) => !lacksAnswer(run) || this.#answers.has(run.run_id))) break;
      messages = await this.#messagePage();
    }
    return shown.reverse().map((run) => this.#stored(run));
  }

  /** Return the newest runs as they are now, oldest first, replaced ones included, and whether there are no others. */
  async newest(): Promise<{ stored: StoredRun[]; isAll: boolean }> {
    const [messages, page] = await Promise.all([
      this.#api.messages(this.#conversationId, { limit: MESSAGES }, this.#signal),
      this.#runPage(undefined),
    ]);
    this.#note(messages.items);
    return { stored: page.items.reverse().map((run) => this.#stored(run)), isAll: page.next_cursor === null };
  }

  /** Return one run as it is now. */
  async one(runId: string): Promise<StoredRun> {
    const run = await this.#api.run(runId, this.#signal);
    if (lacksAnswer(run)) await this.newest();
    return this.#stored(run);
  }

  #stored(run: Run): StoredRun {
    return { run, answer: (lacksAnswer(run) && this.#answers.get(run.run_id)) || "" };
  }

  #runPage(cursor: string | null | undefined): Promise<Page<Run>> {
    return this.#api.runs(this.#conversationId, { limit: RUNS, ...(cursor && { cursor }) }, this.#signal);
  }

  /** Read the next page of messages; false where there is none. */
  async #messagePage(): Promise<boolean> {
    if (this.#messages === null) return false;
    const cursor = this.#messages;
    const page = await this.#api.messages(
      this.#conversationId,
      { limit: MESSAGES, ...(cursor && { cursor }) },
      this.#signal,
    );
    this.#note(page.items);
    this.#messages = page.next_cursor;
    return true;
  }

  #note(messages: { role: string; run_id: string; content: string }[]): void {
    for (const { role, run_id, content } of messages) if (role === "assistant") this.#answers.set(run_id, content);
  }
}

/** Tell whether a run's words stand among the messages, which the run itself does not have. */
function lacksAnswer({ status }: Run): boolean {
  return status === "completed" || status === "cancelled";
}
