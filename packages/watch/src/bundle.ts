import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

/** What the browser is given: the page's code and its style. */
export interface PageBundle {
  /** Changes with the contents. */
  readonly version: string;
  readonly js: Buffer;
  readonly css: Buffer;
}

/** Its sources; or, beside code that was bundled itself, page.js and page.css. */
const PAGE = path.join(import.meta.dirname, "page");

let last: Promise<PageBundle> | undefined;

/** Bundles the page as it is now. */
export function bundlePage(): Promise<PageBundle> {
  last = existsSync(path.join(PAGE, "page.js")) ? ready() : bundled();
  return last;
}

/** The page as it was bundled last. */
export function bundledPage(): Promise<PageBundle> {
  return last ?? bundlePage();
}

async function bundled(): Promise<PageBundle> {
  const { outputFiles } = await build({
    entryPoints: [path.join(PAGE, "main.tsx")],
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".svg": "text" },
    legalComments: "none",
    logLevel: "silent",
    outfile: "page.js",
  });
  const ending = (extension: string) =>
    Buffer.from(outputFiles.find(({ path: name }) => name.endsWith(extension))?.contents ?? []);
  return withVersion(ending(".js"), ending(".css"));
}

async function ready(): Promise<PageBundle> {
  return withVersion(await readFile(path.join(PAGE, "page.js")), await readFile(path.join(PAGE, "page.css")));
}

function withVersion(js: Buffer, css: Buffer): PageBundle {
  const version = createHash("sha256").update(js).update(css).digest("hex").slice(0, 16);
  return { version, js, css };
}
