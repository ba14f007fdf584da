import { createRequire } from "node:module";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { BuildFailure, BuildOptions } from "esbuild";
import { type Bundle, BundleCache } from "./bundle-cache.ts";
import { ROOT } from "./root.ts";
import { ownSourceMap } from "./source-map.ts";

const require = createRequire(import.meta.url);

const OPTIONS = {
  bundle: true,
  write: false,
  metafile: true,
  platform: "node",
  target: "node24",
  format: "cjs",
  // The ES modules of the AWS SDK can be shaken; its CommonJS cannot.
  mainFields: ["module", "main"],
  minify: true,
  legalComments: "none",
  external: ["sharp"],
  // Of sharp, which is found by `require` alone.
  supported: { "dynamic-import": false },
  // Functions have their credentials in the environment. The SDK's other sources of them are a sixth of the bundle.
  alias: { "@aws-sdk/credential-provider-node": path.join(ROOT, "src/packaging/credentials.mjs") },
  logLevel: "silent",
  outfile: "index.js",
  sourcemap: "linked",
  sourcesContent: false,
} as const satisfies BuildOptions;

const bundles = new Map<string, pulumi.asset.AssetArchive>();

/**
 * The archive that a function is created from: one CommonJS file, `index.js`, with the handler and all it
 * imports, the AWS SDK included, but for sharp, which is native and comes from the layer. CommonJS, because
 * `import` does not look into a layer (it ignores NODE_PATH) and `require` does. Beside it is the source map of what is
 * not a library, with paths relative to the project, so that stack traces name lines of the TypeScript.
 *
 * Identical sources give identical bytes, wherever the project is, so that nothing is deployed again that did not change.
 *
 * @param entry the handler's TypeScript file, absolute or relative to the working directory, which is the Pulumi
 *   project; it exports `handler`.
 * @throws {pulumi.RunError} with esbuild's own words where the file is missing or does not compile
 */
export function bundleHandler(entry: string): pulumi.asset.AssetArchive {
  const file = path.resolve(entry);
  const known = bundles.get(file);
  if (known) return known;

  const project = process.cwd();
  const { version } = require("esbuild/package.json") as { version: string };
  const cache = new BundleCache(project, JSON.stringify([version, OPTIONS]));
  const { code, map } = cache.get(file, () => bundle(file, project));
  const archive = new pulumi.asset.AssetArchive({
    "index.js": new pulumi.asset.StringAsset(code),
    "index.js.map": new pulumi.asset.StringAsset(map),
  });
  bundles.set(file, archive);
  return archive;
}

/** @returns the bundle, and all files that it was made of */
function bundle(file: string, project: string): Bundle & { inputs: string[] } {
  // Loaded here, as a start from bundles that are kept does without it.
  const { buildSync } = require("esbuild") as typeof import("esbuild");
  const { outputFiles, metafile } = explained(() =>
    buildSync({ ...OPTIONS, entryPoints: [file], absWorkingDir: project }),
  );
  const [map = "", code = ""] = ["index.js.map", "index.js"].map(
    (name) => outputFiles.find((file) => path.basename(file.path) === name)?.text,
  );
  return { code, map: ownSourceMap(map), inputs: Object.keys(metafile.inputs) };
}

/** Says of what does not compile where and why: Pulumi prints that alone, and not where in esbuild it was found. */
function explained<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    const [failure] = (error as Partial<BuildFailure>).errors ?? [];
    if (!failure) throw error;
    const { location, text } = failure;
    const where = location ? `${location.file}:${location.line}:${location.column + 1}: ` : "";
    throw new pulumi.RunError(`${where}${text}`, { cause: error });
  }
}
