// Makes all that the browser loads, licences of other people's code included. Usage: node build.mjs FOLDER
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

if (!process.argv[2]) throw new Error("usage: node build.mjs FOLDER");
const output = resolve(process.argv[2]);
const here = fileURLToPath(new URL(".", import.meta.url));
const source = (name) => join(here, "src", name);

/** What is imported by a call is a bundle of its own, which the browser fetches when it gets there. */
const onDemand = {
  name: "on-demand",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\// }, ({ kind, path }) =>
      kind === "dynamic-import" ? { path: `${path.replace(/\.[jt]s$/, "")}.js`, external: true } : undefined,
    );
  },
};

/**
 * The bridge asks zod for `{ z }`, an object that holds all of it; as a namespace it is the same object, of which the
 * bundler keeps what is used. That leaves out 60 kB of 145 (gzip). Where an update asks in another way, nothing breaks
 * and the bundle is as large as it was, which a test tells.
 */
const zodInParts = {
  name: "zod-in-parts",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]ext-apps[\\/]dist[\\/]src[\\/]app-bridge\.js$/ }, async ({ path }) => {
      const code = await readFile(path, "utf8");
      return { contents: code.replace(/import\s*\{\s*z as (\w+)\s*\}\s*from\s*("zod\/v4")/, "import * as $1 from $2") };
    });
  },
};

async function bundle() {
  return build({
    absWorkingDir: here,
    entryPoints: { app: source("main.ts"), tasks: source("tasks.ts"), run: source("run.ts"), style: source("style.css") },
    outdir: output,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    metafile: true,
    write: false,
    plugins: [onDemand, zodInParts],
  });
}

/** The folders of the packages that have any code in the bundles, in the order of their names. */
function packagesIn({ outputs }) {
  const folders = Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs)
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([path]) => /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]),
  );
  return [...new Set(folders.filter(Boolean))].sort();
}

async function licenceOf(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(here, folder, "package.json"), "utf8"));
  const files = (await readdir(join(here, folder))).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort();
  if (files.length === 0) throw new Error(`${name} comes without the text of its licence`);
  const texts = await Promise.all(files.map((file) => readFile(join(here, folder, file), "utf8")));
  return [`${name} ${version}: ${license}`, ...texts.map((text) => text.replaceAll("\r\n", "\n").trim())].join("\n\n");
}

const { metafile, outputFiles } = await bundle();
const licences = await Promise.all(packagesIn(metafile).map(licenceOf));
// A file that is no longer made must not be left behind.
await rm(output, { recursive: true, force: true });
await mkdir(output, { recursive: true });
for (const { path, contents } of outputFiles) await writeFile(path, contents);
const rule = `\n\n${"=".repeat(80)}\n\n`;
await writeFile(join(output, "licences.txt"), `${["Other people's code in these pages", ...licences].join(rule)}\n`);
for (const name of ["index.html", "run.html", "icon.svg"]) await copyFile(source(name), join(output, name));
