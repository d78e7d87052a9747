// What a tab tells the reader's other tabs in this browser.

/** `run`: one begins, waits, ends or was decided on in a conversation. `list`: the sidebar's list is another. */
export type News = { about: "run"; conversationId: number } | { about: "list" };

export class Tabs {
  readonly #channel: BroadcastChannel;

  constructor(userId: string, heard: (news: News) => void, lifetime: AbortSignal) {
    this.#channel = new BroadcastChannel(`todo-chat/${userId}`);
    this.#channel.addEventListener("message", ({ data }: MessageEvent<News>) => heard(data));
    lifetime.addEventListener("abort", () => this.#channel.close(), { once: true });
  }

  tell(news: News): void {
    this.#channel.postMessage(news);
  }
}
