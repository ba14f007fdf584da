/**
 * `npm run check:package`: the package as it is published, installed into empty folders and used there as programs are written: of
 * ES modules on Node.js 24, and as `pulumi new aws-typescript` writes them on Node.js 20, with the oldest peers that are claimed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";
import { done, environmentIn, run } from "../support/elsewhere.ts";
import { freePort } from "../support/port.ts";
import { runInPulumiRuntime } from "../support/pulumi-runtime.ts";

/** What this project itself is tried with. */
const { dependencies, devDependencies, scripts } = JSON.parse(readFileSync("package.json", "utf8"));

/** The beginnings of the ranges in the package's manifest, and the last TypeScript before this project's. */
const OLDEST = { pulumi: "3.230.0", aws: "7.20.0", typescript: "5.9.3", node: "20.20.2" };

const PROGRAM = `import { ImageFanOut, ImageWorker, readSettings, RotationWorker, ThumbnailWorker } from "image-machine";

const fanOut = new ImageFanOut("images", readSettings());
new RotationWorker("clockwise", { fanOut, angle: 90 });
new ThumbnailWorker("small", { fanOut, longestSide: 64 });
new ImageWorker("grey", { fanOut, handler: "handlers/grey.ts" });

export const sourceBucket = fanOut.source.bucket;
export const resultsBucket = fanOut.results.bucket;
export const topic = fanOut.topic.arn;
export const workers = fanOut.workers;
`;

const HANDLER = `import { createHandler, rejectBadImages } from "image-machine/handler";
import sharp from "sharp";

export const handler = createHandler(
  rejectBadImages(async (source, limits) => ({
    body: await sharp(source, { limitInputPixels: limits.pixels }).autoOrient().greyscale().webp().toBuffer(),
    contentType: "image/webp",
  })),
);
`;

/** A test of a consumer's, which prints what it finds. */
const TEST = `import { find, registered } from "image-machine/testing";

registered(() => import("./index.ts")).then((resources) => {
  console.log(find(resources, "Function", "images-grey-function").environment.variables.WORKER);
});
`;

/** What tsconfig.json of `pulumi new aws-typescript` says that types depend on. */
const TEMPLATE = {
  strict: true,
  outDir: "bin",
  target: "es2020",
  module: "commonjs",
  moduleResolution: "node",
  noFallthroughCasesInSwitch: true,
  noImplicitReturns: true,
  forceConsistentCasingInFileNames: true,
};

/** Node.js runs these as they are. */
const MODULES = {
  ...TEMPLATE,
  target: "es2024",
  module: "nodenext",
  moduleResolution: "nodenext",
  noEmit: true,
  allowImportingTsExtensions: true,
};

const root = mkdtempSync(path.join(tmpdir(), "package-"));

/** Writes a project that nothing is installed in yet. */
function projectOf(
  name: string,
  manifest: object,
  compilerOptions: object,
  files: Record<string, string>,
): string {
  const folder = path.join(root, name);
  const all = {
    "package.json": JSON.stringify({ name, private: true, ...manifest }),
    "tsconfig.json": JSON.stringify({ compilerOptions, files: ["index.ts", "handlers/grey.ts", "check.ts"] }),
    "Pulumi.yaml": `name: ${name}\nruntime: nodejs\n`,
    "index.ts": PROGRAM,
    "handlers/grey.ts": HANDLER,
    "check.ts": TEST,
    ...files,
  };
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  cpSync("samples/cat.jpg", path.join(folder, "photo.jpg"));
  writeFileSync(path.join(folder, "broken.jpg"), readFileSync("samples/cat.jpg").subarray(0, 30_000));
  return folder;
}

const image = (folder: string) => path.join(folder, "node_modules/.bin/image-machine");
const typescript = (folder: string) => path.join(folder, "node_modules/typescript/bin/tsc");

