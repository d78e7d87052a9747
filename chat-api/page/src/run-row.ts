// One step of a run: a row of the table, with its bar.

import { element } from "./dom";
import { duration, instant, outcomeOf, stepName, timeOfDay } from "./run-words";
import type { Json, TimelineEntry } from "./wire";

/** What the axis spans, in milliseconds since the epoch. */
export interface Scale {
  start: number;
  end: number;
}

const UNDER_WAY = new Set(["queued", "running", "requires_action", "open"]);

export class RunRow {
  readonly element = element("tr", { role: "row" });
  readonly #bar = element("div", { class: "extent" });
  readonly #word = element("div", { class: "first-word" });
  #entry: TimelineEntry | undefined;
  #start: number | undefined;

  show(entry: TimelineEntry, scale: Scale): void {
    const isNew = JSON.stringify(entry) !== JSON.stringify(this.#entry);
    if (isNew || scale.start !== this.#start) this.#draw(entry, scale, entry.kind === this.#entry?.kind);
    this.#entry = entry;
    this.#start = scale.start;
    this.#place(entry, scale);
  }

  #draw(entry: TimelineEntry, { start }: Scale, keepsOpen: boolean): void {
    const wasOpen = keepsOpen && this.element.querySelector("details")?.open === true;
    const began = instant(entry.began_at);
    const ended = instant(entry.ended_at);
    const outcome = outcomeOf(entry);
    const name = element("span", { class: "step" }, stepName(entry));
    const step = element("th", { scope: "row", role: "rowheader" }, name);
    if (outcome) step.append(" ", element("span", { class: `outcome ${entry.outcome}` }, outcome));
    if (entry.error) step.append(element("p", { class: "error", dir: "auto" }, entry.error.detail));
    const since = began === undefined ? "not known" : duration(began - start);
    const after = element("td", { role: "cell", class: "began" }, since);
    if (began !== undefined) after.title = timeOfDay(began);
    const track = element("div", { class: "track", "aria-hidden": "true" }, this.#bar, this.#word);
    const words = element("span", {}, tookWords(entry, began, ended));
    const took = element("td", { role: "cell", class: "took" }, words, track);
    const details = detailsOf(entry);
    if (details.length) {
      const list = element("dl", {}, ...details.flatMap(([name, value]) => [element("dt", {}, name), value]));
      took.append(element("details", { open: wasOpen }, element("summary", {}, "Details"), list));
    }
    this.element.className = entry.kind;
    this.element.replaceChildren(step, after, took);
  }

  #place(entry: TimelineEntry, { start, end }: Scale): void {
    const began = instant(entry.began_at);
    const ended = instant(entry.ended_at);
    const isOpen = ended === undefined && UNDER_WAY.has(entry.outcome ?? "");
    const from = began ?? ended;
    const to = ended ?? (isOpen ? end : began);
    const word = instant(entry.first_word_at);
    const share = (time: number) => `${(100 * Math.max(0, time - start)) / (end - start)}%`;
    this.#bar.hidden = from === undefined || to === undefined;
    this.#word.hidden = word === undefined;
    this.#bar.classList.toggle("open", isOpen);
    if (from !== undefined && to !== undefined) {
      // A bar is never too short to be seen; the last one does not hang out for it.
      this.#bar.style.insetInlineStart = `min(${share(from)}, 100% - 3px)`;
      this.#bar.style.inlineSize = share(start + Math.max(0, to - from));
    }
    if (word !== undefined) this.#word.style.insetInlineStart = share(word);
  }
}

function tookWords(entry: TimelineEntry, began: number | undefined, ended: number | undefined): string {
  if (began !== undefined && ended !== undefined) return duration(Math.max(0, ended - began));
  if (ended === undefined && UNDER_WAY.has(entry.outcome ?? "")) return "not over yet";
  return entry.outcome === "not_sent" ? "–" : "not known";
}

function detailsOf(entry: TimelineEntry): [string, HTMLElement][] {
  const details: [string, HTMLElement][] = [];
  const say = (name: string, value: string) => details.push([name, element("dd", {}, value)]);
  const began = instant(entry.began_at);
  const ended = instant(entry.ended_at);
  if (began !== undefined) say("Began at", timeOfDay(began));
  if (ended !== undefined) say("Ended at", timeOfDay(ended));
  if (entry.attempt !== null && entry.kind !== "attempt") say("In attempt", String(entry.attempt));
  const word = instant(entry.first_word_at);
  if (word !== undefined && began !== undefined) say("First word after", duration(word - began));
  if (entry.input_tokens != null) say("Tokens read", String(entry.input_tokens));
  if (entry.output_tokens != null) say("Tokens written", String(entry.output_tokens));
  if (entry.error) say("Reason", entry.error.type);
  if (entry.parameters !== undefined) details.push(["Parameters", json(entry.parameters)]);
  if (entry.result != null) details.push(["Result", json(entry.result)]);
  return details;
}

function json(value: Json): HTMLElement {
  return element("dd", {}, element("pre", { dir: "auto" }, JSON.stringify(value, null, 2)));
}
