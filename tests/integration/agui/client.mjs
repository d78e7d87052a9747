// Drives one HttpAgent of @ag-ui/client: a JSON command per line on standard input, a JSON report per line of output.
//
//   node client.mjs URL TOKEN THREAD
//
// A command: {"say"?: text, "resume"?: [...], "runId"?, "forwardedProps"?, "tools"?, "abortAt"?: event type,
// "fresh"?: bool}. `fresh` begins with an agent that knows nothing of the thread, as a reloaded page does.
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

// Installed beside the folder that this is started in, not beside this file.
const { HttpAgent } = createRequire(`${process.cwd()}/`)("@ag-ui/client");
const [url, token, threadId] = process.argv.slice(2);

let run; // what the run at hand reports
const warnings = [];
console.warn = (...words) => warnings.push(words.map(String).join(" "));
console.error = () => {}; // failures are reported

const newAgent = () =>
  new HttpAgent({
    url,
    threadId,
    headers: { Authorization: `Bearer ${token}` },
    fetch: async (address, init) => {
      const response = await fetch(address, init);
      run.location = response.headers.get("content-location");
      return response;
    },
  });
let agent = newAgent();

async function carryOut({ say, resume, runId, forwardedProps, tools, abortAt, fresh }) {
  run = { events: [], outcome: null, failure: null, location: null };
  warnings.length = 0;
  if (fresh) agent = newAgent();
  if (say !== undefined) agent.addMessage({ id: randomUUID(), role: "user", content: say });
  const subscriber = {
    onEvent: ({ event }) => {
      run.events.push(event);
      if (event.type === abortAt) agent.abortRun();
    },
    onRunFinishedEvent: ({ outcome }) => {
      run.outcome = outcome;
    },
  };
  try {
    run.result = (await agent.runAgent({ resume, runId, forwardedProps, tools }, subscriber)).result ?? null;
  } catch (error) {
    run.failure = { status: error.status ?? null, payload: error.payload ?? null, message: String(error.message) };
  }
  return { ...run, messages: agent.messages, interrupts: agent.pendingInterrupts, warnings: [...warnings] };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await carryOut(JSON.parse(line)))}\n`);
}
