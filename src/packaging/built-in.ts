import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { bundleHandler } from "./bundle.ts";
import { ROOT } from "./root.ts";

/**
 * The archive of a handler that comes with the machine: built here, or with the package, which has no TypeScript.
 * @param name of its file in handlers/
 */
export function builtInHandler(name: "rotate" | "thumbnail"): pulumi.asset.AssetArchive {
  const folder = path.join(ROOT, "handlers", name);
  if (!existsSync(folder)) return bundleHandler(`${folder}.ts`);
  return new pulumi.asset.AssetArchive(
    Object.fromEntries(
      ["index.js", "index.js.map"].map((file) => [
        file,
        new pulumi.asset.StringAsset(readFileSync(path.join(folder, file), "utf8")),
      ]),
    ),
  );
}
