// A text in Markdown that grows while it is read.

import type { Token } from "marked";
import { element } from "./dom";
import { blocksOf, codeBlock, markupOf, sanitized } from "./markdown";

/** Time left to the rest of the page, as a multiple of the time that the last drawing took. */
const REST = 3;

interface Block {
  /** Where it begins in the text. */
  start: number;
  markup: string;
  element: HTMLElement;
  /** The words of a block of code, which may grow without being made anew. */
  words?: Text;
}

export class MarkdownView {
  readonly element = element("div", { class: "markdown" });
  #blocks: Block[] = [];
  #text = "";
  #drawn = "";
  #isWhole = false;
  #restUntil = 0;
  #soon: ReturnType<typeof setTimeout> | undefined;

  /** The text without its marks. */
  get words(): string {
    return this.#blocks.map((block) => block.words?.data ?? block.element.textContent).join("\n");
  }

  /** Show this text; while it grows (`whole` is false) perhaps a moment later, and from its last block on. */
  draw(text: string, whole: boolean): void {
    this.#text = text.replaceAll("\r\n", "\n");
    const wait = this.#restUntil - performance.now();
    if (!whole && wait > 0) {
      this.#soon ??= setTimeout(() => this.#draw(false), wait);
      return;
    }
    this.#draw(whole);
  }

  #draw(whole: boolean): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    const began = performance.now();
    if (this.#text === this.#drawn && (this.#isWhole || !whole)) return;
    const grown = this.#text.startsWith(this.#drawn);
    // Only the last block can still become another one. Definitions of links reach back, so the end looks at all.
    const kept = grown && !whole ? Math.max(this.#blocks.length - 1, 0) : 0;
    const start = this.#blocks[kept]?.start ?? 0;
    try {
      this.#put(kept, start, blocksOf(this.#text.slice(start)));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      // Nested deeper than the parser's stack goes: the words are shown as they came.
      this.#put(0, 0, [{ type: "code", raw: this.#text, text: this.#text }]);
    }
    this.#drawn = this.#text;
    this.#isWhole = whole;
    const took = performance.now() - began;
    this.#restUntil = began + took * (1 + REST);
  }

  /** Put these tokens, of the text from `start` on, in the place of the blocks after the first `kept`. */
  #put(kept: number, start: number, tokens: Token[]): void {
    let count = kept;
    for (const token of tokens) {
      if (token.type !== "space" && token.type !== "def") this.#putBlock(count++, start, token);
      start += token.raw.length;
    }
    for (const gone of this.#blocks.splice(count)) gone.element.remove();
  }

  #putBlock(index: number, start: number, token: Token): void {
    const known = this.#blocks[index];
    const isCode = token.type === "code";
    const markup = isCode ? `code ${token["text"]}` : markupOf(token);
    if (known?.markup === markup) {
      known.start = start;
    } else if (known?.words && isCode) {
      known.words.data = token["text"];
      Object.assign(known, { start, markup });
    } else {
      const block = { start, markup, ...made(token, markup) };
      if (known) known.element.replaceWith(block.element);
      else this.element.append(block.element);
      this.#blocks[index] = block;
    }
  }
}

function made(token: Token, markup: string): Pick<Block, "element" | "words"> {
  if (token.type === "code") return codeBlock(token["text"] as string);
  const block = element("div", { class: "block" });
  block.append(sanitized(markup));
  return { element: block };
}
