// The zone in which days begin and times are told. The server keeps one for the user, who may be somewhere else now.

import type { Calendar } from "./dates";
import { button, element, setHidden } from "./dom";

export class ZoneNote {
  readonly element = element("p", { class: "zone" });
  readonly #use: (zone: string) => unknown;
  readonly #leave: () => void;
  #drawn = "";

  /** `use` has the server keep another zone; `leave` takes the focus when the offer goes away. */
  constructor(use: (zone: string) => unknown, leave: () => void) {
    this.#use = use;
    this.#leave = leave;
  }

  /** Show the calendar's zone where the reader's own, as far as it is known, has other clocks. */
  draw(calendar: Calendar, reader: string | undefined): void {
    const drawing = `${calendar.zone} ${reader ?? ""}`;
    if (drawing === this.#drawn) return;
    this.#drawn = drawing;
    setHidden(this.element, reader === undefined || calendar.agreesWith(reader), this.#leave);
    if (reader === undefined || this.element.hidden) return;
    this.element.replaceChildren(
      `Days and times are those of ${calendar.zone}.`,
      button(`Use ${reader}`, () => this.#use(reader)),
    );
  }
}
