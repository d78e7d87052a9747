// Elements. Text is only ever set as text, and nothing here takes markup: tasks may hold anything.

type Attributes = Record<string, string | number | boolean | undefined>;

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

export function hasFocus(target: Element): boolean {
  return target.contains(document.activeElement);
}

/** Hide or show; what is hidden under the focus passes it on first, for it would be lost. */
export function setHidden(target: HTMLElement, hidden: boolean, passOn: () => void): void {
  if (hidden && hasFocus(target)) passOn();
  target.hidden = hidden;
}

export function button(label: Node | string, act: () => unknown, attributes: Attributes = {}): HTMLButtonElement {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", () => void act());
  return made;
}

const ICONS = {
  edit: "M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4",
  delete: "M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  refresh: "M19 6v5h-5M19 11a7.5 7.5 0 1 0 .3 4",
  repeat: "M7 4 4 7l3 3M4 7h13a3 3 0 0 1 3 3v1M17 20l3-3-3-3M20 17H7a3 3 0 0 1-3-3v-1",
  restore: "M12 20V8M7 12l5-5 5 5M5 4h14",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
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
export function iconButton(name: Icon, label: string, act: () => unknown): HTMLButtonElement {
  const made = button("", act, { class: "icon", "aria-label": label, title: label });
  made.append(icon(name));
  return made;
}

export function options<Value extends string>(choices: Record<Value, string>): HTMLOptionElement[] {
  return Object.entries<string>(choices).map(([value, label]) => element("option", { value }, label));
}
