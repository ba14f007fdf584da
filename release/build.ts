/**
 * Builds the npm package in dist/, with a manifest of its own: `npm pack ./dist` is what is published. Nothing in there needs a
 * file of this repository. lib/cjs is for programs, whatever they are written in; lib/esm for handlers, which esbuild bundles
 * once more, and for the commands.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type BuildOptions, build, type Metafile } from "esbuild";
import { bundlePage } from "machine-watch";
import { bundleHandler } from "../src/packaging/bundle.ts";
import { sharpLayer } from "../src/packaging/sharp-layer.ts";
import { buildComponent } from "./component.ts";

const DIST = "dist";
/** Names of the commands: scripts of this project that run a file of theirs. */
const COMMANDS = Object.entries(manifestIn(".").scripts)
  .filter(([name, script]) => script.endsWith(` src/cli/${name}.ts`))
  .map(([name]) => name);
const WORKSPACES = ["packages/image-turn", "packages/local-aws", "packages/watch"];

/** Ranges whose ends `npm run check:package` tries. The older @pulumi/pulumi is the last for Node.js 20. */
const PEERS = { "@pulumi/aws": "^7.20.0", "@pulumi/pulumi": "^3.230.0" };

/** Packages that no `import` names: by `require`, and in the declarations. */
const REQUIRED = ["@aws-sdk/checksums", "esbuild", "@types/aws-lambda", "@types/node"];

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly scripts: Record<string, string>;
  readonly exports: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

rmSync(DIST, { recursive: true, force: true });
const metafiles = [await buildLibrary(), await buildCommands()];
emitDeclarations();
await writeHandlers();
await writePage();
await buildComponent(DIST, manifestIn(".").version);
await copyLayer();
for (const file of ["LICENSE", "CHANGELOG.md", "samples/cat.jpg", "src/packaging/credentials.mjs"]) {
  cpSync(file, path.join(DIST, file), { recursive: true });
}
for (const file of ["NOTICE.md", "README.md"]) cpSync(path.join("release", file), path.join(DIST, file));
writeManifest(dependenciesOf(metafiles));

function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
}

function options(more: BuildOptions): BuildOptions & { metafile: true } {
  return {
    bundle: true,
    platform: "node",
    target: "node20",
    packages: "external",
    alias: workspaceFiles(),
    logLevel: "warning",
    ...more,
    metafile: true,
  };
}

/** Files of the workspaces by the names that they are imported by. */
function workspaceFiles(): Record<string, string> {
  return Object.fromEntries(
    WORKSPACES.flatMap((folder) => {
      const { name, exports } = manifestIn(folder);
      return Object.entries(exports).map(([entry, file]) => [
        path.posix.join(name, entry),
        path.resolve(folder, file),
      ]);
    }).sort(([a = ""], [b = ""]) => b.length - a.length),
  );
}

async function buildLibrary(): Promise<Metafile> {
  const { metafile } = await build(
    options({
      entryPoints: ["src/exports/index.ts", "src/exports/handler.ts", "src/exports/testing.ts"],
      outdir: path.join(DIST, "lib/cjs"),
      format: "cjs",
      define: { "import.meta.dirname": "__dirname", "import.meta.url": "__filename" },
    }),
  );
  return metafile;
}

async function buildCommands(): Promise<Metafile> {
  const outdir = path.join(DIST, "lib/esm");
  const { metafile } = await build(
    options({
      entryPoints: [
        "src/exports/handler.ts",
        ...[...COMMANDS, "dev-machine"].map((name) => `src/cli/${name}.ts`),
      ],
      outdir,
      entryNames: "[name]",
      format: "esm",
      splitting: true,
    }),
  );
  for (const file of ["image-machine.cjs", "require-node.cjs", "defer.cjs"]) {
    cpSync(path.join("src/cli", file), path.join(outdir, file));
  }
  for (const file of readdirSync(outdir)) {
    const text = readFileSync(path.join(outdir, file), "utf8");
    writeFileSync(path.join(outdir, file), asTypedThere(text));
  }
  writeFileSync(path.join(outdir, "package.json"), '{ "type": "module" }\n');
  cpSync("packages/local-aws/src/lambda/bootstrap.cjs", path.join(outdir, "bootstrap.cjs"));
  return metafile;
}

/** Turns the commands in usage texts and messages into those of whoever has the package. */
function asTypedThere(text: string): string {
  return text
    .replace(new RegExp(`npm (?:run )?(${COMMANDS.join("|")})\\b(?: --(?= ))?`, "g"), "npx image-machine $1")
    .replace('"npm ci" with install scripts allowed', '"npm install --save-dev node@24"');
}

/** Writes the page that npm run dev shows beside the commands, where its server looks for it. */
async function writePage(): Promise<void> {
  const { js, css } = await bundlePage();
  const page = path.join(DIST, "lib/esm/page");
  mkdirSync(page);
  writeFileSync(path.join(page, "page.js"), js);
  writeFileSync(path.join(page, "page.css"), css);
}

