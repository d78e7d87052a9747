// A run as a table of its steps, each with a bar over one axis of time. The table is what counts; bars are decoration.

import { announce } from "./announcer";
import { element } from "./dom";
import { RunRow, type Scale } from "./run-row";
import { duration, instant, STATUSES } from "./run-words";
import { inFull } from "./times";
import type { Run, Timeline } from "./wire";

const TICKS_MAX = 5;
/** The part of the axis in which ticks begin; behind it, there is no room for their words. */
const TICKS_WITHIN = 0.85;

export class RunView {
  readonly element = element("article", { class: "run" });
  readonly #input = element("p", { class: "message", dir: "auto" });
  readonly #facts = element("dl", { class: "facts" });
  readonly #trouble = element("p", { class: "trouble", role: "alert", hidden: true });
  readonly #axis = element("div", { class: "axis", "aria-hidden": "true" });
  readonly #body = element("tbody", { role: "rowgroup" });
  readonly #content: HTMLElement;
  #rows: RunRow[] = [];
  #status = "";

  constructor() {
    const took = element("th", { scope: "col", role: "columnheader" }, "Took", this.#axis);
    const head = element(
      "tr",
      { role: "row" },
      element("th", { scope: "col", role: "columnheader" }, "Step"),
      element("th", { scope: "col", role: "columnheader" }, "Began after"),
      took,
    );
    // The roles hold where a narrow screen's style takes the cells out of their columns.
    const table = element(
      "table",
      { role: "table", "aria-label": "Steps" },
      element("thead", { role: "rowgroup" }, head),
      this.#body,
    );
    this.#content = element("div", { hidden: true }, this.#input, this.#facts, table);
    this.element.append(element("h1", {}, "A run, step by step"), this.#trouble, this.#content);
  }

  /** Draw what is known by now. Rows that are as they were keep what is open, selected or focused in them. */
  show({ run, entries }: Timeline): void {
    this.fault("");
    this.#content.hidden = false;
    this.#input.textContent = run.input;
    const times = entries.flatMap(({ began_at, ended_at }) => [instant(began_at), instant(ended_at)]);
    const known = [...times, instant(run.created_at), instant(run.ended_at)].filter((time) => time !== undefined);
    const latest = Math.max(...known);
    // By the reader's own clock, which need not be the service's; what is measured never depends on it.
    const end = run.ended_at === null ? Math.max(latest, Date.now()) : latest;
    const scale: Scale = { start: Math.min(...known), end: Math.max(end, Math.min(...known) + 1) };
    this.#showFacts(run);
    this.#showAxis(scale);
    this.#rows.splice(entries.length).forEach((row) => row.element.remove());
    entries.forEach((entry, place) => {
      let row = this.#rows[place];
      if (!row) {
        row = new RunRow();
        this.#rows[place] = row;
        this.#body.append(row.element);
      }
      row.show(entry, scale);
    });
    if (this.#status && this.#status !== run.status) announce(`The run is ${STATUSES[run.status]}.`);
    this.#status = run.status;
  }

  /** Say what went wrong; an empty text takes it back. */
  fault(text: string): void {
    this.#trouble.hidden = !text;
    if (this.#trouble.textContent !== text) this.#trouble.textContent = text;
  }

  #showFacts(run: Run): void {
    const created = instant(run.created_at)!;
    const ended = instant(run.ended_at);
    const { model_requests: asked, input_tokens: read, output_tokens: written } = run.usage;
    const facts: [string, string][] = [
      ["Status", run.error ? `${STATUSES[run.status]}: ${run.error.detail}` : STATUSES[run.status]],
      ["Sent", inFull(new Date(created))],
      ["Total time", ended === undefined ? "not over yet" : duration(ended - created)],
      ["Attempts", number(run.attempt)],
      ["Model calls", number(asked)],
      ["Tokens", `${number(read)} read, ${number(written)} written`],
      ["Run", run.run_id],
    ];
    const drawn = facts.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", { dir: "auto" }, value)),
    );
    const shown = this.#facts.children;
    if (!drawn.every((fact, place) => fact.isEqualNode(shown[place] ?? null))) this.#facts.replaceChildren(...drawn);
  }

  #showAxis({ start, end }: Scale): void {
    const step = niceStep((end - start) / TICKS_MAX);
    const ticks: HTMLElement[] = [];
    for (let at = 0; at < (end - start) * TICKS_WITHIN; at += step) {
      const tick = element("span", {}, at === 0 ? "0" : duration(at));
      tick.style.insetInlineStart = `${(100 * at) / (end - start)}%`;
      ticks.push(tick);
    }
    this.#axis.replaceChildren(...ticks);
  }
}

/** The next of 1, 2, 5, 10, 20, 50 … milliseconds; above a second, of what clocks count in. */
function niceStep(least: number): number {
  const clock = [1e3, 2e3, 5e3, 10e3, 20e3, 30e3, 60e3, 120e3, 300e3, 600e3, 1200e3, 1800e3, 3600e3];
  if (least > 1800e3) return Math.ceil(least / 3600e3) * 3600e3;
  if (least > 500) return clock.find((step) => step >= least)!;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((step) => power * step >= least)!;
}

function number(value: number): string {
  return new Intl.NumberFormat().format(value);
}
