import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { buildSync } from "esbuild";

const bundles = new Map<string, pulumi.asset.AssetArchive>();

/**
 * The archive that a function is created from: one CommonJS file, `index.js`, with the handler and all it
 * imports, the AWS SDK included, but for sharp, which is native and comes from the layer. CommonJS, because
 * `import` does not look into a layer (it ignores NODE_PATH) and `require` does.
 *
 * Identical sources give identical bytes, so that nothing is deployed again that did not change.
 *
 * @param entry the handler's TypeScript file, absolute or relative to the working directory, which is the Pulumi
 *   project; it exports `handler`.
 * @throws Error with esbuild's own words where the file is missing or does not compile.
 */
export function bundleHandler(entry: string): pulumi.asset.AssetArchive {
  const file = path.resolve(entry);
  const known = bundles.get(file);
  if (known) return known;

  const { outputFiles } = buildSync({
    entryPoints: [file],
    bundle: true,
    write: false,
    platform: "node",
    target: "node24",
    format: "cjs",
    // The ES modules of the AWS SDK can be shaken; its CommonJS cannot.
    mainFields: ["module", "main"],
    minify: true,
    legalComments: "none",
    external: ["sharp"],
    logLevel: "silent",
  });
  const code = outputFiles[0]?.text ?? "";
  const archive = new pulumi.asset.AssetArchive({ "index.js": new pulumi.asset.StringAsset(code) });
  bundles.set(file, archive);
  return archive;
}
