// Keys that nobody else has made. `crypto.randomUUID` exists over HTTPS and on this machine only.

export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
}
