// Puts the page together: what is there before anybody has signed in, and a user's page once somebody has.

import { createApp } from "./app";
import { icon, type Icon, part } from "./dom";
import { listenForKeys, showKeyboard } from "./keyboard";
import { Layout, type Region } from "./layout";
import { Page } from "./page";
import { Session } from "./session";
import { SignInView } from "./sign-in";
import { undoLast } from "./toasts";

for (const place of document.querySelectorAll<HTMLElement>("[data-icon]")) {
  place.prepend(icon(place.dataset["icon"] as Icon));
}

const session = new Session();
const layout = new Layout();
const signIn = new SignInView({
  source: session.source,
  use: (token) => session.use(token),
  again: () => void session.start(),
});
part("conversation").before(signIn.element);

let page: Page | undefined;
let userId: string | undefined;

function draw(): void {
  if (session.state === "signed-out") {
    signIn.show(session.reason);
    if (!page) showNothing(true);
  }
  if (session.state !== "signed-in") return;
  showNothing(false);
  signIn.hide();
  if (session.userId !== userId) {
    // What another user said and was answered is neither shown nor sent on.
    page?.close();
    userId = session.userId;
    page = new Page({ app: createApp(session), layout, signIn: askForToken });
  }
  page?.focus();
}

/** Before anybody has signed in there is nothing to open. */
function showNothing(isNothing: boolean): void {
  part("app").dataset["session"] = isNothing ? "none" : "";
  if (isNothing) part("title").textContent = document.title;
}

function askForToken(): void {
  signIn.show(session.reason);
  signIn.element.focus();
}

part("new").addEventListener("click", () => page?.open(undefined));
part("keyboard").addEventListener("click", () => showKeyboard());
part("sidebar").querySelector(".brand")?.addEventListener("click", (event) => {
  if (!page || !(event instanceof MouseEvent) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  page.open(undefined);
});
for (const link of document.querySelectorAll<HTMLAnchorElement>(".skips a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    page?.go(link.dataset["region"] as Region);
  });
}
listenForKeys({
  search: () => page?.search(),
  begin: () => page?.open(undefined),
  dismiss: () => layout.closeDrawer() || (page?.stop() ?? false),
  undo: undoLast,
});

session.observe(draw);
void session.start();
