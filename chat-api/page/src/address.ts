// The conversation that is shown stands in the page's address as its number, and nothing else does.

const NAME = "c";

export class Address {
  /** `moved` hears of the reader's steps back and forward. */
  constructor(moved: (id: number | undefined) => void, signal: AbortSignal) {
    addEventListener("popstate", () => moved(this.id), { signal });
  }

  /** Undefined for a new conversation. */
  get id(): number | undefined {
    const text = new URLSearchParams(location.search).get(NAME) ?? "";
    return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
  }

  /** Show another conversation's number, as a new step or in place of the present one. */
  show(id: number | undefined, step: "push" | "replace"): void {
    if (id === this.id) return;
    if (step === "push") history.pushState(null, "", addressOf(id));
    else history.replaceState(null, "", addressOf(id));
  }
}

export function addressOf(id: number | undefined): string {
  return id === undefined ? "/" : `/?${NAME}=${id}`;
}
