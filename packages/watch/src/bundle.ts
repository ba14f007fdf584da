import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
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

let last: { readonly sources: string; readonly bundle: Promise<PageBundle> } | undefined;

/** Bundles the page's code, and bundles it anew only where a source has changed. */
export async function bundlePage(): Promise<PageBundle> {
  if (existsSync(path.join(PAGE, "page.js"))) return ready();
  const sources = await digestOfSources();
  if (last?.sources !== sources) {
    const bundle = bundled();
    last = { sources, bundle };
    bundle.catch(() => {
      last = undefined;
    });
  }
  return last.bundle;
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
  const [js, css] = [".js", ".css"].map((extension) => {
    const file = outputFiles.find(({ path: name }) => name.endsWith(extension));
    return Buffer.from(file?.contents ?? []);
  }) as [Buffer, Buffer];
  return withVersion(js, css);
}

async function ready(): Promise<PageBundle> {
  const [js, css] = await Promise.all(
    [".js", ".css"].map((extension) => readFile(path.join(PAGE, `page${extension}`))),
  );
  return withVersion(js as Buffer, css as Buffer);
}

function withVersion(js: Buffer, css: Buffer): PageBundle {
  const version = createHash("sha256").update(js).update(css).digest("hex").slice(0, 16);
  return { version, js, css };
}

async function digestOfSources(): Promise<string> {
  const files = (await readdir(PAGE)).map((name) => path.join(PAGE, name));
  const hash = createHash("sha256");
  for (const file of files.sort()) hash.update(file).update(await readFile(file));
  return hash.digest("hex");
}