describe("the package image-machine, packed and installed", function () {
  this.timeout(600_000);
  let modules: string;
  let template: string;
  let size: number;
  let node20: string;

  before(async () => {
    await done(process.cwd(), ["npm", "run", "build"]);
    const [packed] = JSON.parse(await done(root, ["npm", "pack", "--json", path.resolve("dist")]));
    size = packed.size;
    const tarball = `file:${path.join(root, packed.filename)}`;
    const types = { "@types/node": devDependencies["@types/node"] };
    modules = projectOf(
      "modules",
      {
        type: "module",
        dependencies: {
          "image-machine": tarball,
          "@pulumi/aws": dependencies["@pulumi/aws"],
          "@pulumi/pulumi": dependencies["@pulumi/pulumi"],
        },
        devDependencies: { ...types, typescript: devDependencies.typescript },
      },
      MODULES,
      {},
    );
    template = projectOf(
      "template",
      {
        main: "index.ts",
        dependencies: {
          "image-machine": tarball,
          "@pulumi/aws": OLDEST.aws,
          "@pulumi/pulumi": OLDEST.pulumi,
        },
        devDependencies: { ...types, typescript: OLDEST.typescript, node: OLDEST.node },
      },
      TEMPLATE,
      {
        "index.ts": `import { GREY } from "./lib/names";\n${PROGRAM.replace('"grey"', "GREY")}`,
        "lib/names.ts": 'export const GREY = "grey";\n',
        "check.ts": TEST.replace('import("./index.ts")', 'require("./index")'),
      },
    );
    for (const folder of [modules, template])
      await done(folder, ["npm", "install", "--no-audit", "--no-fund"]);
    node20 = path.join(template, "node_modules/node/bin/node");
  });

  after(() => rm(root, { recursive: true, force: true }));

  it("is under 10 MB, runs nothing when it is installed, and names the licences of what is in it", () => {
    const folder = path.join(modules, "node_modules/image-machine");
    const published = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    const notice = readFileSync(path.join(folder, "NOTICE.md"), "utf8");
    const layer = JSON.parse(readFileSync("layers/sharp/package-lock.json", "utf8")).packages;

    expect(size).to.be.below(10e6);
    expect(published.scripts).to.equal(undefined);
    for (const [name, { license }] of Object.entries<{ license: string }>(layer).slice(1)) {
      const installed = path.join(folder, name.replace("node_modules", "layers/sharp/modules"));
      if (!existsSync(installed)) continue;
      expect(notice).to.include(path.basename(name));
      expect(notice).to.include(license);
    }
  });

  it("brings no second @pulumi/pulumi", async () => {
    for (const folder of [modules, template]) {
      const found = await done(folder, ["npm", "ls", "--all", "--parseable", "@pulumi/pulumi"]);
      expect(found.trim().split("\n")).to.have.length(1);
    }
  });

  it("declares nothing and reads nothing where it is only imported", async () => {
    const empty = path.join(modules, "empty");
    mkdirSync(empty);
    for (const code of [
      'require("image-machine")',
      'import("image-machine").then(({ ImageFanOut }) => new ImageFanOut)',
    ]) {
      const { code: exit, said } = await run(empty, [process.execPath, "-e", code]);
      if (code.startsWith("require")) expect({ exit, said }).to.deep.equal({ exit: 0, said: "" });
      else expect(said).to.match(/Program run without the Pulumi engine|ImageFanOut/);
    }
  });

  it("has types that TypeScript 5.9 and 6 take, of modules and of CommonJS, and checks them", async () => {
    const [six, five] = [typescript(modules), typescript(template)];
    for (const tsc of [six, five]) await done(modules, [process.execPath, tsc, "--noEmit"]);
    await done(template, [process.execPath, five, "--noEmit"]);
    // TypeScript 6 has no patience with "moduleResolution": "node", nor with declarations of the oldest @pulumi/aws.
    const patience = ["--ignoreDeprecations", "6.0", "--skipLibCheck", "--types", "node"];
    await done(template, [process.execPath, six, "--noEmit", ...patience]);

    writeFileSync(path.join(modules, "index.ts"), PROGRAM.replace("angle: 90", 'angle: "90"'));
    const { code, out } = await run(modules, [process.execPath, six, "--noEmit"]);
    writeFileSync(path.join(modules, "index.ts"), PROGRAM);
    expect(code).to.not.equal(0);
    expect(out).to.match(/^index\.ts\(\d+,\d+\): error TS2322: .*'string'.*'number'/);
  });

  it("is previewed as ES modules on Node.js 24, and by ts-node on Node.js 20 with the oldest peers", async () => {
    for (const where of [
      { folder: modules, node: process.execPath, typescript: true },
      { folder: template, node: node20, typescript: true },
    ]) {
      const { exitCode, resources, complaints } = await runInPulumiRuntime("preview", {}, ".", {}, where);

      expect(complaints).to.deep.equal([]);
      expect(exitCode).to.equal(0);
      const functions = resources.filter(({ type }) => type.endsWith(":Function")).map(({ name }) => name);
      expect(functions.sort()).to.deep.equal(
        ["clockwise", "grey", "small"].map((name) => `images-${name}-function`),
      );
    }
  });

  it("runs the program on this computer, and tells a bad image from a good one in a handler of one's own", async () => {
    for (const folder of [modules, template]) {
      const { code, out } = await run(folder, [image(folder), "start", "photo.jpg", "broken.jpg"]);

      expect(out).to.include(
        "rejected  broken.jpg (grey, small): The image is damaged: VipsJpeg: premature end",
      );
      expect(out).to.match(/^2 images, 3 results, 3 rejected, 0 lost in /m);
      expect(code).to.equal(1);
      for (const worker of ["clockwise", "grey", "small"]) {
        expect(existsSync(path.join(folder, "out", worker, "photo.jpg")), worker).to.equal(true);
      }
    }
  });

  it("keeps the machine running, and sends an image through it", async () => {
    const port = await freePort();
    const machine = spawn(image(modules), ["dev", "--port", `${port}`], {
      cwd: modules,
      env: environmentIn(modules),
    });
    try {
      const printed = await until(machine, "Workers:");
      const exported = [...printed.matchAll(/(AWS_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]);
      const env = { ...environmentIn(modules), ...Object.fromEntries(exported) };

      expect(printed).to.include("aws s3 cp node_modules/image-machine/samples/cat.jpg s3://");
      expect(await done(modules, [image(modules), "smoke"], env)).to.match(/^ok .*grey/m);
      expect(await done(modules, [image(modules), "reconcile"], env)).to.match(/^grey: /m);
      expect(await done(modules, [image(modules), "dead-letters"], env)).to.be.a("string");
    } finally {
      machine.kill("SIGTERM");
      if (machine.exitCode === null) await once(machine, "exit");
    }
  });

  it("computes capacity of the program", async () => {
    const { out } = await run(modules, [image(modules), "capacity", "--images", "1000", "--minutes", "5"]);

    expect(out).to.match(/grey/);
  });

  it("says what to type there, not here", async () => {
    const said = async (...words: string[]) => {
      const { out, said } = await run(modules, [image(modules), ...words]);
      return out + said;
    };

    const listed = await said();
    expect(listed).to.match(/^Usage: image-machine COMMAND/);
    expect(await said("strat")).to.match(/^There is no command "strat"\.\n\nUsage: /);
    const commands = [...listed.matchAll(/^ {2}(\S+) /gm)].map(([, command = ""]) => command);
    const own = Object.entries<string>(scripts).filter(([name, script]) =>
      script.endsWith(` src/cli/${name}.ts`),
    );
    expect(commands).to.have.members(own.map(([name]) => name));
    for (const command of commands) {
      const usage = await said(command, "--help");
      expect(usage).to.match(new RegExp(`^Usage: npx image-machine ${command} \\[`));
      expect(usage).to.not.match(/\bnpm (run|start)\b/);
    }
    expect(await said("reconcile")).to.include("Start `npx image-machine dev`");
    const { code, said: missed } = await run(root, [image(modules), "start"]);
    expect(missed).to.match(
      /^There is no @pulumi\/pulumi in this project: install it beside image-machine, /,
    );
    expect(code).to.equal(2);
  });

  it("says which Node.js it needs on one that is too old", async () => {
    const { code, said } = await run(template, [node20, image(template), "start"]);

    expect(said).to.match(
      /^This needs Node\.js 24, and v20\S+ is running: run "npm install --save-dev node@24"[^\n]*\n$/,
    );
    expect(code).to.equal(1);
  });

  it("lets a program be tested under the mocks that this project's own tests use", async () => {
    expect(await done(modules, [process.execPath, "check.ts"])).to.equal("grey\n");
  });
});

/** Waits until a process has printed something. @returns all that it has printed */
async function until(child: ChildProcess, words: string): Promise<string> {
  let printed = "";
  return new Promise((resolve, reject) => {
    const take = (text: Buffer) => {
      printed += text;
      if (printed.includes(words)) resolve(printed);
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    child.once("exit", () => reject(new Error(`it ended: ${printed}`)));
  });
}
