import { mkdir, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { sharpLayer } from "../../src/packaging/sharp-layer.ts";
import { withFolder } from "../support/machine.ts";

describe("the sharp layer", () => {
  it("has files where a function looks for modules, in one order, without symlinks, npm's own notes, sources and pages", async () => {
    await withFolder(async (folder) => {
      const modules = path.join(folder, "node_modules");
      const needed = [
        ...[
          "@img/sharp-libvips-linux-arm64/lib/libvips-cpp.so.8.18.7",
          "@img/sharp-libvips-linux-arm64/versions.json",
        ],
        ...[
          "@img/sharp-linux-arm64/lib/sharp.node",
          "sharp/LICENSE",
          "sharp/dist/index.cjs",
          "sharp/lib/index.js",
        ],
        "sharp/package.json",
      ];
      const others = ["sharp/.hidden", "sharp/README.md", "sharp/dist/index.mjs", "sharp/lib/index.d.ts"];
      for (const file of [
        ...needed,
        ...others,
        "sharp/src/common.cc",
        "sharp/install/build.js",
        "semver/bin/semver.js",
      ]) {
        await mkdir(path.join(modules, path.dirname(file)), { recursive: true });
        await writeFile(path.join(modules, file), "");
      }
      await writeFile(path.join(modules, ".package-lock.json"), "{}");
      await mkdir(path.join(modules, ".bin"));
      await symlink("../sharp/lib/index.js", path.join(modules, ".bin/sharp"));

      const assets = (await sharpLayer(folder).assets) as Record<string, pulumi.asset.FileAsset>;

      expect(Object.keys(assets)).to.deep.equal(needed.map((file) => `nodejs/node_modules/${file}`));
      expect(path.resolve(await (assets["nodejs/node_modules/sharp/LICENSE"]?.path ?? ""))).to.equal(
        path.join(modules, "sharp/LICENSE"),
      );
    });
  });

  it("is refused, with the command that installs it, where it is for another platform or not there", async () => {
    await withFolder(async (folder) => {
      const refused =
        /^The sharp layer for linux-arm64 is not installed in .*: run "npm run install-layer"\.$/;
      expect(() => sharpLayer(folder)).to.throw(refused);
      expect(() => sharpLayer(folder, "x64")).to.throw(
        /^The sharp layer for linux-x64 is not .*: run "npm ci --os=linux --cpu=x64 --libc=glibc" beside its package\.json\.$/,
      );
      await mkdir(path.join(folder, "node_modules/@img/sharp-linux-x64"), { recursive: true });
      expect(() => sharpLayer(folder)).to.throw(refused);
      expect(Object.keys(await sharpLayer(folder, "x64").assets)).to.deep.equal([]);
    });
  });

  it("is for a function on Lambda as npm installs it here: linux-arm64 alone, and sharp itself", async () => {
    const names = Object.keys(await sharpLayer().assets);

    expect(names).to.include("nodejs/node_modules/sharp/package.json");
    const native = names.filter((name) => name.endsWith(".node"));
    expect(native).to.have.length(1);
    expect(native[0]).to.match(/^nodejs\/node_modules\/@img\/sharp-linux-arm64\//);
  });

  it("has everything that a function loads of sharp", async () => {
    const require = createRequire(import.meta.url);
    require("sharp");
    const loaded = Object.keys(require.cache)
      .map((file) => file.split("/node_modules/").at(-1) ?? "")
      .filter((file) => /^(sharp|semver|detect-libc|@img)\//.test(file))
      .map((file) => file.replaceAll(/(linux|linuxmusl|darwin|win32)-(x64|arm64)/g, "linux-arm64"));

    expect(loaded).to.have.length.above(20);
    expect(Object.keys(await sharpLayer().assets)).to.include.members(
      loaded.map((file) => `nodejs/node_modules/${file}`),
    );
  });
});
