// What the assistant wants to do and may not without the user's word.

import { announce } from "./announcer";
import { batchLines, type Call, callWords, heard, tasksOf } from "./call-words";
import { callDetails } from "./cards";
import { button, element, part } from "./dom";
import type { ConversationModel, Turn } from "./model";
import type { TaskTitles } from "./task-titles";
import { clock, inFull } from "./times";
import type { Decision, PendingApproval } from "./wire";

/** Longest time for which what is asked is not told because titles are still read. */
const TOLD_WITHIN_MS = 5000;

let count = 0;

export class Approvals {
  readonly element = element("div", { class: "approvals", role: "group", "aria-label": "Your decision", hidden: true });
  readonly #turn: Turn;
  readonly #conversation: ConversationModel;
  readonly #titles: TaskTitles;
  readonly #decided = new Map<string, boolean>();
  /** Titles as they were read for this decision: what is remembered may be what a task was called before. */
  readonly #names = new Map<number, string>();
  readonly #problem = element("p", { class: "refusal", role: "alert" });
  #drawn: string | undefined;
  #sending = false;

  constructor(turn: Turn, conversation: ConversationModel, titles: TaskTitles) {
    this.#turn = turn;
    this.#conversation = conversation;
    this.#titles = titles;
  }

  draw(): void {
    const { approvals, state } = this.#turn;
    const pending = state === "requires_action" ? approvals : [];
    const drawing = pending.map(({ tool_call_id }) => tool_call_id).join();
    if (drawing === this.#drawn) return;
    // What stands there from the beginning is come upon, as all else is.
    const isNews = this.#drawn !== undefined;
    this.#drawn = drawing;
    this.#decided.clear();
    this.#names.clear();
    this.#problem.textContent = "";
    if (pending.length === 0 && this.element.contains(document.activeElement)) part("message").focus();
    this.element.hidden = pending.length === 0;
    if (pending.length === 0) return this.element.replaceChildren();
    this.#show(pending);
    void this.#nameTasks(pending, isNews);
  }

  #show(pending: readonly PendingApproval[]): void {
    const expires = new Date(Math.min(...pending.map(({ expires_at }) => Date.parse(expires_at))));
    const today = expires.toDateString() === new Date().toDateString();
    const attributes = { datetime: expires.toISOString(), title: inFull(expires) };
    const time = element("time", attributes, today ? clock(expires) : inFull(expires));
    const isOne = pending.length === 1;
    const ask = isOne ? "May the assistant do this?" : `May the assistant do these ${pending.length} things?`;
    this.element.replaceChildren(
      element("p", { class: "ask" }, ask),
      ...(isOne ? this.#one(pending[0]!) : this.#many(pending)),
      this.#problem,
      element("p", { class: "hint" }, "Without a decision until ", time, ", nothing is done."),
    );
  }

  #one(approval: PendingApproval): HTMLElement[] {
    const decide = (approve: boolean) => this.#send([{ tool_call_id: approval.tool_call_id, approve }]);
    const buttons = [
      button("Allow", () => decide(true), { class: "primary" }),
      button("Don’t", () => decide(false)),
    ];
    return [this.#wanted(approval), element("div", { class: "buttons" }, ...buttons)];
  }

  #many(pending: readonly PendingApproval[]): HTMLElement[] {
    const rows = pending.map((approval) => {
      const name = `approval-${++count}`;
      const choice = (label: string, approve: boolean) => {
        const radio = element("input", { type: "radio", name });
        radio.addEventListener("change", () => this.#decided.set(approval.tool_call_id, approve));
        radio.checked = this.#decided.get(approval.tool_call_id) === approve;
        return element("label", {}, radio, label);
      };
      const choices = element("div", { class: "choices" }, choice("Allow", true), choice("Don’t", false));
      return element("div", { class: "row", role: "radiogroup" }, this.#wanted(approval), choices);
    });
    for (const row of rows) {
      const words = row.querySelector("p")!;
      words.id = `approval-${++count}`;
      row.setAttribute("aria-labelledby", words.id);
    }
    const all = (approve: boolean) => this.#send(pending.map(({ tool_call_id }) => ({ tool_call_id, approve })));
    const buttons = [
      button("Confirm", () => this.#confirm(pending), { class: "primary" }),
      button("Allow all", () => all(true)),
      button("Allow none", () => all(false)),
    ];
    return [...rows, element("div", { class: "buttons" }, ...buttons)];
  }

  #wanted(approval: PendingApproval): HTMLElement {
    const call = callOf(approval);
    const words = callWords(call, "wanted", this.#names);
    const lines = call.name === "batch_tasks" ? batchLines(call, "wanted", this.#names) : [];
    const items = lines.map((line) => element("li", {}, ...line.words));
    const list = items.length > 0 ? [element("ul", { class: "lines" }, ...items)] : [];
    const whose = element("span", { class: "heard" }, ` of: ${heard(words)}`);
    const details = callDetails(call, "Details", whose);
    return element("div", { class: "wanted" }, element("p", {}, ...words), ...list, details);
  }

  /** Calls name a task by its number, and nobody can decide on a number, or hear of one and know what is asked. */
  async #nameTasks(pending: readonly PendingApproval[], isNews: boolean): Promise<void> {
    const drawn = this.#drawn;
    const ids = new Set(pending.flatMap(({ parameters }) => tasksOf(parameters)));
    const read = async (id: number) => {
      const title = await this.#titles.read(id);
      if (title !== undefined && this.#drawn === drawn) this.#names.set(id, title);
    };
    const reading = Promise.allSettled([...ids].map(read));
    if (isNews) void Promise.race([reading, after(TOLD_WITHIN_MS)]).then(() => this.#tell(pending, drawn));
    const readings = await reading;
    if (this.#drawn !== drawn || !this.element.isConnected) return;
    for (const failed of readings.filter((one) => one.status === "rejected")) {
      this.#problem.textContent = `The tasks’ titles could not be read: ${(failed.reason as Error).message}`;
    }
    if (this.#names.size > 0) this.#showAnew(pending);
  }

  #tell(pending: readonly PendingApproval[], drawn: string | undefined): void {
    if (this.#drawn !== drawn || this.#sending || !this.element.isConnected) return;
    const wanted = pending.map((approval) => heard(callWords(callOf(approval), "wanted", this.#names)));
    announce(`The assistant asks for your permission: ${wanted.join("; ")}.`);
  }

  #showAnew(pending: readonly PendingApproval[]): void {
    const hadFocus = [...this.element.querySelectorAll("button, input, summary")].indexOf(document.activeElement!);
    const wereOpen = [...this.element.querySelectorAll("details")].map(({ open }) => open);
    this.#show(pending);
    this.element.querySelectorAll("details").forEach((details, at) => (details.open = wereOpen[at] ?? false));
    if (hadFocus >= 0) this.element.querySelectorAll<HTMLElement>("button, input, summary")[hadFocus]?.focus();
  }

  #confirm(pending: readonly PendingApproval[]): void {
    const left = pending.filter(({ tool_call_id }) => !this.#decided.has(tool_call_id)).length;
    if (left > 0) {
      this.#problem.textContent = left === 1 ? "One is not decided yet." : `${left} are not decided yet.`;
      return;
    }
    const decisions = pending.map(({ tool_call_id }) => ({ tool_call_id, approve: this.#decided.get(tool_call_id)! }));
    void this.#send(decisions);
  }

  async #send(decisions: Decision[]): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    this.element.setAttribute("aria-busy", "true");
    this.#problem.textContent = "";
    try {
      await this.#conversation.decide(this.#turn, decisions);
    } catch (error) {
      this.#problem.textContent = (error as Error).message;
    } finally {
      this.#sending = false;
      this.element.removeAttribute("aria-busy");
    }
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function callOf({ tool_name, parameters }: PendingApproval): Call {
  return { name: tool_name, parameters, result: undefined };
}
