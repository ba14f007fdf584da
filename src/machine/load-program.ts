import { existsSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

/** Node keeps a module that it has loaded; under another address it runs again. */
let runs = 0;

/**
 * Runs a program by loading it. What Node.js runs as it is, is run as it is. TypeScript of a project that is not of ES modules, as
 * `pulumi new aws-typescript` writes it, Pulumi has ts-node compile: imports without an extension, enums, `export =`. Here
 * esbuild does.
 * @returns what it exports or, where that is a function, what this returns
 */
export async function loadProgram(file: string): Promise<unknown> {
  const exported = isForTsNode(file)
    ? await compiled(file)
    : await import(`${pathToFileURL(file)}?run=${++runs}`);
  const result = "default" in exported ? exported.default : exported;
  return typeof result === "function" ? result() : { ...result };
}

/** Tells whether a file is TypeScript in a package whose modules are CommonJS. */
function isForTsNode(file: string): boolean {
  if (!/\.c?ts$/.test(file)) return false;
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, "package.json");
    if (existsSync(manifest)) return JSON.parse(readFileSync(manifest, "utf8")).type !== "module";
    // Without a package there is no say: Node.js finds out by itself.
    if (folder === path.dirname(folder)) return false;
  }
}

async function compiled(file: string): Promise<Record<string, unknown>> {
  const { build } = await import("esbuild");
  // Beside the program, as it looks from there for packages and files.
  const outfile = path.join(path.dirname(file), `.${path.basename(file)}-${process.pid}-${++runs}.cjs`);
  process.setSourceMapsEnabled(true);
  try {
    await build({
      entryPoints: [file],
      outfile,
      bundle: true,
      packages: "external",
      platform: "node",
      target: "node24",
      format: "cjs",
      sourcemap: "inline",
      sourcesContent: false,
      logLevel: "silent",
    });
    return createRequire(file)(outfile);
  } finally {
    rmSync(outfile, { force: true });
  }
}
