// Who the reader is, and the token that proves it. It is kept in memory alone.

import type { Observable } from "./model";
import { Changes } from "./observable";
import { NoAnswer, Problem, readProblem } from "./problem";

const FRAME_SECONDS = 5;

/** Where a token may come from; `index.html` carries it in data attributes of `<html>`. */
export interface Ways {
  /** `GET /demo/token` has one. */
  demo: boolean;
  /** `GET /token` has one, for who has the front end's cookie. */
  cookie: boolean;
  /** The origins whose pages may hold this one in a frame and give it a token. */
  origins: readonly string[];
}

export function waysOf({ demo, cookie, origins }: DOMStringMap): Ways {
  return { demo: demo === "yes", cookie: cookie === "yes", origins: (origins ?? "").split(" ").filter(Boolean) };
}

/** Whoever is at the page. An observer hears of another user, of a token's coming, and of its being lost. */
export class Session implements Observable {
  readonly #changes = new Changes();
  readonly #ways: Ways;
  #token: string | undefined;
  #userId: string | undefined;
  #state: "starting" | "signed-in" | "signed-out" = "starting";
  #reason: string | undefined;
  #renewal: Promise<boolean> | undefined;
  #given: ((token: string) => void) | undefined;

  constructor(ways: Ways = waysOf(document.documentElement.dataset)) {
    this.#ways = ways;
    if (this.#framed) addEventListener("message", (event) => this.#receive(event));
    document.addEventListener("visibilitychange", () => this.#onReturn());
  }

  get state(): "starting" | "signed-in" | "signed-out" {
    return this.#state;
  }

  /** The last user who was signed in. It stays while a new token is asked for. */
  get userId(): string | undefined {
    return this.#userId;
  }

  /** Why a token has to be asked for, in words for the person at the page. */
  get reason(): string | undefined {
    return this.#reason;
  }

  get token(): string | undefined {
    return this.#token;
  }

  observe(listener: () => void, signal?: AbortSignal): void {
    this.#changes.observe(listener, signal);
  }

  /** Where the page asks for a token by itself. */
  get source(): "demo" | "cookie" | "frame" | "none" {
    if (this.#ways.demo) return "demo";
    if (this.#framed) return "frame";
    return this.#ways.cookie ? "cookie" : "none";
  }

  /**
   * Sign in with what the page was given, or try again. Where that comes to nothing, the session is signed out, for
   * the reason given if there is no other.
   */
  async start(reason?: string): Promise<void> {
    try {
      await this.renew(undefined, reason);
    } catch (error) {
      if (!(error instanceof NoAnswer || error instanceof Problem)) throw error;
      this.#signOut(`${error.message} Try again in a while.`);
    }
  }

  /**
   * Get another token in place of one that was refused; callers at the same time share one renewal. Returns false,
   * and the session is signed out for that reason, where there is none to be had. Throws `NoAnswer` or `Problem` where
   * nobody can say.
   */
  renew(refused?: string, reason?: string): Promise<boolean> {
    if (this.#token !== undefined && this.#token !== refused) return Promise.resolve(true);
    this.#renewal ??= this.#renew(refused, reason).finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  /** Sign in with a token that a person has pasted. Throws an Error that says why it is none. */
  use(token: string): void {
    const userId = userOf(token.trim());
    if (userId === undefined) throw new Error("This is no token: it should be three parts with dots between them.");
    this.#accept(token.trim(), userId);
  }

  /** Note that a token was refused that had only just been got. */
  refused(token: string, reason: string): void {
    if (token === this.#token) this.#signOut(reason);
  }

  /** Resolves when there is a token. Rejects with the signal's reason. */
  signedIn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settled = new AbortController();
      const look = () => {
        if (this.#state !== "signed-in") return;
        settled.abort();
        resolve();
      };
      signal.throwIfAborted();
      signal.addEventListener("abort", () => reject(signal.reason), { once: true, signal: settled.signal });
      this.#changes.observe(look, settled.signal);
      look();
    });
  }

  get #framed(): boolean {
    return window.parent !== window && this.#ways.origins.length > 0;
  }

  /** Whoever comes back may have signed in elsewhere, and a server be there again. */
  #onReturn(): void {
    if (document.visibilityState !== "visible" || this.#state !== "signed-out") return;
    if (this.source === "cookie" || this.source === "demo") void this.start(this.#reason);
  }

  async #renew(refused: string | undefined, reason: string | undefined): Promise<boolean> {
    const token = await this.#obtain(refused === undefined ? "todo-chat:ready" : "todo-chat:token-needed");
    const userId = token === undefined ? undefined : userOf(token);
    if (token !== undefined && userId !== undefined && token !== refused) this.#accept(token, userId);
    else this.#signOut(reason);
    return this.#state === "signed-in";
  }

  async #obtain(question: string): Promise<string | undefined> {
    const found = this.#ways.demo ? await ask("/demo/token") : this.#ways.cookie ? await ask("/token") : undefined;
    return found ?? (this.#framed ? this.#askParent(question) : undefined);
  }

  #askParent(question: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#given = resolve;
      setTimeout(() => resolve(undefined), FRAME_SECONDS * 1000);
      // Where the browser does not tell which of them the parent is, only that one gets what is posted to all.
      const parent = location.ancestorOrigins?.[0];
      const origins = this.#ways.origins.filter((origin) => parent === undefined || origin === parent);
      for (const origin of origins) window.parent.postMessage({ type: question }, origin);
    });
  }

  #receive({ source, origin, data }: MessageEvent): void {
    if (source !== window.parent || !this.#ways.origins.includes(origin)) return;
    if (data?.type !== "todo-chat:token" || typeof data.token !== "string") return;
    const userId = userOf(data.token);
    if (userId === undefined) return;
    this.#accept(data.token, userId);
    this.#given?.(data.token);
  }

  #accept(token: string, userId: string): void {
    const isAnother = userId !== this.#userId;
    this.#token = token;
    this.#userId = userId;
    this.#state = "signed-in";
    this.#reason = undefined;
    // What was asked for in the name of the one before is to end before anybody sends it with this token.
    if (isAnother) this.#changes.tell();
    else this.#changes.notify();
  }

  #signOut(reason: string | undefined): void {
    this.#token = undefined;
    this.#state = "signed-out";
    this.#reason = reason;
    this.#changes.notify();
  }
}

/** Return the token that an endpoint of this origin has for the reader, undefined where it has none. */
async function ask(path: string): Promise<string | undefined> {
  try {
    const response = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (response.status >= 500) throw await readProblem(response);
    if (!response.ok) return undefined;
    const { token } = (await response.json()) as { token?: unknown };
    return typeof token === "string" ? token : undefined;
  } catch (error) {
    // What is no JSON is no answer of the service's: something in between has spoken, or the end was cut off.
    throw error instanceof Problem ? error : new NoAnswer({ cause: error });
  }
}

/** Return whom a token names. Whether it is good is the server's to say. */
export function userOf(token: string): string | undefined {
  try {
    const payload = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as { sub?: unknown };
    return typeof sub === "string" && sub !== "" ? sub : undefined;
  } catch {
    return undefined; // not base64, not UTF-8, not JSON or not an object: no token
  }
}
