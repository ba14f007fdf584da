import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ROOT } from "./root.ts";

/** The folder whose lockfile says what is in the layer. */
const LAYER = path.join(ROOT, "layers/sharp");

/** Files of a package that `require` reads, and what says under which terms it may be given away. */
const NEEDED =
  /\.(c?js|node)$|\.so(\.\d+)*$|(^|\/)(package\.json|versions\.json|(LICEN[CS]E|THIRD-PARTY)[^/]*)$/;

/** Folders of sources, and of what is run when a package is installed. */
const UNNEEDED = /(^|\/)(src|install|bin)\//;

/**
 * Returns the layer in which a function finds sharp: `nodejs/node_modules` with sharp and libvips for linux-arm64, as `npm ci`
 * installed them in layers/sharp.
 *
 * It lists files one by one, without symlinks (npm's `.bin`) and without what changes from one installation to the next (npm's
 * hidden lockfile), so that the same lockfile gives the same archive. Sources, ES modules, types and documentation stay out.
 *
 * @param folder the folder of the installation
 * @param cpu Lambda's arm64, or its x86_64, which npm calls x64
 * @throws {pulumi.RunError} if the layer is not installed, or was installed for another platform
 */
export function sharpLayer(folder = LAYER, cpu: "arm64" | "x64" = "arm64"): pulumi.asset.AssetArchive {
  // npm leaves out of a package whatever is called node_modules.
  const shipped = path.join(folder, "modules");
  const modules = existsSync(shipped) ? shipped : path.join(folder, "node_modules");
  if (!existsSync(path.join(modules, `@img/sharp-linux-${cpu}`))) {
    const command =
      cpu === "arm64"
        ? '"npm run install-layer"'
        : `"npm ci --os=linux --cpu=${cpu} --libc=glibc" beside its package.json`;
    throw new pulumi.RunError(
      `The sharp layer for linux-${cpu} is not installed in ${path.relative(process.cwd(), modules)}: run ${command}.`,
    );
  }
  const files = readdirSync(modules, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== ".package-lock.json")
    .map((entry) => path.relative(modules, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .filter((file) => NEEDED.test(file) && !UNNEEDED.test(file))
    .sort();
  return new pulumi.asset.AssetArchive(
    Object.fromEntries(
      files.map((file) => [
        `nodejs/node_modules/${file}`,
        new pulumi.asset.FileAsset(path.relative(process.cwd(), path.join(modules, file))),
      ]),
    ),
  );
}
