// Days and times as the user reads them: in the user's zone, worded in English, ordered as their region does.

import type { Task } from "./tasks";

const DAY_MS = 86_400_000;
const HALF_YEAR_MS = 182 * DAY_MS;

interface Wall {
  date: string;
  time: string;
}

export class Calendar {
  /** Today's date in the user's zone. */
  readonly today: string;
  /** Two calendars of the same key word every date alike. */
  readonly key: string;
  readonly zone: string;
  readonly #locale: string;
  readonly #parts: Intl.DateTimeFormat;

  constructor(today: string, zone: string, locale: string | undefined) {
    this.today = today;
    this.zone = knownZone(zone);
    this.#locale = englishIn(locale ?? navigator.language);
    this.key = `${today} ${this.zone} ${this.#locale}`;
    this.#parts = new Intl.DateTimeFormat("en", {
      timeZone: this.zone,
      hourCycle: "h23",
      ...{ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" },
    });
  }

  /** Date (YYYY-MM-DD) and time (HH:MM) of an instant in the user's zone. */
  wall(instant: number | string): Wall {
    const part = this.#read(instant);
    return { date: `${part.year}-${part.month}-${part.day}`, time: `${part.hour}:${part.minute}` };
  }

  /** The instant of a wall-clock time in the user's zone, with the zone's offset: 2026-12-24T17:00:00+01:00. */
  instant(date: string, time: string): string {
    const wall = Date.parse(`${date}T${time}:00Z`);
    // The offset of the first guess may be that of the other side of a clock change.
    const guess = wall - this.#offset(wall);
    const minutes = this.#offset(guess) / 60_000;
    const size = Math.abs(minutes);
    const two = (number: number) => String(Math.floor(number)).padStart(2, "0");
    return `${date}T${time}:00${minutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
  }

  /** The day on which a task is due, and the time where it has one. */
  due(task: Task): { date: string; time?: string } | undefined {
    if (task.due) return { date: task.due };
    return task.due_at ? this.wall(task.due_at) : undefined;
  }

  /** "Tomorrow, 17:00", "24 Dec", "3 Jan 2028". */
  label({ date, time }: { date: string; time?: string }): string {
    const days = (Date.parse(date) - Date.parse(this.today)) / DAY_MS;
    const near = Math.abs(days) <= 1 ? new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(days, "day") : "";
    const day = near ? near[0]!.toUpperCase() + near.slice(1) : this.#day(date);
    return time ? `${day}, ${this.#time(date, time)}` : day;
  }

  /** Whether clocks in another zone show the same time now, and half a year from now. */
  agreesWith(zone: string): boolean {
    const other = new Calendar(this.today, zone, this.#locale);
    return [0, HALF_YEAR_MS].every((ahead) => {
      const instant = Date.now() + ahead;
      const [here, there] = [this.wall(instant), other.wall(instant)];
      return here.date === there.date && here.time === there.time;
    });
  }

  /** Today in full: "Monday 23 November". */
  heading(): string {
    return this.#format(this.today, { weekday: "long", day: "numeric", month: "long" });
  }

  #day(date: string): string {
    const year = date.slice(0, 4) === this.today.slice(0, 4) ? {} : { year: "numeric" as const };
    return this.#format(date, { day: "numeric", month: "short", weekday: "short", ...year });
  }

  #time(date: string, time: string): string {
    const format = new Intl.DateTimeFormat(this.#locale, { timeZone: "UTC", hour: "numeric", minute: "2-digit" });
    return format.format(Date.parse(`${date}T${time}Z`));
  }

  #format(date: string, options: Intl.DateTimeFormatOptions): string {
    return new Intl.DateTimeFormat(this.#locale, { timeZone: "UTC", ...options }).format(Date.parse(date));
  }

  #offset(instant: number): number {
    const part = this.#read(instant);
    const wall = Date.parse(`${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}Z`);
    return wall - Math.floor(instant / 1000) * 1000;
  }

  #read(instant: number | string): Record<string, string> {
    const parts = this.#parts.formatToParts(typeof instant === "string" ? Date.parse(instant) : instant);
    return Object.fromEntries(parts.map(({ type, value }) => [type, value]));
  }
}

/** Why what stands in a field for a date or a time is none; its value would be empty, as if nothing stood there. */
export function mistakeIn(input: HTMLInputElement): string | undefined {
  const { badInput, rangeUnderflow, rangeOverflow } = input.validity;
  if (badInput) return `This ${input.type} is not complete or does not exist.`;
  return rangeUnderflow || rangeOverflow ? "The year has to be from 1900 to 9998." : undefined;
}

function knownZone(zone: string): string {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone;
  } catch (error) {
    // The browser's list of zones may be older than the server's.
    if (error instanceof RangeError) return "UTC";
    throw error;
  }
}

/** English with the region's order of day and month and its clock, since the words around it are English. */
function englishIn(locale: string): string {
  try {
    const region = new Intl.Locale(locale).maximize().region;
    return region ? `en-${region}` : "en";
  } catch (error) {
    if (error instanceof RangeError) return "en";
    throw error;
  }
}
