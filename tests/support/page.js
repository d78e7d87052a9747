// The page's script on a document that is just enough for it: elements that hold text and listen, and a network that
// answers from a list.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const SCRIPT = path.join(__dirname, "../../chat-api/src/chat_api/web/static/app.js");

class Element {
  constructor() {
    this.children = [];
    this.dataset = {};
    this.hidden = false;
    this.listeners = {};
    this.textContent = "";
    this.value = "";
  }

  addEventListener(kind, listener) {
    this.listeners[kind] = listener;
  }

  append(...nodes) {
    this.children.push(...nodes);
  }

  replaceChildren() {
    this.children = [];
  }

  focus() {}
  scrollIntoView() {}
  setAttribute() {}

  get text() {
    return [this.textContent, ...this.children.map((child) => child.text)].join(" ");
  }
}

// Open the page. `answers` are taken in turn: a value is a 200 with that body, {status, body} another response, and an
// Error a request without any response. `confirms` are what the user answers to the page's questions.
exports.open = async function open({ demo, answers, confirms = [] }) {
  const elements = {};
  const questions = [];
  const requests = [];
  const root = new Element();
  root.dataset.demo = demo ? "yes" : "no";
  const element = (id) => (elements[id] ??= new Element());
  const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

  async function fetch(address, options = {}) {
    const { Authorization: token, "Idempotency-Key": key } = options.headers ?? {};
    requests.push({ address, token, key, body: JSON.parse(options.body ?? "null") });
    if (answers.length === 0) throw new Error(`nothing to answer ${address} with`);
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    const { status, body } = answer.status === undefined ? { status: 200, body: answer } : answer;
    return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
  }

  vm.runInNewContext(fs.readFileSync(SCRIPT, "utf8"), {
    document: { documentElement: root, getElementById: element, createElement: () => new Element() },
    fetch, AbortSignal, Intl, TextDecoder, atob, crypto: globalThis.crypto ?? require("node:crypto").webcrypto,
    confirm: (question) => {
      questions.push(question);
      return confirms.shift();
    },
  });
  await settle();
  const dispatch = async (id, kind) => {
    elements[id].listeners[kind]({ preventDefault() {} });
    await settle();
  };
  return {
    elements,
    questions,
    requests,
    press: (id) => dispatch(id, "click"),
    async say(text) {
      elements.message.value = text;
      await dispatch("composer", "submit");
    },
    async paste(userId) {
      const payload = Buffer.from(JSON.stringify({ sub: userId })).toString("base64url");
      elements.token.value = `e30.${payload}.signature`;
      await dispatch("sign-in-form", "submit");
    },
  };
};
