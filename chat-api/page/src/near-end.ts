// Keeps a reader at the end of what grows, or at the place to which they have scrolled.

/** How near to the end, in pixels, counts as there. */
const NEAR_PX = 48;

export class NearEnd {
  readonly #scroller: HTMLElement;
  readonly #tell: (near: boolean) => void;
  #following = true;
  #top = 0;

  /** `tell` hears whether the end of `scroller` is followed, at once and whenever that changes. */
  constructor(scroller: HTMLElement, contents: HTMLElement[], tell: (near: boolean) => void) {
    this.#scroller = scroller;
    this.#tell = tell;
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    const sizes = new ResizeObserver(() => this.settle());
    for (const observed of [scroller, ...contents]) sizes.observe(observed);
    tell(true);
  }

  /** Go to the end, and stay there. */
  follow(): void {
    this.#set(true);
    this.settle();
  }

  /** After a change of the contents: stay at the end where it is followed. */
  settle(): void {
    if (this.#following && this.#distance > 0) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
  }

  /** Change something above `anchor` without moving it on the screen. */
  keepPlace(anchor: Element | undefined, change: () => void): void {
    // The browser's own anchoring does nothing at the very top, and must not do it twice elsewhere. It is needed again
    // at once: what comes into reach above gets its real height only with the next frame.
    this.#scroller.style.overflowAnchor = "none";
    const before = anchor?.getBoundingClientRect().top ?? 0;
    change();
    if (anchor?.isConnected) this.#scroller.scrollTop += anchor.getBoundingClientRect().top - before;
    this.#scroller.style.overflowAnchor = "";
    this.#top = this.#scroller.scrollTop;
  }

  get #distance(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return Math.max(scrollHeight - scrollTop - clientHeight, 0);
  }

  #onScroll(): void {
    const top = this.#scroller.scrollTop;
    // Growth alone moves the end away from the reader; only scrolling up moves the reader away from the end.
    if (this.#distance <= NEAR_PX) this.#set(true);
    else if (top < this.#top - 1) this.#set(false);
    this.#top = top;
  }

  #set(following: boolean): void {
    if (following === this.#following) return;
    this.#following = following;
    this.#tell(following);
  }
}
