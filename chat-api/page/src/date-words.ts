// Days, times and repetitions in English sentences, in the reader's zone.

const DAY_MS = 86_400_000;
const UNITS = new Map([
  ["DAILY", { each: "daily", many: "days" }],
  ["WEEKLY", { each: "weekly", many: "weeks" }],
  ["MONTHLY", { each: "monthly", many: "months" }],
  ["YEARLY", { each: "yearly", many: "years" }],
]);

const locale = englishIn(navigator.language);
const nearDay = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const time = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" });

/** A calendar date (`2030-03-14`): "tomorrow" or "Thu, 14 Mar 2030". Another text is returned as it is. */
export function dayWords(date: string, now = new Date()): string {
  const [year, month, day] = date.split("-").map(Number);
  const at = new Date(year!, month! - 1, day);
  if (!/^\d{4}-\d\d-\d\d$/.test(date) || Number.isNaN(at.getTime())) return date;
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const days = Math.round((at.getTime() - today.getTime()) / DAY_MS);
  if (Math.abs(days) <= 1) return nearDay.format(days, "day");
  const ofYear = year === now.getFullYear() ? {} : { year: "numeric" as const };
  return new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short", ...ofYear }).format(at);
}

/** What stands above the turns of a day: "Today", "Monday 23 November". */
export function dayHeading(date: Date): string {
  const words = dayWords(dateOf(date));
  if (/^(today|yesterday)$/.test(words)) return words[0]!.toUpperCase() + words.slice(1);
  const ofYear = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" as const };
  return new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long", ...ofYear }).format(date);
}

/** An instant with its offset: "tomorrow at 17:00". A text that names a zone in brackets loses it. */
export function instantWords(instant: string): string {
  const at = new Date(instant.replace(/\[.*\]$/, ""));
  if (Number.isNaN(at.getTime())) return instant;
  return `${dayWords(dateOf(at))} at ${time.format(at)}`;
}

function dateOf(date: Date): string {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** An RRULE's rhythm: "weekly", "every 2 weeks"; its finer rules stand in the details. */
export function repeatWords(rule: string): string {
  const fields = new Map(rule.split(";").map((field) => field.split("=") as [string, string]));
  const unit = UNITS.get(fields.get("FREQ") ?? "");
  const interval = Number(fields.get("INTERVAL") ?? 1);
  if (!unit) return "by a rule";
  return interval > 1 ? `every ${interval} ${unit.many}` : unit.each;
}

/** English as the reader's region writes dates and times, since the words around them are English. */
function englishIn(language: string): string {
  try {
    const { region } = new Intl.Locale(language).maximize();
    return region ? `en-${region}` : "en";
  } catch (error) {
    // Some systems name a language in a way of their own.
    if (error instanceof RangeError) return "en";
    throw error;
  }
}
