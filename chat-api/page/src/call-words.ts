// What a call of a tool does, in words. Parameters come from a model and may be anything.

import { dayWords, instantWords, repeatWords } from "./date-words";
import { element } from "./dom";
import type { Titles } from "./task-titles";
import type { Json } from "./wire";

/** How the deed stands: still to be allowed, under way, or done. */
export type Tense = "wanted" | "doing" | "done";
export type Phrase = (Node | string)[];
type Fields = Record<string, Json>;

export interface Call {
  name: string;
  parameters: Fields | undefined;
  /** Undefined while it is not known. */
  result: Json | undefined;
}

export interface BatchLine {
  words: Phrase;
  /** Why it could not be done. */
  error?: string;
}

const VERBS: Record<string, Record<Tense, string>> = {
  add: { wanted: "Add", doing: "Adding", done: "Added" },
  update: { wanted: "Change", doing: "Changing", done: "Changed" },
  complete: { wanted: "Complete", doing: "Completing", done: "Completed" },
  reopen: { wanted: "Reopen", doing: "Reopening", done: "Reopened" },
  delete: { wanted: "Delete", doing: "Deleting", done: "Deleted" },
  restore: { wanted: "Restore", doing: "Restoring", done: "Restored" },
  get: { wanted: "Look at", doing: "Looking at", done: "Looked at" },
  list: { wanted: "List", doing: "Listing", done: "Listed" },
  zone: { wanted: "Set the time zone", doing: "Setting the time zone", done: "Set the time zone" },
  use: { wanted: "Use", doing: "Using", done: "Used" },
};
/** Tools on one task, by what they do. */
const ON_TASK = /^(add|update|complete|reopen|delete|restore|get)_task$/;
/** The parts of a batch, in the order in which they are carried out. */
const BATCH = ["restore", "reopen", "add", "update", "complete", "delete"] as const;

export function callWords(call: Call, tense: Tense, titles: Titles): Phrase {
  const parameters = call.parameters ?? {};
  const onTask = ON_TASK.exec(call.name)?.[1];
  if (onTask) return taskWords(onTask, parameters, fieldsOf(call.result), tense, titles);
  if (call.name === "batch_tasks") return [batchWords(parameters, fieldsOf(call.result), tense)];
  if (call.name === "list_tasks") return listWords(parameters, fieldsOf(call.result), tense);
  if (call.name === "set_timezone") return [`${VERBS["zone"]![tense]} to `, bdi(textOf(parameters["timezone"]) ?? "…")];
  return [`${VERBS["use"]![tense]} `, element("code", {}, call.name)];
}

/** What of a batch was done to which task, or would be, one line for each. */
export function batchLines({ parameters, result }: Call, tense: Tense, titles: Titles): BatchLine[] {
  return BATCH.flatMap((kind) =>
    listOf(parameters?.[kind]).map((item, index) => {
      const given = typeof item === "number" ? { task_id: item } : fieldsOf(item) ?? {};
      const outcome = fieldsOf(listOf(fieldsOf(result)?.[kind])[index]);
      const error = textOf(outcome?.["error"]);
      const words = taskWords(kind, given, outcome, error ? "wanted" : tense, titles);
      return error === undefined ? { words } : { words, error };
    }),
  );
}

/** A phrase without its elements. */
export function heard(words: Phrase): string {
  return words.map((word) => (typeof word === "string" ? word : word.textContent)).join("");
}

/** The numbers of the tasks that a call is about. */
export function tasksOf(parameters: Fields | undefined): number[] {
  const items = BATCH.flatMap((kind) => listOf(parameters?.[kind]));
  const numbers = [parameters?.["task_id"], ...items.map((item) => fieldsOf(item)?.["task_id"] ?? item)];
  return numbers.filter((id) => typeof id === "number");
}

/** Why a tool refused; undefined where it did not. */
export function refusalOf(result: Json | undefined): string | undefined {
  return textOf(fieldsOf(result)?.["error"]);
}

