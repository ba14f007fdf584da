/** `npm run build --workspace image-turn`: makes the package as it is published, in dist. `npm publish ./dist` publishes it. */
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const HERE = import.meta.dirname;
const REPOSITORY = path.join(HERE, "../..");

/** Makes the package in a folder, in place of what is there. */
export async function build(dist: string): Promise<void> {
  await rm(dist, { recursive: true, force: true });
  await mkdir(path.join(dist, "docs"), { recursive: true });
  const compiler = path.join(REPOSITORY, "node_modules/typescript/bin/tsc");
  const options = ["--project", path.join(HERE, "tsconfig.build.json"), "--outDir", path.join(dist, "lib")];
  await promisify(execFile)(process.execPath, [compiler, ...options]).catch(({ stdout }) => {
    throw new Error(`The package does not compile for Node.js 20:\n${stdout}`);
  });
  await chmod(path.join(dist, "lib/cli.js"), 0o755);
  await writeFile(path.join(dist, "package.json"), `${JSON.stringify(await manifest(), null, 2)}\n`);
  await copyFile(path.join(REPOSITORY, "LICENSE"), path.join(dist, "LICENSE"));
  const readme = await readFile(path.join(HERE, "README.md"), "utf8");
  await writeFile(path.join(dist, "README.md"), readme.replaceAll("../../docs/", "docs/"));
  const images = await readFile(path.join(REPOSITORY, "docs/images.md"), "utf8");
  // Other pages are not in the package.
  await writeFile(
    path.join(dist, "docs/images.md"),
    images.replace(/\[([^\]]+)\]\([\w-]+\.md[^)]*\)/g, "$1"),
  );
}

/** The workspace's package.json, about what was compiled in place of the sources. */
async function manifest(): Promise<object> {
  const { name, version, description, keywords, license, engines, dependencies } = JSON.parse(
    await readFile(path.join(HERE, "package.json"), "utf8"),
  );
  return {
    ...{ name, version, description, keywords, license, engines },
    type: "module",
    sideEffects: ["./lib/pixels.js", "./lib/cli.js"],
    exports: {
      ".": { types: "./lib/index.d.ts", default: "./lib/index.js" },
      "./package.json": "./package.json",
    },
    // For resolvers that know no exports.
    main: "./lib/index.js",
    types: "./lib/index.d.ts",
    bin: { "image-turn": "lib/cli.js" },
    files: ["lib", "docs"],
    dependencies,
  };
}

if (import.meta.main) {
  const dist = path.join(HERE, "dist");
  await build(dist);
  console.log(`The package is in ${path.relative(process.cwd(), dist)}: npm publish ./dist publishes it.`);
}
