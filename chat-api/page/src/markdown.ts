// Markdown of models to elements. Nobody vouches for these words: what is not plainly meant for reading is left out.

import DOMPurify, { type Config } from "dompurify";
import { Marked, type Token } from "marked";
import { copyButton } from "./copy";
import { element } from "./dom";

const SAFE_ADDRESS = /^(?:https?:\/\/|mailto:)/i;
const LINE_BREAK = /^<br\s*\/?>$/i;

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    // Markup is shown as it was written: a title such as "<b>" is a title.
    html: ({ text }) => (LINE_BREAK.test(text.trim()) ? "<br>" : escapeMarkup(text)),
    text: (token) => ("escaped" in token && token.escaped ? escapeMarkup(token.text) : false),
    // Showing an image would tell its server who reads this, and when.
    image({ href, text }) {
      return `<a href="${escapeMarkup(href)}">${escapeMarkup(text || href)}</a>`;
    },
    // The message's own heading is of level 2.
    heading({ tokens }) {
      return `<h3>${this.parser.parseInline(tokens)}</h3>\n`;
    },
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

const ALLOWED: Config & { RETURN_DOM_FRAGMENT: true } = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "h3", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "a"],
    ...["table", "thead", "tbody", "tr", "th", "td"],
  ],
  ALLOWED_ATTR: ["href", "title", "start", "align"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: SAFE_ADDRESS,
  RETURN_DOM_FRAGMENT: true,
};

/** The blocks of a text, in their order: together their `raw` is the text, where its lines end in "\n" alone. */
export function blocksOf(text: string): Token[] {
  return marked.lexer(text);
}

/** Returns the same text for blocks that look the same. */
export function markupOf(block: Token): string {
  return marked.parser([block]);
}

/** Make a block's elements from its markup, which is taken for hostile. */
export function sanitized(markup: string): DocumentFragment {
  const made = DOMPurify.sanitize(markup, ALLOWED);
  for (const link of made.querySelectorAll("a")) {
    link.setAttribute("rel", "noopener noreferrer nofollow");
    link.setAttribute("target", "_blank");
    // Its address was not of a kind that is opened from here.
    if (!link.hasAttribute("href")) link.replaceWith(...link.childNodes);
  }
  for (const code of made.querySelectorAll("pre")) code.replaceWith(codeBlock(code.textContent).element);
  for (const table of made.querySelectorAll("table")) {
    // What scrolls has to be reached by keys as well.
    const frame = element("div", { class: "table", tabindex: 0, role: "group", "aria-label": "Table" });
    table.replaceWith(frame);
    frame.append(table);
  }
  // A block's direction is that of its words; what is inside of it lines up with it.
  for (const block of made.children) if (!block.hasAttribute("dir")) block.setAttribute("dir", "auto");
  return made;
}

/** A block of code, and the node that holds its words. */
export function codeBlock(code: string): { element: HTMLElement; words: Text } {
  const words = document.createTextNode(code.replace(/\n$/, ""));
  const box = element(
    "div",
    { class: "code", dir: "ltr" },
    element("pre", { tabindex: 0, role: "group", "aria-label": "Code" }, element("code", {}, words)),
    copyButton("Copy", "Copy the code", () => words.data),
  );
  return { element: box, words };
}

function escapeMarkup(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}
