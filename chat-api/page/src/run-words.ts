// The steps of a run, and how long they took, in words.

import type { RunStatus, TimelineEntry } from "./wire";

const KINDS: Record<TimelineEntry["kind"], string> = {
  queued: "Queue",
  attempt: "Attempt",
  model: "Model call",
  tool: "Tool call",
  journal: "Journal",
  commit: "Commit",
  approval: "Approval",
};

export const STATUSES: Record<RunStatus, string> = {
  queued: "waits its turn",
  running: "under way",
  requires_action: "waits for approval",
  completed: "completed",
  failed: "failed",
  cancelled: "stopped",
};

const OUTCOMES: Record<string, string> = {
  ...STATUSES,
  lost: "lost: its process went away",
  released: "handed on: its process was stopped",
  begun: "its turn came",
  decided: "decided",
  calls: "asked for tools",
  answer: "gave the answer",
  stopped: "broken off",
  done: "done",
  refused: "refused by the tool",
  not_sent: "never sent",
  no_outcome: "sent, no outcome came",
  open: "no outcome yet",
};

/** Of commits, which do not fail with the run that they are of. */
const COMMITTED: Record<string, string> = {
  requires_action: "stored the pause",
  completed: "stored the answer",
  failed: "stored the failure",
  cancelled: "stored the stop",
};

/** What a step is called: "Attempt 2", "Tool call add_task". */
export function stepName(entry: TimelineEntry): string {
  switch (entry.kind) {
    case "attempt":
      return `${KINDS.attempt} ${entry.attempt}`;
    case "tool":
      return `${KINDS.tool} ${entry.tool_name}`;
    case "journal":
      return entry.call === undefined ? "Journal: model response" : `Journal: outcome of ${entry.tool_name}`;
    default:
      return KINDS[entry.kind];
  }
}

/** How a step ended, or how it stands. */
export function outcomeOf(entry: TimelineEntry): string {
  if (entry.kind === "journal") return "";
  if (entry.outcome === null) return "not known";
  return (entry.kind === "commit" ? COMMITTED : OUTCOMES)[entry.outcome] ?? entry.outcome;
}

/** Milliseconds since the epoch, with the parts of them that a Date leaves out; undefined where it is not known. */
export function instant(text: string | null | undefined): number | undefined {
  if (text == null) return undefined;
  const beyond = /\.\d{3}(\d{1,3})/.exec(text)?.[1];
  return Date.parse(text) + (beyond ? Number(`0.${beyond}`) : 0);
}

const UNITS: Record<string, Intl.NumberFormat> = {};

/** "0.4ms", "35ms", "1.24s", "3m 5s", "2h 10m". */
export function duration(milliseconds: number): string {
  if (milliseconds < 10) return count(milliseconds, "millisecond", 1);
  if (milliseconds < 1000) return count(milliseconds, "millisecond", 0);
  const seconds = milliseconds / 1000;
  if (seconds < 60) return count(seconds, "second", seconds < 10 ? 2 : 1);
  if (seconds < 3600) return `${whole(seconds / 60, "minute")} ${whole(seconds % 60, "second")}`;
  return `${whole(seconds / 3600, "hour")} ${whole((seconds % 3600) / 60, "minute")}`;
}

function whole(value: number, unit: string): string {
  return count(Math.floor(value), unit, 0);
}

function count(value: number, unit: string, digits: number): string {
  const format = (UNITS[`${unit} ${digits}`] ??= new Intl.NumberFormat(undefined, {
    style: "unit",
    unit,
    unitDisplay: "narrow",
    maximumFractionDigits: digits,
  }));
  return format.format(value);
}

const precise = new Intl.DateTimeFormat(undefined, {
  hour: "numeric",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

/** The time of the day, to the millisecond. */
export function timeOfDay(milliseconds: number): string {
  return precise.format(milliseconds);
}
