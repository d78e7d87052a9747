// Times in the reader's own zone and words.

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "narrow" });
const minutes = new Intl.NumberFormat(undefined, { style: "unit", unit: "minute", unitDisplay: "narrow" });
const hours = new Intl.NumberFormat(undefined, { style: "unit", unit: "hour", unitDisplay: "narrow" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const monthAndDay = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const monthOfYear = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric" });
const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

/** How long ago it was, in a few letters: "now", "5m", "2h", "yesterday", "Tue", "3 Mar". */
export function ago(date: Date, now = new Date()): string {
  const past = now.getTime() - date.getTime();
  // A clock that is a little behind the server's would put what has just happened into the future.
  if (past < MINUTE_MS) return relative.format(0, "second");
  if (past < HOUR_MS) return minutes.format(Math.floor(past / MINUTE_MS));
  const days = Math.round((midnight(now) - midnight(date)) / DAY_MS);
  if (days === 0) return hours.format(Math.floor(past / HOUR_MS));
  if (days === 1) return relative.format(-1, "day");
  if (days < 7) return weekday.format(date);
  return date.getFullYear() === now.getFullYear() ? monthAndDay.format(date) : monthOfYear.format(date);
}

/** The time of the day: "14:05". */
export function clock(date: Date): string {
  return timeOfDay.format(date);
}

/** Date and time in full. */
export function inFull(date: Date): string {
  return whole.format(date);
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}
