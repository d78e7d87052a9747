// A Better Auth as a front end runs one: people sign up, get JWTs by its jwt plugin, and let MCP clients in as
// its oauth-provider plugin does. It keeps everything in memory, prints its address, and ends with its input.
//
// The last argument is JSON: `alg`, the algorithm of its keys; `resource`, the MCP server that clients may ask for;
// `secret`, its own. A line of input is a command, and answered with a line that tells the keys there are.
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import { oauthProvider } from "@better-auth/oauth-provider";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { createJwk, jwt } from "better-auth/plugins";

const { alg, resource, secret } = JSON.parse(process.argv.at(-1));
const SCOPES = ["tasks:read", "tasks:write"];
const TABLES = [
  ...["user", "session", "account", "verification", "jwks"],
  ...["oauthClient", "oauthResource", "oauthClientResource", "oauthClientAssertion"],
  ...["oauthAccessToken", "oauthRefreshToken", "oauthConsent"],
];
const server = createServer((request, response) => handle(request, response));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = `http://127.0.0.1:${server.address().port}`;

const issuer = `${address}/api/auth`;
const JWT = {
  jwks: { keyPairConfig: { alg } },
  jwt: {
    // One issuer and one audience for all of its tokens; the plugin's own defaults are the bare address.
    issuer,
    audience: issuer,
    // What a front end adds for its users' tokens to be good at the todo server, too.
    definePayload: ({ user }) => ({ email: user.email, scope: SCOPES.join(" ") }),
  },
};
const tables = Object.fromEntries(TABLES.map((name) => [name, []]));
const auth = betterAuth({
  baseURL: address,
  secret,
  database: memoryAdapter(tables),
  emailAndPassword: { enabled: true },
  // Nobody attacks this one, and tests are quicker than people.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [
    jwt(JWT),
    oauthProvider({
      loginPage: "/sign-in",
      consentPage: "/consent",
      scopes: ["openid", "offline_access", ...SCOPES],
      resources: [{ identifier: resource, name: "Todo", allowedScopes: ["offline_access", ...SCOPES] }],
      clientRegistrationDefaultResources: [resource],
      allowDynamicClientRegistration: true,
      allowUnauthenticatedClientRegistration: true,
    }),
  ],
});
const handle = toNodeHandler(auth);

const commands = {
  // A new key signs from now on; the old ones stay published.
  rotate: async (context) => createJwk({ context }, JWT),
  // Only the newest key stays published.
  withdraw: async () => tables.jwks.splice(0, tables.jwks.length - 1),
};
const lines = createInterface({ input: process.stdin });
console.log(JSON.stringify({ address }));
for await (const line of lines) {
  await commands[line](await auth.$context);
  console.log(JSON.stringify({ done: line, keys: tables.jwks.map((key) => key.id) }));
}
process.exit(0);
