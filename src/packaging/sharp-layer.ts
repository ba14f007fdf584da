import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";

/** The folder whose lockfile says what is in the layer. */
const LAYER = path.join(import.meta.dirname, "../../layers/sharp");

/**
 * The layer that `require("sharp")` finds in a function: `nodejs/node_modules` with sharp and libvips for
 * linux-arm64, as `npm ci` installed them in layers/sharp.
 *
 * Files are listed one by one, so that no symlink gets in (npm's `.bin`) and nothing that changes from one
 * installation to the next (npm's hidden lockfile): the same lockfile gives the same archive.
 *
 * @param folder holds the installation
 * @throws Error where the layer is not installed, or was installed for another platform.
 */
export function sharpLayer(folder = LAYER): pulumi.asset.AssetArchive {
  const modules = path.join(folder, "node_modules");
  if (!existsSync(path.join(modules, "@img/sharp-linux-arm64"))) {
    throw new Error(
      `The sharp layer for linux-arm64 is not installed in ${path.relative(process.cwd(), modules)}: run "npm run install-layer".`,
    );
  }
  const files = readdirSync(modules, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== ".package-lock.json")
    .map((entry) => path.relative(modules, path.join(entry.parentPath, entry.name)))
    .sort();
  return new pulumi.asset.AssetArchive(
    Object.fromEntries(
      files.map((file) => [
        `nodejs/node_modules/${file.split(path.sep).join("/")}`,
        new pulumi.asset.FileAsset(path.relative(process.cwd(), path.join(modules, file))),
      ]),
    ),
  );
}
