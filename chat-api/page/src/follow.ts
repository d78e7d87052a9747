// One message on its way to the service, and one run from where the page has it to its end, whatever the connection
// does meanwhile. Nothing here is done twice: messages go under their key, events come behind the last that was seen.

import type { Api, RunStream } from "./api";
import type { Backoff } from "./presence";
import { pause, visible, whenAway } from "./presence";
import { NoAnswer, Overdue, passes, Problem, troubleOf } from "./problem";
import type { Session } from "./session";
import { goesByItself } from "./storage";
import type { LiveTurn, StoredRun } from "./turn";
import type { RunStatus } from "./wire";

/** How often a run that waits for a decision is looked at: another device may decide, and time may run out. */
const DECISION_MS = 5_000;

export interface Way {
  api: Api;
  session: Session;
  backoff: Backoff;
  /** Ends the following; the run goes on. */
  signal: AbortSignal;
}

/**
 * Send a turn's message, as often as it takes. Returns the stream of its run, which the service has from then on.
 * Throws `Problem` where it was refused, `Overdue` where it took too long, and the signal's reason.
 */
export async function deliver(turn: LiveTurn, way: Way): Promise<RunStream> {
  const stream = await persist(turn, way, () => {
    // By now it may be a draft in another tab, and have been sent as that, which is another message.
    if (!goesByItself(turn.sentAt)) throw new Overdue();
    return way.api.send(turn.request!, turn.key, way.signal);
  });
  way.backoff.reset();
  return stream;
}

/**
 * Follow a turn's run until it has ended. `opened` is a stream of it that is open already, `retry` goes on with it
 * first, `recall` reads what is on record of it. Throws the signal's reason, and `Problem` where the run is gone.
 */
export async function follow(
  turn: LiveTurn,
  way: Way,
  { opened, retry, recall }: { opened?: RunStream | undefined; retry: boolean; recall: () => Promise<StoredRun> },
): Promise<void> {
  const { api, backoff, signal } = way;
  const runId = turn.runId!;
  if (retry) {
    if (!(await begun(turn, way, (stream) => (opened = stream)))) return;
    // A stop that overtook the retry found nothing to stop.
    if (turn.stopping) await persist(turn, way, () => api.cancel(runId, signal));
  }
  if (turn.atRest) turn.become("running");
  for (;;) {
    if (turn.state === "requires_action" && !(await decided(turn, way))) continue;
    try {
      if (!opened) await visible(signal);
      const stream: RunStream = opened ?? (await persist(turn, way, () => api.events(runId, turn.last, signal)));
      opened = undefined;
      const isWhole = await read(stream, turn, way);
      if (turn.atRest) return;
      if (turn.state === "requires_action") continue;
      if (isWhole) {
        // It ended without saying how: what was to be read had been read, or the service is about to restart.
        const run = await persist(turn, way, () => api.run(runId, signal));
        if (hasEnded(run.status)) return turn.restore(await persist(turn, way, recall));
        turn.become(run.status, undefined, run.pending_approvals);
        if (run.status === "requires_action") continue;
      } else if (document.visibilityState === "visible") turn.reconnecting = true;
      await backoff.pause(signal);
    } catch (error) {
      if (!(error instanceof Problem && error.type === "events-gone")) throw error;
      return turn.restore(await persist(turn, way, recall));
    }
  }
}

/** Go on with a run that has ended. False where that was refused, and the turn says why. */
async function begun(turn: LiveTurn, way: Way, open: (stream: RunStream) => void): Promise<boolean> {
  const runId = turn.runId!;
  turn.become("running");
  try {
    open(await persist(turn, way, () => way.api.retry(runId, way.signal)));
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // Sent again after its answer was lost, it is refused since it was done: the run is at work.
    const run = await persist(turn, way, () => way.api.run(runId, way.signal));
    if (!hasEnded(run.status)) return true;
    turn.become(run.status, troubleOf(error));
    return false;
  }
}

/** Wait until a run's calls were decided on, here or elsewhere. False where it is to be looked at again. */
async function decided(turn: LiveTurn, way: Way): Promise<boolean> {
  await visible(way.signal);
  const run = await persist(turn, way, () => way.api.run(turn.runId!, way.signal));
  if (run.status !== "requires_action") {
    turn.become("running");
    return true;
  }
  const known = new Set(turn.approvals.map(({ tool_call_id }) => tool_call_id));
  const isNews = run.pending_approvals.some(({ tool_call_id }) => !known.has(tool_call_id));
  if (isNews || turn.trouble) turn.become("requires_action", undefined, run.pending_approvals);
  await pause(DECISION_MS, way.signal, turn.nudges);
  return false;
}

/** Apply the events of a stream. Returns whether it came to its end; false where it was lost, or left for a while. */
async function read(stream: RunStream, turn: LiveTurn, { backoff, signal }: Way): Promise<boolean> {
  const reading = new AbortController();
  whenAway(() => stream.close(), reading.signal);
  // A network that comes back is another one: what was open on the one before may never say that it is dead.
  window.addEventListener("online", () => stream.close(), { signal: reading.signal });
  signal.addEventListener("abort", () => stream.close(), { signal: reading.signal });
  try {
    for await (const event of stream.events) {
      turn.apply(event);
      backoff.reset();
    }
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof NoAnswer)) throw error;
    return false;
  } finally {
    reading.abort();
    stream.close();
  }
}

/** Ask until there is an answer that counts. Throws `Problem`, and the signal's reason. */
export async function persist<Value>(
  turn: LiveTurn,
  { session, backoff, signal }: Way,
  ask: () => Promise<Value>,
): Promise<Value> {
  for (;;) {
    try {
      const value = await ask();
      turn.reconnecting = false;
      if (turn.trouble?.next === "sign-in") turn.suffer(undefined);
      return value;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Problem && error.status === 401) {
        turn.suffer(troubleOf(error));
        await session.signedIn(signal);
        continue;
      }
      if (!passes(error)) throw error;
    }
    turn.reconnecting = true;
    await backoff.pause(signal);
  }
}

export function hasEnded(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}
