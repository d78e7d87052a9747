// What goes wrong between the page and the service, and what a person is told of it.

import type { Trouble } from "./model";
import type { Run } from "./wire";

/** The service's refusal or failure: `application/problem+json` (docs/api.md, "Problems"). */
export class Problem extends Error {
  readonly status: number;
  readonly type: string;
  readonly requestId: string | undefined;
  readonly runId: string | undefined;
  /** Seconds after which to try again. */
  readonly retryAfter: number | undefined;

  constructor(status: number, body: Record<string, unknown>, headers: Headers) {
    super(text(body.detail) ?? text(body.title) ?? `The server answered ${status}.`);
    this.status = status;
    this.type = text(body.type) ?? "about:blank";
    this.requestId = text(body.request_id) ?? headers.get("X-Request-Id") ?? undefined;
    this.runId = text(body.run_id);
    const seconds = Number(headers.get("Retry-After") ?? NaN);
    this.retryAfter = Number.isFinite(seconds) ? seconds : undefined;
  }
}

/** No answer came, so it is not known whether the request did. */
export class NoAnswer extends Error {
  constructor(options?: ErrorOptions) {
    super("The connection was lost, or the server is not running.", options);
  }
}

/** A message was not taken for so long that it is not sent by itself any more. */
export class Overdue extends Error {
  constructor() {
    super("There was no answer for half an hour. You may have said it in another way since: it waits for you.");
  }
}

/** Tell whether no answer came, or something is down or in between: the same request is right, in a while. */
export function passes(error: unknown): boolean {
  if (!(error instanceof Problem)) return error instanceof NoAnswer;
  return error.status >= 502 && error.status <= 504 && error.runId === undefined;
}

export async function readProblem(response: Response): Promise<Problem> {
  const kind = response.headers.get("Content-Type") ?? "";
  let body: unknown;
  try {
    body = kind.includes("json") ? await response.json() : {};
  } catch {
    body = {}; // cut off in the middle: the status is what is known
  }
  const members = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  return new Problem(response.status, members, response.headers);
}

/** Say what happened and what can be done, in plain words. Other errors than those above are defects. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof NoAnswer) {
    return { text: `${error.message} Sent again, nothing is done twice.`, next: "retry" };
  }
  if (error instanceof Overdue) return { text: error.message, next: "retry" };
  if (!(error instanceof Problem)) {
    reportError(error);
    return { text: "The page made a mistake. Reload it to go on.", next: "none" };
  }
  const trouble: Trouble = { text: words(error), next: nextStep(error) };
  // A reason that the reader can do something about needs no number to look for in a log.
  if (error.status >= 500 && error.requestId !== undefined) trouble.requestId = error.requestId;
  return trouble;
}

/** Say why a run failed; undefined where it did not. */
export function troubleOfRun({ error }: Pick<Run, "error">): Trouble | undefined {
  return error ? { text: error.detail, next: "retry" } : undefined;
}

function words(problem: Problem): string {
  switch (problem.type) {
    case "conversation-not-found":
      return "This conversation does not exist, or it was deleted.";
    case "run-deleted":
    case "run-lost":
      return "The message was deleted with its conversation.";
    case "forbidden":
      return "You are signed in as somebody else by now.";
    case "unauthenticated":
      return "You have been signed out. Sign in again to go on.";
    case "rate-limited":
    case "quota-exceeded":
      return problem.retryAfter ? `${problem.message} Try again in ${duration(problem.retryAfter)}.` : problem.message;
    default:
      return problem.message;
  }
}

function nextStep({ status, type }: Problem): Trouble["next"] {
  if (status === 401 || status === 403) return "sign-in";
  if (status === 429 || status >= 500 || type === "queue-full" || type === "run-active") return "retry";
  return "none";
}

function duration(seconds: number): string {
  const [count, unit] =
    seconds < 100 ? [seconds, "second"] : seconds < 6000 ? [seconds / 60, "minute"] : [seconds / 3600, "hour"];
  return new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "long" }).format(Math.ceil(count));
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
