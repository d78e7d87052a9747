// A menu at a button. The browser closes it on Escape or a click elsewhere.

import { button, element, icon, type Icon } from "./dom";

export interface MenuItem {
  icon: Icon;
  label: string;
  act: () => void;
}

const GAP = 4;

export function openMenu(opener: HTMLElement, label: string, items: MenuItem[]): void {
  const menu = element("div", { class: "menu", role: "menu", "aria-label": label, popover: "auto" });
  const entries = items.map(({ icon: name, label: text, act }) => {
    const choose = () => {
      menu.hidePopover();
      act();
    };
    const entry = button(icon(name), choose, { class: "quiet", role: "menuitem", tabindex: -1 });
    entry.append(text);
    return entry;
  });
  menu.append(...entries);
  menu.addEventListener("keydown", (event) => {
    const at = entries.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + entries.length, Home: 0, End: entries.length - 1 }[event.key];
    if (event.key === "Tab") menu.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    entries[to % entries.length]?.focus();
  });
  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    opener.setAttribute("aria-expanded", "false");
    menu.remove();
  });
  // Next to its button, so that the focus comes from there and goes back there.
  opener.after(menu);
  menu.showPopover();
  opener.setAttribute("aria-expanded", "true");
  place(menu, opener.getBoundingClientRect());
  entries[0]?.focus();
}

/** Below the button where there is room, else above it; within the window. */
function place(menu: HTMLElement, { bottom, top, right }: DOMRect): void {
  const { offsetWidth, offsetHeight } = menu;
  const below = bottom + GAP;
  menu.style.left = `${Math.max(GAP, Math.min(right - offsetWidth, innerWidth - offsetWidth - GAP))}px`;
  menu.style.top = `${below + offsetHeight <= innerHeight ? below : Math.max(GAP, top - GAP - offsetHeight)}px`;
}
