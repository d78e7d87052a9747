// Short notes on what was done, with a way to take it back. One stays while somebody is at it.

import { announce } from "./announcer";
import { button, element, iconButton, part } from "./dom";

export interface ToastOptions {
  /** A button's label and what it does; the note goes away with it. */
  action?: { label: string; act: () => unknown };
  /** The action takes back what was done. */
  undoes?: boolean;
  /** Time after which it goes away by itself. */
  seconds?: number;
  /** Something went wrong, and is said at once. */
  urgent?: boolean;
}

const SECONDS = 6;

export interface Toast {
  close(): void;
}

/** What takes back what was done, newest last, for as long as its note is there. */
const undoings: (() => void)[] = [];
/** What takes each note away that is there. */
const closings = new Set<() => void>();

export function toast(text: string, { action, undoes, seconds = SECONDS, urgent }: ToastOptions = {}): Toast {
  const note = element("div", { class: urgent ? "toast urgent" : "toast" }, element("p", { dir: "auto" }, text));
  let pause: ReturnType<typeof setTimeout> | undefined;

  const close = () => {
    clearTimeout(pause);
    closings.delete(close);
    const at = undoings.indexOf(takeUp);
    if (at >= 0) undoings.splice(at, 1);
    const hadFocus = note.contains(document.activeElement);
    note.remove();
    if (hadFocus) part("chat").focus();
  };
  const takeUp = () => {
    close();
    action?.act();
  };
  // Time runs only while nobody points at it or is inside of it.
  const wait = () => {
    clearTimeout(pause);
    if (!note.matches(":hover, :focus-within")) pause = setTimeout(close, seconds * 1000);
  };
  for (const name of ["mouseenter", "mouseleave", "focusin", "focusout"]) {
    // The element that focus goes to is known after the event.
    note.addEventListener(name, () => setTimeout(wait));
  }

  if (action) {
    note.append(button(action.label, takeUp, { class: "quiet offer" }));
    if (undoes) undoings.push(takeUp);
  }
  note.append(iconButton("close", "Close this message", close));
  part("toasts").append(note);
  closings.add(close);
  announce(text, urgent);
  wait();
  return { close };
}

/** Take all notes away. */
export function closeToasts(): void {
  for (const close of closings) close();
}

/** Take back what was done last. Returns false where nothing can be taken back any more. */
export function undoLast(): boolean {
  const last = undoings.at(-1);
  last?.();
  return last !== undefined;
}
