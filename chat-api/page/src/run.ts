// One run's page: it signs in as the main page does, and reads the run's timeline until the run has ended.

import { addressOf } from "./address";
import { Api } from "./api";
import { part } from "./dom";
import { Backoff, pause, visible } from "./presence";
import { passes, Problem, troubleOf } from "./problem";
import { RunView } from "./run-view";
import { Session } from "./session";
import { SignInView } from "./sign-in";
import type { Timeline } from "./wire";

const POLL_MS = 1000;

const main = part("run");
const back = part<HTMLAnchorElement>("back");
const session = new Session();
const signIn = new SignInView({
  source: session.source,
  use: (token) => session.use(token),
  again: () => void session.start(),
});
main.append(signIn.element);

let reading: { userId: string; end: AbortController } | undefined;

function draw(): void {
  if (session.state === "signed-out") {
    main.removeAttribute("aria-busy");
    signIn.show(session.reason);
  }
  if (session.state !== "signed-in" || session.userId === undefined) return;
  signIn.hide();
  if (reading?.userId === session.userId) return;
  // What another user was shown is not theirs.
  reading?.end.abort();
  reading = { userId: session.userId, end: new AbortController() };
  const { signal } = reading.end;
  void read(new Api(session, signal), signal).catch((error) => {
    if (!signal.aborted) throw error;
  });
}

async function read(api: Api, signal: AbortSignal): Promise<void> {
  const view = new RunView();
  main.replaceChildren(signIn.element, view.element);
  back.hidden = true;
  const backoff = new Backoff();
  for (;;) {
    try {
      const timeline = await api.timeline(runId(), signal);
      backoff.reset();
      show(view, timeline);
      if (timeline.run.ended_at !== null) return;
      await pause(POLL_MS, signal);
    } catch (error) {
      signal.throwIfAborted();
      main.removeAttribute("aria-busy");
      if (error instanceof Problem && error.status === 401) await session.signedIn(signal);
      else if (error instanceof Error && passes(error)) {
        view.fault(`${error.message} Trying again.`);
        await backoff.pause(signal);
      } else {
        // Somebody else's run and one that was never there are the same to the service, and what is no run's name too.
        const unknown = error instanceof Problem && (error.status === 404 || error.status === 422);
        view.fault(unknown ? "There is no such run, or it is not yours." : troubleOf(error).text);
        return;
      }
    }
    await visible(signal);
  }
}

function show(view: RunView, timeline: Timeline): void {
  view.show(timeline);
  main.removeAttribute("aria-busy");
  back.href = addressOf(timeline.run.conversation_id);
  back.hidden = false;
  document.title = `${timeline.run.input.trim().replace(/\s+/g, " ").slice(0, 60)} – Todo Chat`;
}

/** As it stands in the page's address; the service says whether there is such a run. */
function runId(): string {
  const written = location.pathname.split("/").filter(Boolean).at(-1) ?? "";
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
}

session.observe(draw);
void session.start();
