// One conversation in one page. The token and the conversation's id live in memory only, and all text from people,
// models and tasks reaches the document as text, never as markup.
"use strict";

const REQUEST_SECONDS = 150;
const element = (id) => document.getElementById(id);
const composer = element("composer");
const message = element("message");
const send = element("send");
const transcript = element("transcript");

const inDemo = document.documentElement.dataset.demo === "yes";

let session = null; // {userId, token}
let lastUserId = null; // whose conversation the page shows
let conversationId = null;
let pending = null; // the message that was sent, or is to be sent again: {body, key, tokenRenewed}
let generation = 0; // grows with "New conversation", so that a late answer does not land in the new one

function append(parent, tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function showTurn(role, text) {
  const turn = append(transcript, "div", `turn ${role}`);
  append(turn, "span", "visually-hidden", role === "user" ? "You: " : "Assistant: ");
  append(turn, "span", "", text);
  turn.scrollIntoView({ block: "end" });
}

function showToolCalls(calls) {
  if (!calls.length) return;
  const list = append(transcript, "ul", "tools");
  list.setAttribute("aria-label", "What was done");
  for (const call of calls) {
    const details = append(append(list, "li"), "details");
    append(details, "summary", "", `${call.tool_name} ${JSON.stringify(call.parameters)}`);
    append(details, "pre", "", readable(call.result));
  }
}

function readable(result) {
  return typeof result === "string" ? result : JSON.stringify(result, null, 2);
}

function showProblem(text) {
  element("problem-text").textContent = text;
  element("problem").hidden = false;
  element("retry").focus();
}

function setBusy(busy) {
  send.disabled = busy;
  transcript.setAttribute("aria-busy", String(busy));
  element("status").textContent = busy ? "Thinking…" : "";
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function refusal(response) {
  const kind = response.headers.get("Content-Type") ?? "";
  const problem = kind.includes("json") ? await response.json() : {};
  const words = [problem.detail ?? problem.title ?? `The server answered ${response.status}.`];
  if (problem.request_id) words.push(`(request ${problem.request_id})`);
  const error = new Error(words.join(" "));
  error.status = response.status;
  error.conversationId = problem.conversation_id ?? null;
  return error;
}

async function post(path, body, key) {
  const headers = { "Authorization": `Bearer ${session.token}`, "Content-Type": "application/json" };
  if (key !== undefined) headers["Idempotency-Key"] = key;
  const response = await fetch(`/api/${encodeURIComponent(session.userId)}/${path}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(REQUEST_SECONDS * 1000),
  });
  if (response.ok) return response.json();
  throw await refusal(response);
}

// The message's answer. Sent again, it is the same message: it has its own key, and the body that it began with.
async function ask() {
  const ours = generation;
  let answer = await post("chat", pending.body, pending.key);
  while (answer.status === "requires_action" && ours === generation) {
    await decide(answer);
    answer = await post("chat", pending.body, pending.key);
  }
  return answer;
}

async function decide({ run_id: runId, pending_approvals: calls }) {
  const decisions = calls.map((call) => ({
    tool_call_id: call.tool_call_id,
    approve: confirm(`Allow the assistant to call ${call.tool_name} ${JSON.stringify(call.parameters)}?`),
  }));
  try {
    await post(`runs/${runId}/approvals`, { decisions });
  } catch (error) {
    if (error.status !== 409) throw error; // decided elsewhere, or too late: the answer tells
  }
}

function inPlainWords(error) {
  if (error.status !== undefined) return error.message;
  const what = error.name === "TimeoutError"
    ? `No answer within ${REQUEST_SECONDS} seconds.`
    : "The connection was lost, or the server is not running.";
  return `${what} What you asked for may still be carried out; sent again, it is not done twice.`;
}

async function deliver() {
  const ours = generation;
  let renewToken = false;
  element("problem").hidden = true;
  setBusy(true);
  try {
    const answer = await ask();
    if (ours !== generation) return;
    conversationId = answer.conversation_id;
    pending = null;
    showToolCalls(answer.tool_calls);
    showTurn("assistant", answer.response);
    message.focus();
  } catch (error) {
    if (ours !== generation) return;
    // A failed first message has made its conversation all the same: go on in it.
    conversationId ??= error.conversationId ?? null;
    if (error.status !== 401) showProblem(inPlainWords(error));
    else if (inDemo && !pending.tokenRenewed) renewToken = true;
    else askForToken(`The token was refused: ${error.message}`);
  } finally {
    if (ours === generation) setBusy(false);
  }
  if (renewToken) {
    // The demo was started anew, or its token has expired: a fresh one is to be had, once for each message.
    pending.tokenRenewed = true;
    await signIn();
    if (session !== null && ours === generation) deliver();
  }
}

function submit(event) {
  event.preventDefault();
  const text = message.value.trim();
  if (!text || send.disabled) return;
  if (session === null) {
    element("token").focus();
    return;
  }
  message.value = "";
  showTurn("user", text);
  const body = { message: text, timezone: Intl.DateTimeFormat().resolvedOptions().timeZone };
  if (conversationId !== null) body.conversation_id = conversationId;
  pending = { body, key: randomKey(), tokenRenewed: false };
  deliver();
}

function startOver() {
  generation += 1;
  conversationId = null;
  pending = null;
  transcript.replaceChildren();
  element("problem").hidden = true;
  setBusy(false);
  message.focus();
}

function userOf(token) {
  const [, payload] = token.split(".");
  const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
  const { sub } = JSON.parse(new TextDecoder().decode(bytes));
  if (typeof sub !== "string" || sub === "") throw new Error("the token names no user");
  return sub;
}

function useSession(next) {
  // What another user said and was answered is neither shown nor sent on.
  if (lastUserId !== null && lastUserId !== next.userId) startOver();
  lastUserId = next.userId;
  session = next;
}

function askForToken(reason) {
  session = null;
  element("sign-in-error").textContent = reason ?? "";
  element("sign-in").hidden = false;
  element("token").focus();
}

function useToken(event) {
  event.preventDefault();
  const token = element("token").value.trim();
  try {
    useSession({ userId: userOf(token), token });
  } catch {
    element("sign-in-error").textContent = "This is not a token: it should be three parts with dots between them.";
    return;
  }
  element("token").value = "";
  element("sign-in").hidden = true;
  message.focus();
  if (pending !== null) deliver();
}

async function signIn() {
  if (!inDemo) {
    askForToken();
    return;
  }
  try {
    const response = await fetch("/demo/token");
    if (!response.ok) throw await refusal(response);
    const { user_id: userId, token } = await response.json();
    useSession({ userId, token });
    message.focus();
  } catch (error) {
    askForToken(`The demo's token cannot be had: ${error.message}`);
  }
}

composer.addEventListener("submit", submit);
message.addEventListener("keydown", (event) => {
  // While an input method composes a character, Enter belongs to it.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
});
element("retry").addEventListener("click", deliver);
element("new").addEventListener("click", startOver);
element("sign-in-form").addEventListener("submit", useToken);
signIn();