function taskWords(kind: string, given: Fields, result: Fields | undefined, tense: Tense, titles: Titles): Phrase {
  const id = numberOf(given["task_id"]) ?? numberOf(result?.["task_id"]);
  const known = id === undefined ? undefined : titles.get(id);
  const called = textOf(result?.["title"] ?? given["title"]) ?? known;
  // A change of the title stands among what is changed, and afterwards the old one is not known any more.
  const isRenamed = kind === "update" && typeof given["title"] === "string";
  const title = !isRenamed ? called : tense === "done" ? undefined : known;
  const name = title === undefined ? (id === undefined ? "a task" : `task #${id}`) : bdi(`“${title}”`);
  const facts = kind === "add" ? factsOf(result?.["task_id"] ? { ...given, ...result } : given, false) : [];
  if (kind === "update") facts.push(...factsOf(given, true));
  const lead = kind === "update" ? ": " : ", ";
  return [`${VERBS[kind]![tense]} `, name, ...facts.flatMap((fact, index) => [index === 0 ? lead : ", ", fact])];
}

/** What is set of a task; of a change, also what is taken away. */
function factsOf(fields: Fields, isChange: boolean): Phrase {
  const facts: Phrase = [];
  const { title, description, priority, before } = fields;
  if (isChange && typeof title === "string") facts.push(element("span", {}, "title now ", bdi(`“${title}”`)));
  const [due, dueAt] = [textOf(fields["due"]), textOf(fields["due_at"])];
  if (dueAt) facts.push(`due ${instantWords(dueAt)}`);
  else if (due) facts.push(`due ${dayWords(due)}`);
  else if (isChange && (due === "" || dueAt === "")) facts.push("no due date");
  const rule = textOf(fields["recurrence"]);
  if (rule) facts.push(`repeats ${repeatWords(rule)}`);
  else if (isChange && rule === "") facts.push("no longer repeats");
  if (typeof priority === "string" && (isChange || priority !== "normal")) facts.push(`priority ${priority}`);
  const tags = listOf(fields["tags"]).filter((tag) => typeof tag === "string");
  if (tags.length > 0) facts.push(bdi(tags.map((tag) => `#${tag}`).join(" ")));
  else if (isChange && Array.isArray(fields["tags"])) facts.push("no tags");
  if (isChange && typeof description === "string") facts.push(description ? "new details" : "details removed");
  if (isChange && before !== undefined) facts.push("moved");
  return facts;
}

function batchWords(parameters: Fields, result: Fields | undefined, tense: Tense): string {
  let refused = 0;
  const parts = BATCH.flatMap((kind) => {
    const items = listOf(parameters[kind]);
    const failed = listOf(result?.[kind]).filter((item) => fieldsOf(item)?.["error"] !== undefined).length;
    refused += failed;
    const count = items.length - failed;
    return count > 0 ? [`${VERBS[kind]![tense].toLowerCase()} ${count}`] : [];
  });
  parts[0] = parts[0] ? `${parts[0]} ${/ 1$/.test(parts[0]) ? "task" : "tasks"}` : `${VERBS["update"]![tense]} tasks`;
  const words = parts.join(", ") + (refused > 0 ? `; ${refused} could not be done` : "");
  return words[0]!.toUpperCase() + words.slice(1);
}

function listWords(parameters: Fields, result: Fields | undefined, tense: Tense): Phrase {
  const tasks = result?.["tasks"];
  const status = textOf(parameters["status"]) ?? "open";
  const kind = [parameters["overdue"] === true ? "overdue" : status === "all" ? "" : status, priorityOf(parameters)];
  const count = Array.isArray(tasks) ? (tasks.length === 0 ? "no" : String(tasks.length)) : "";
  const first = result?.["next_cursor"] ? "the first" : "";
  const noun = count === "1" ? "task" : "tasks";
  const words: Phrase = [[VERBS["list"]![tense], first, count, ...kind, noun].filter(Boolean).join(" ")];
  const { query, tag, due_before: before, due_after: after } = parameters;
  if (typeof query === "string" && query) words.push(" with ", bdi(`“${query}”`));
  if (typeof tag === "string" && tag) words.push(" tagged ", bdi(`#${tag}`));
  if (typeof after === "string") words.push(` due after ${dayWords(after)}`);
  const link = typeof after === "string" ? "and" : "due";
  if (typeof before === "string") words.push(` ${link} before ${dayWords(before)}`);
  return words;
}

const priorityOf = ({ priority }: Fields) => (typeof priority === "string" ? `${priority}-priority` : "");
/** Words of somebody's, whose direction is their own. */
const bdi = (text: string) => element("bdi", {}, text);
const textOf = (value: Json | undefined) => (typeof value === "string" ? value : undefined);
const numberOf = (value: Json | undefined) => (typeof value === "number" ? value : undefined);
const listOf = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : []);
const fieldsOf = (value: Json | undefined): Fields | undefined =>
  value !== null && typeof value === "object" && !Array.isArray(value) ? value : undefined;
