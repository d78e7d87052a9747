// A call of a tool, as a card that a person can read.

import { announce } from "./announcer";
import { batchLines, type Call, callWords, heard, type Phrase, refusalOf } from "./call-words";
import { button, element, type Icon, icon } from "./dom";
import type { CallPart, Tools } from "./model";
import type { TaskTitles } from "./task-titles";
import { opposite } from "./undo";
import type { Json } from "./wire";

/** Lines of a batch that are shown; the others stand in the details. */
const LINES_MAX = 8;

export interface CardContext {
  tools: Tools;
  titles: TaskTitles;
  /** Keys of the calls that were taken back from this page. */
  undone: Set<string>;
}

type State = "doing" | "done" | "refused" | "unknown";
const ICONS: Record<State, Icon> = { doing: "tool", done: "check", refused: "alert", unknown: "info" };
const DONE_ICONS = new Map<string, Icon>([
  ["add_task", "add"],
  ["delete_task", "delete"],
  ["list_tasks", "tasks"],
  ["get_task", "tasks"],
  ["restore_task", "restore"],
  ["reopen_task", "restore"],
  ["update_task", "edit"],
  ["set_timezone", "clock"],
]);

export class Card {
  readonly element = element("div", { class: "card" });
  /** What it says, for those who hear it. */
  words = "";
  readonly #context: CardContext;
  readonly #key: string;
  #call: Call | undefined;
  #ended = false;

  /** `key` names the call for as long as the page lives. */
  constructor(key: string, context: CardContext) {
    this.#key = key;
    this.#context = context;
  }

  /** `ended`: no outcome will come any more. */
  draw(part: CallPart, ended: boolean): void {
    const { name, parameters } = part;
    const result = part.result ?? undefined;
    const known = this.#call;
    // A call with an outcome looks the same at the run's end, and keeps what is open or focused in it.
    const isAsBefore = result !== undefined || this.#ended === ended;
    if (known && known.result === result && known.parameters === parameters && isAsBefore) return;
    this.#call = { name, parameters, result };
    this.#ended = ended;
    this.#context.titles.learn(result);
    this.#drawCall(this.#call);
  }

  #drawCall(call: Call): void {
    const { titles } = this.#context;
    const state = this.#stateOf(call);
    const words = wordsOf(call, state, titles);
    this.words = heard(words);
    this.element.dataset["state"] = state;
    const icons = state === "done" ? (DONE_ICONS.get(call.name) ?? ICONS.done) : ICONS[state];
    const details = callDetails(call, icon(icons), element("span", { dir: "auto" }, ...words));
    const line = element("div", { class: "line" }, details, ...this.#undo(call, this.words));
    const refusal = refusalOf(call.result);
    this.element.replaceChildren(
      line,
      ...(refusal === undefined ? [] : [element("p", { class: "refusal", dir: "auto" }, refusal)]),
      ...(call.name === "batch_tasks" && refusal === undefined ? [batchList(call, state, titles)] : []),
    );
  }

  #stateOf({ result }: Call): State {
    if (result === undefined) return this.#ended ? "unknown" : "doing";
    return refusalOf(result) === undefined ? "done" : "refused";
  }

  /** The way to take the call back, where there is one. */
  #undo(call: Call, words: string): HTMLElement[] {
    const back = opposite(call);
    if (!back) return [];
    if (this.#context.undone.has(this.#key)) return [element("p", { class: "undone" }, "Undone")];
    const problem = element("p", { class: "refusal", role: "alert", hidden: true });
    const undo = button(
      "Undo",
      async () => {
        if (undo.getAttribute("aria-disabled")) return;
        undo.setAttribute("aria-disabled", "true");
        problem.hidden = true;
        try {
          await this.#context.tools.call(back.name, back.parameters);
        } catch (error) {
          problem.textContent = `Not undone: ${(error as Error).message}`;
          problem.hidden = false;
          undo.removeAttribute("aria-disabled");
          return;
        }
        this.#context.undone.add(this.#key);
        announce(`Undone: ${words}`);
        const done = element("p", { class: "undone", tabindex: -1 }, "Undone");
        const hadFocus = document.activeElement === undo;
        undo.replaceWith(done);
        if (hadFocus) done.focus();
      },
      { class: "quiet undo", "aria-label": `Undo: ${words}` },
    );
    return [undo, problem];
  }
}

/** Parameters and result as they are, for whoever opens the summary. */
export function callDetails(call: Call, ...summary: (Node | string)[]): HTMLDetailsElement {
  const details = element("details", {}, element("summary", {}, ...summary));
  details.addEventListener(
    "toggle",
    () => {
      // Not before: a long list of tasks is long in JSON, too.
      details.append(element("p", {}, element("code", {}, call.name)), ...json("Parameters", call.parameters));
      details.append(...json("Result", call.result));
    },
    { once: true },
  );
  return details;
}

function json(label: string, value: Json | undefined): HTMLElement[] {
  if (value === undefined) return [];
  const text = JSON.stringify(value, null, 2);
  return [
    element("p", { class: "label" }, label),
    element("pre", { dir: "ltr", tabindex: 0, role: "group", "aria-label": label }, text),
  ];
}

function wordsOf(call: Call, state: State, titles: TaskTitles): Phrase {
  if (state === "done") return callWords(call, "done", titles);
  if (state === "doing") return [...callWords(call, "doing", titles), "…"];
  const wanted = callWords({ ...call, result: undefined }, "wanted", titles);
  return state === "refused" ? refused(wanted) : ["Not known whether it was done: ", ...lowered(wanted)];
}

const refused = (wanted: Phrase): Phrase => ["Could not ", ...lowered(wanted)];
const lowered = ([verb, ...others]: Phrase): Phrase => [String(verb).toLowerCase(), ...others];

function batchList(call: Call, state: State, titles: TaskTitles): HTMLElement {
  const lines = batchLines(call, state === "done" ? "done" : "wanted", titles);
  const items = lines.slice(0, LINES_MAX).map(({ words, error }) => {
    if (error === undefined) return element("li", { dir: "auto" }, ...words);
    const why = element("span", { class: "refusal", dir: "auto" }, error);
    return element("li", { dir: "auto" }, ...refused(words), why);
  });
  if (lines.length > LINES_MAX) items.push(element("li", {}, `and ${lines.length - LINES_MAX} more`));
  return element("ul", { class: "lines" }, ...items);
}
