// Elements. Text is only ever set as text, and nothing here takes markup: messages and tasks may hold anything.

export type Attributes = Record<string, string | number | boolean | undefined>;

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(made, name, value);
  made.append(...children);
  return made;
}

export function setAttribute(target: Element, name: string, value: string | number | boolean | undefined): void {
  if (value === false || value === undefined) target.removeAttribute(name);
  else target.setAttribute(name, value === true ? "" : String(value));
}

export function button(label: Node | string, act: () => unknown, attributes: Attributes = {}): HTMLButtonElement {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", () => void act());
  return made;
}

// Strokes on a grid of 24 by 24, with round ends.
const ICONS = {
  add: "M12 5v14M5 12h14",
  alert: "M12 4 2.5 20h19zM12 10v4.5M12 17.3v.01",
  calendar: "M5 6h14v14H5zM5 10.5h14M8.5 4v4M15.5 4v4",
  chat: "M4 5h16v11h-8.5L7 20v-4H4z",
  check: "M5 12.5 10 17.5 19 7",
  clock: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 8v4.5l3 1.5",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h11v11H9zM6 15H4V4h11v2",
  delete: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4",
  info: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 11.5V16M12 8.2v.01",
  keyboard: "M3 6h18v12H3zM7 10h.01M10.5 10h.01M14 10h.01M17 10h.01M8 14h8",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M5 12a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0M11.5 12a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0M18 12a.5.5 0 1 0 1 0 .5.5 0 1 0-1 0",
  panelEnd: "M4 5h16v14H4zM14.5 5v14",
  panelStart: "M4 5h16v14H4zM9.5 5v14",
  refresh: "M19 6v5h-5M19 11a7.5 7.5 0 1 0 .3 4",
  repeat: "M7 4 4 7l3 3M4 7h13a3 3 0 0 1 3 3v1M17 20l3-3-3-3M20 17H7a3 3 0 0 1-3-3v-1",
  restore: "M12 20V8M7 12l5-5 5 5M5 4h14",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20",
  send: "M12 19V5M6 11l6-6 6 6",
  shield: "M12 3.5 5 6v5.5c0 4.2 2.9 7.4 7 9 4.1-1.6 7-4.8 7-9V6z",
  stop: "M7 7h10v10H7z",
  tasks: "M4 6l1.5 1.5L8 5M4 12l1.5 1.5L8 11M4 18l1.5 1.5L8 17M11.5 6.5H20M11.5 12.5H20M11.5 18.5H20",
  tool: "M14.5 4.5a5 5 0 0 0-5 6.8L4 16.8 7.2 20l5.5-5.5a5 5 0 0 0 6.8-5L16.4 12 12 7.6z",
  undo: "M8 5 4 9l4 4M4 9h10a5.5 5.5 0 0 1 0 11h-3",
} as const;

export type Icon = keyof typeof ICONS;

export function icon(name: Icon): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button that shows an icon; its name is heard, and shown as a tooltip. */
export function iconButton(
  name: Icon,
  label: string,
  act: () => unknown,
  attributes: Attributes = {},
): HTMLButtonElement {
  const made = button(icon(name), act, { class: "icon", ...attributes });
  setLabel(made, label);
  return made;
}

/** Name an icon's button. */
export function setLabel(target: HTMLElement, label: string): void {
  target.setAttribute("aria-label", label);
  target.title = label;
}

/** The element of index.html with this id. */
export function part<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found as Kind;
}

/** Whether a key pressed now would write into something. */
export function isTyping(): boolean {
  const active = document.activeElement;
  return (
    active instanceof HTMLElement &&
    (active.isContentEditable || active.matches("textarea, select, input:not([type=checkbox], [type=radio])"))
  );
}
