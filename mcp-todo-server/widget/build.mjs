// Puts style and script into the page: one file that asks for nothing else. Usage: node build.mjs OUTPUT
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const output = process.argv[2];
if (!output) throw new Error("usage: node build.mjs OUTPUT");
const source = (name) => fileURLToPath(new URL(`src/${name}`, import.meta.url));

async function bundle(name) {
  const { outputFiles } = await build({
    entryPoints: [source(name)],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    write: false,
  });
  return outputFiles[0].text.trim();
}

const parts = { STYLE: await bundle("style.css"), SCRIPT: await bundle("main.ts") };
const page = await readFile(source("index.html"), "utf8");
// A function, since "$&" and its like in a replacement text would be expanded.
await writeFile(output, page.replace(/\/\* (STYLE|SCRIPT) \*\//g, (_, part) => parts[part]));