/** Writes what TypeScript knows of the library, with the names that the files have there. */
function emitDeclarations(): void {
  const types = path.join(DIST, "types");
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "release"], { stdio: "inherit" });
  const files = workspaceFiles();
  for (const entry of readdirSync(types, { recursive: true, encoding: "utf8" })) {
    if (!entry.endsWith(".d.ts")) continue;
    const file = path.join(types, entry);
    const relative = (name: string) => {
      const target = path.join(types, path.relative(process.cwd(), files[name] as string));
      const found = path.relative(path.dirname(file), target).split(path.sep).join("/");
      return found.startsWith(".") ? found : `./${found}`;
    };
    const text = readFileSync(file, "utf8")
      .replace(/(?<=["'])((?:image-turn|local-aws)(?:\/[\w-]+)?)(?=["'])/g, relative)
      .replace(/(?<=(?:from |import\()["']\.[^"']*)\.ts(?=["'])/g, ".js");
    writeFileSync(file, text);
  }
}

/** Bundles the handlers that come with the machine, as a program here would. */
async function writeHandlers(): Promise<void> {
  for (const file of readdirSync("handlers")) {
    const folder = path.join(DIST, "handlers", path.basename(file, ".ts"));
    mkdirSync(folder, { recursive: true });
    const assets = await bundleHandler(path.join("handlers", file)).assets;
    for (const [name, asset] of Object.entries(assets)) {
      writeFileSync(path.join(folder, name), await (asset as { text: Promise<string> }).text);
    }
  }
}

/** Copies what is in the layer for arm64, the page that lists its licences, and the lockfile that one for x86_64 is installed by. */
async function copyLayer(): Promise<void> {
  const from = "layers/sharp";
  const to = path.join(DIST, from);
  const files = Object.keys(await sharpLayer().assets).map((file) =>
    file.replace("nodejs/node_modules/", ""),
  );
  for (const file of [...files, "@img/sharp-libvips-linux-arm64/README.md"]) {
    // npm leaves out of a package whatever is called node_modules.
    cpSync(path.join(from, "node_modules", file), path.join(to, "modules", file));
  }
  for (const file of ["package.json", "package-lock.json"])
    cpSync(path.join(from, file), path.join(to, file));
}

/** Packages that the built files import, with the versions that they were tried with. */
function dependenciesOf(metafiles: readonly Metafile[]): Record<string, string> {
  const imported = metafiles
    .flatMap(({ outputs }) => Object.values(outputs))
    .flatMap(({ imports }) => imports)
    .filter((each) => each.external && !each.path.startsWith("node:") && !/^[.#]/.test(each.path))
    .map(({ path: name }) =>
      name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/"),
    );
  const versions: Record<string, string> = {};
  for (const folder of [".", ...WORKSPACES]) {
    const { dependencies, devDependencies } = manifestIn(folder);
    Object.assign(versions, devDependencies, dependencies);
  }
  // A function finds here what the layer has there, in the same versions.
  const { packages } = JSON.parse(readFileSync("layers/sharp/package-lock.json", "utf8")) as {
    packages: Record<string, { version: string; optional?: boolean }>;
  };
  const layer = Object.entries(packages)
    .filter(([folder, { optional }]) => folder !== "" && !optional)
    .map(([folder, { version }]) => [folder.replace("node_modules/", ""), version] as const);
  for (const [name, version] of layer) versions[name] = version;
  const names = new Set([
    ...imported,
    ...layer.map(([name]) => name),
    ...REQUIRED,
    ...Object.keys(manifestIn("packages/local-aws").dependencies),
  ]);
  return Object.fromEntries(
    [...names]
      .filter((name) => !(name in PEERS))
      .sort()
      .map((name) => {
        const version = versions[name];
        if (!version) throw new Error(`dist imports ${name}, which no package.json here names.`);
        return [name, name.startsWith("@types/") ? "*" : version];
      }),
  );
}

function writeManifest(dependencies: Record<string, string>): void {
  const entry = (name: string, esm?: string) => ({
    types: `./types/src/exports/${name}.d.ts`,
    ...(esm && { import: esm }),
    default: `./lib/cjs/${name}.js`,
  });
  const manifest = {
    name: "image-machine",
    version: manifestIn(".").version,
    description:
      "Pulumi components: an image dropped into a bucket comes back from every worker that is declared for it",
    keywords: ["pulumi", "aws", "s3", "sns", "sqs", "lambda", "image", "sharp"],
    license: "MIT",
    engines: { node: ">=20" },
    exports: {
      ".": entry("index"),
      "./handler": entry("handler", "./lib/esm/handler.js"),
      "./testing": entry("testing"),
      "./package.json": "./package.json",
    },
    main: "./lib/cjs/index.js",
    types: "./types/src/exports/index.d.ts",
    typesVersions: {
      "*": Object.fromEntries(
        ["handler", "testing"].map((name) => [name, [`types/src/exports/${name}.d.ts`]]),
      ),
    },
    bin: { "image-machine": "lib/esm/image-machine.cjs" },
    dependencies,
    peerDependencies: PEERS,
  };
  writeFileSync(path.join(DIST, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}
