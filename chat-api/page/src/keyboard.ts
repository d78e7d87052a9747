// The page's keys, and the dialog that names them.

import { openDialog } from "./dialogs";
import { element, isTyping } from "./dom";

export interface Commands {
  search(): void;
  begin(): void;
  /** Close what is open, else stop the answer. Returns false where there is neither. */
  dismiss(): boolean;
  /** Returns false where there is nothing to take back. */
  undo(): boolean;
}

const isMac = /Mac|iP(hone|ad|od)/.test(navigator.platform);
const MOD = isMac ? "⌘" : "Ctrl";

const GROUPS: [string, [string[], string][]][] = [
  [
    "Anywhere",
    [
      [[MOD, "K"], "Search the conversations"],
      [["/"], "The same, when not writing"],
      [[MOD, "Shift", "O"], "New conversation"],
      [[MOD, "Z"], "Take the last deletion back, when not writing"],
      [["Esc"], "Close what is open; else stop the answer"],
      [["Tab"], "From the top of the page: links to its parts"],
      [["?"], "This list"],
    ],
  ],
  [
    "Message",
    [
      [["Enter"], "Send"],
      [["Shift", "Enter"], "New line"],
      [["Esc"], "Stop the answer"],
      [["↑"], "Edit the last message, when this one is empty"],
    ],
  ],
  [
    "Conversations",
    [
      [["↑", "↓"], "Move in the list; Home and End go to its ends"],
      [["Enter"], "Open"],
      [["F2"], "Rename"],
      [["Delete"], "Delete"],
    ],
  ],
];

export function showKeyboard(): void {
  const groups = GROUPS.map(([title, keys]) =>
    element(
      "section",
      {},
      element("h3", {}, title),
      element(
        "dl",
        { class: "keys" },
        ...keys.map(([names, does]) => {
          const pressed = names.map((name) => element("kbd", {}, name));
          return element("div", {}, element("dt", {}, ...pressed), element("dd", {}, does));
        }),
      ),
    ),
  );
  const list = element("div", { class: "body", tabindex: 0, role: "group", "aria-label": "Keys" }, ...groups);
  openDialog("Keyboard", list);
}

export function listenForKeys(commands: Commands): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    // What lies over the page has its own keys.
    if (document.querySelector("dialog[open], :popover-open")) return;
    const done = (isMac ? event.metaKey : event.ctrlKey) ? withModifier(event, commands) : plain(event, commands);
    if (done) event.preventDefault();
  });
}

function withModifier(event: KeyboardEvent, commands: Commands): boolean {
  const key = event.key.toLowerCase();
  if (key === "k" && !event.shiftKey) commands.search();
  else if (key === "o" && event.shiftKey) commands.begin();
  else if (key === "z" && !event.shiftKey && !isTyping()) return commands.undo();
  else return false;
  return true;
}

function plain(event: KeyboardEvent, commands: Commands): boolean {
  if (event.ctrlKey || event.metaKey) return false;
  if (event.key === "Escape") return commands.dismiss();
  if (isTyping()) return false;
  if (event.key === "/") commands.search();
  else if (event.key === "?") showKeyboard();
  else return false;
  return true;
}
