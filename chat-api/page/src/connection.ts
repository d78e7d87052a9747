// The line that says that the page is cut off, while it is.

import { part } from "./dom";
import type { ConversationModel, Turn } from "./model";

const OFFLINE = "You are offline. What you send is kept and goes out when the connection is back.";
const RECONNECTING = "The connection was lost and is being made again. What you send is kept.";

export class ConnectionLine {
  readonly #line = part("connection");
  /** The turns that are listened to: those that may lose their connection. */
  #heard = new AbortController();
  #turns: readonly Turn[] = [];

  constructor(signal: AbortSignal) {
    for (const name of ["online", "offline"]) addEventListener(name, () => this.#draw(), { signal });
    signal.addEventListener("abort", () => {
      this.#heard.abort();
      this.#say("");
    });
    this.#draw();
  }

  /** Listen to a conversation's turns. */
  follow({ turns }: ConversationModel): void {
    const open = turns.filter(({ state }) => state === "sending" || state === "queued" || state === "running");
    if (open.length !== this.#turns.length || open.some((turn, at) => turn !== this.#turns[at])) {
      this.#heard.abort();
      this.#heard = new AbortController();
      this.#turns = open;
      for (const turn of open) turn.observe(() => this.#draw(), this.#heard.signal);
    }
    this.#draw();
  }

  #draw(): void {
    const isLost = this.#turns.some(({ reconnecting }) => reconnecting);
    this.#say(!navigator.onLine ? OFFLINE : isLost ? RECONNECTING : "");
  }

  #say(text: string): void {
    if (this.#line.textContent !== text) this.#line.textContent = text;
    this.#line.hidden = !text;
  }
}
