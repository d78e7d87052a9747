// The turns of a conversation in the order of their runs, and which of them stand in the transcript.

import { hasEnded } from "./follow";
import type { TurnState } from "./model";
import { LiveTurn, type StoredRun } from "./turn";

/** States in which a turn has left the one that it was to replace where it was. */
const CAME_TO_NOTHING: ReadonlySet<TurnState> = new Set(["refused", "failed"]);

export class TurnList {
  #turns: LiveTurn[] = [];
  /** Of those that the record has brought, the ones that turned out to be messages of this tab's. */
  readonly #claimed = new Set<LiveTurn>();
  readonly #moved: () => void;

  /** `moved` is called whenever a turn's state has changed. */
  constructor(moved: () => void) {
    this.#moved = moved;
  }

  get all(): readonly LiveTurn[] {
    return this.#turns;
  }

  /** The turns that are shown. */
  get standing(): readonly LiveTurn[] {
    const arrived = this.#arrived();
    const replaced = new Set<string>();
    const stands = (turn: LiveTurn): boolean => {
      if (turn.runId !== undefined && replaced.has(turn.runId)) return false;
      // Of several that were to take one place, the newest is shown.
      if (turn.replaces !== undefined && replaced.has(`again ${turn.replaces}`)) return false;
      return !turn.replaced;
    };
    const shown: LiveTurn[] = [];
    for (const turn of this.#turns.toReversed()) {
      if (arrived.has(turn)) continue;
      if (stands(turn)) shown.push(turn);
      if (turn.replaces === undefined) continue;
      if (takesPlace(turn)) replaced.add(turn.replaces);
      if (turn.state !== "refused") replaced.add(`again ${turn.replaces}`);
    }
    return shown.reverse();
  }

  /** The newest run; empty where there is none. */
  get newest(): string {
    return this.#turns.reduce((newest, { runId = "" }) => (runId > newest ? runId : newest), "");
  }

  /** The turn that the others wait for. */
  get head(): LiveTurn | undefined {
    return this.#turns.find(({ runId, atRest }) => runId !== undefined && !atRest);
  }

  add(turn: LiveTurn): void {
    this.#turns.push(turn);
  }

  remove(turn: LiveTurn): void {
    this.#turns = this.#turns.filter((one) => one !== turn);
  }

  find(runId: string): LiveTurn | undefined {
    return this.#turns.find((turn) => turn.runId === runId);
  }

  /** Note a message's run. Returns the turn that stands for it: the record may have brought one meanwhile. */
  identify(turn: LiveTurn, runId: string): LiveTurn {
    const known = this.find(runId);
    if (!known) {
      turn.runId = runId;
      return turn;
    }
    this.#claimed.add(known);
    // What has ended meanwhile cannot be stopped; but the same key goes on with a run that failed.
    if (turn.stopping && (!known.atRest || known.state === "failed")) known.stopping = true;
    this.remove(turn);
    this.#moved();
    return known;
  }

  /** Begin with what is on record, as it was at `asked`; what has come from here meanwhile stays at the end. */
  begin(stored: readonly StoredRun[], asked: number): void {
    const recorded = stored.map((one) => {
      const turn = this.find(one.run.run_id);
      if (turn) update(turn, one, asked);
      return turn ?? this.#made(one);
    });
    const newest = stored.at(-1)?.run.run_id ?? "";
    const here = this.#turns.filter(({ runId }) => runId === undefined || runId > newest);
    this.#turns = [...recorded, ...here];
  }

  prepend(stored: readonly StoredRun[]): void {
    const news = stored.filter(({ run }) => !this.find(run.run_id));
    this.#turns = [...news.map((one) => this.#made(one)), ...this.#turns];
  }

  /**
   * Take in what is on record of the newest runs, as it was at `asked` by `performance.now()`. Returns false where
   * so much has come that there is a gap.
   */
  merge(stored: readonly StoredRun[], asked: number, isAll: boolean): boolean {
    const known = this.#turns.filter(({ runId }) => runId !== undefined);
    const oldest = known[0]?.runId ?? "";
    if (known.length > 0 && !isAll && !stored.some(({ run }) => this.find(run.run_id))) return false;
    for (const one of stored) {
      const turn = this.find(one.run.run_id);
      if (turn) update(turn, one, asked);
      // Run ids grow with time (UUIDv7), so their order is the order of the runs; what is older is read in pages.
      else if (one.run.run_id > oldest && !one.run.replaced) this.#insert(this.#made(one));
    }
    return true;
  }

  /** Return the messages whose runs the record seems to have brought before anybody has answered them. */
  #arrived(): Set<LiveTurn> {
    const messages = this.#turns.filter(({ runId, after }) => runId === undefined && after !== undefined);
    if (messages.length === 0) return new Set();
    const runs = this.#turns.filter((turn) => turn.runId !== undefined && !turn.request && !this.#claimed.has(turn));
    return new Set(
      messages.filter(({ input, replaces, after }) => {
        const isItsRun = (run: LiveTurn) => run.runId! > after! && run.input === input && run.replaces === replaces;
        const at = runs.findIndex(isItsRun);
        if (at >= 0) runs.splice(at, 1);
        return at >= 0;
      }),
    );
  }

  #made(stored: StoredRun): LiveTurn {
    return LiveTurn.stored(stored, this.#moved);
  }

  #insert(turn: LiveTurn): void {
    const before = this.#turns.findLastIndex(({ runId }) => runId !== undefined && runId < turn.runId!);
    this.#turns = this.#turns.toSpliced(before + 1, 0, turn);
  }
}

/** Tell whether a turn stands, or is about to stand, where the one stood that it replaces. */
function takesPlace({ state, parts }: LiveTurn): boolean {
  if (state === "cancelled") return parts.some((part) => part.kind === "text" && part.text !== "");
  return !CAME_TO_NOTHING.has(state);
}

function update(turn: LiveTurn, stored: StoredRun, asked: number): void {
  const { status, replaced, pending_approvals } = stored.run;
  turn.replaced = replaced;
  // What the turn has seen since then is newer than this.
  if (turn.knownAt > asked || status === turn.state) return;
  if (!hasEnded(status)) turn.become(status, undefined, pending_approvals);
  else if (turn.state === "queued") turn.restore(stored);
  // It went on elsewhere and has ended again: its events tell how.
  else if (turn.atRest) turn.become("running");
}
