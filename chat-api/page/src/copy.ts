// Copying to the clipboard, also where the browser keeps that from the page.

import { announce } from "./announcer";
import { button, icon } from "./dom";

const SHOWN_MS = 2000;

/** A button that copies what `text` returns; `label` is seen, and "" shows nothing but the icon. `name` is heard. */
export function copyButton(label: string, name: string, text: () => string): HTMLButtonElement {
  const made: HTMLButtonElement = button(
    icon("copy"),
    async () => {
      const copied = await copy(text());
      announce(copied ? "Copied" : "The browser does not let this page copy.");
      made.classList.toggle("failed", !copied);
      made.replaceChildren(icon(copied ? "check" : "alert"), ...(label ? [copied ? "Copied" : "Not copied"] : []));
      setTimeout(() => {
        made.classList.remove("failed");
        made.replaceChildren(icon("copy"), label);
      }, SHOWN_MS);
    },
    { class: label ? "quiet copy" : "icon copy", "aria-label": name, title: "Copy" },
  );
  made.append(label);
  return made;
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https, in a frame or against the user's settings there is no clipboard; the old way may be open.
    return copyOfSelection(text);
  }
}

function copyOfSelection(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "heard";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  return copied;
}
