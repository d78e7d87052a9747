// What is said to those who hear the page. Everything else on it is seen.

import { part } from "./dom";

/** Time after which words are taken away again, so that nobody comes upon old ones while reading the page. */
const KEPT_MS = 5000;

/** Said when there is a pause; `urgent` words interrupt. */
export function announce(text: string, urgent = false): void {
  const region = part(urgent ? "assertive" : "polite");
  const line = document.createElement("p");
  line.textContent = text;
  // Added, not replaced: what was said a moment ago is still to be read out, and the same words are new words.
  region.append(line);
  setTimeout(() => line.remove(), KEPT_MS);
}
