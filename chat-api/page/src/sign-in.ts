// What is seen while the page has no token: where one comes from, and a field to paste one into.

import { announce } from "./announcer";
import { button, element, setAttribute } from "./dom";

export interface SignInOptions {
  /** Where the page asks for a token by itself. */
  source: "demo" | "cookie" | "frame" | "none";
  /** Take a token. Throws an Error that says why the text is none. */
  use(token: string): void;
  /** Ask the page's own source again. */
  again(): void;
}

const WAYS: Record<SignInOptions["source"], string> = {
  demo: "In the demo the page signs in by itself. When the server answers again, try again or come back to this page.",
  cookie: "Sign in to your application in this browser, then come back to this page.",
  frame: "This page is shown inside your application, which signs you in. If this message stays, load it again there.",
  none: "Open this page from your application, or ask those who run it how to sign in.",
};

export class SignInView {
  readonly element = element("section", {
    class: "sign-in",
    "aria-labelledby": "sign-in-title",
    tabindex: -1,
    hidden: true,
  });
  readonly #reason = element("p", { class: "reason", hidden: true });
  readonly #problem = element("p", { class: "problem", id: "sign-in-problem", role: "alert", hidden: true });
  readonly #token = element("input", {
    id: "token",
    type: "password",
    autocomplete: "off",
    spellcheck: false,
    dir: "ltr",
    required: true,
    "aria-describedby": "sign-in-hint",
  });
  readonly #use: (token: string) => void;
  #askedAgain = false;

  constructor({ source, use, again }: SignInOptions) {
    this.#use = use;
    const submit = element("button", { type: "submit", class: "primary" }, "Use this token");
    const form = element(
      "form",
      { novalidate: true },
      element("label", { for: this.#token.id }, "Token"),
      element("div", { class: "line" }, this.#token, submit),
      this.#problem,
      element(
        "p",
        { id: "sign-in-hint", class: "hint" },
        "Those who run the application can give you a token. It stays in this page’s memory and is gone when the " +
          "page is closed or loaded again.",
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#token.addEventListener("input", () => this.#fault(""));
    this.element.append(
      element("h2", { id: "sign-in-title" }, "Sign in to go on"),
      this.#reason,
      element("p", {}, WAYS[source]),
      ...(source === "none" ? [] : [button("Try again", () => this.#askAgain(again))]),
      element("details", { open: source === "none" }, element("summary", {}, "I have a token"), form),
    );
  }

  /** Show the view, with what the server said of the token before, if there was one. */
  show(reason = this.#askedAgain ? "There is still no token for this page." : ""): void {
    this.#askedAgain = false;
    const isNews = this.element.hidden || reason !== this.#reason.textContent;
    this.#reason.textContent = reason;
    this.#reason.hidden = !reason;
    this.element.hidden = false;
    if (isNews) announce(`Sign in to go on. ${reason}`, true);
  }

  hide(): void {
    this.element.hidden = true;
    this.#token.value = "";
    this.#fault("");
  }

  #askAgain(again: () => void): void {
    this.#askedAgain = true;
    again();
  }

  #submit(): void {
    const token = this.#token.value.trim();
    try {
      if (!token) throw new Error("Paste a token first.");
      this.#use(token);
    } catch (error) {
      this.#fault(error instanceof Error ? error.message : String(error));
      this.#token.focus();
    }
  }

  #fault(text: string): void {
    this.#problem.textContent = text;
    this.#problem.hidden = !text;
    setAttribute(this.#token, "aria-invalid", text !== "" && "true");
    setAttribute(this.#token, "aria-describedby", text ? "sign-in-problem sign-in-hint" : "sign-in-hint");
  }
}
