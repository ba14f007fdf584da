/** `npm run check:image-turn`: the package as it is published, installed into empty folders, on the oldest and newest Node.js. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer, text } from "node:stream/consumers";
import { expect } from "chai";
import { environmentIn } from "../../../test/support/elsewhere.ts";
import { build } from "../build.ts";
import { rotate } from "../src/rotate.ts";
import { limits } from "./tools.ts";

const SAMPLES = path.resolve("samples");
const NODE_20 = "node@20.20.2";
const NODE_24 = "node@24.21.0";

/** What became of a command. */
interface Ran {
  readonly code: number | null;
  readonly out: Buffer;
  readonly said: string;
}

/** Runs a command in a folder, with nothing of this project on its way and the folder's own Node.js, if it has one. */
async function run(folder: string, command: string[], input?: Buffer): Promise<Ran> {
  const [file = "", ...args] = command;
  const env = environmentIn(folder, path.join(folder, "node_modules/.bin/node"));
  const child = spawn(file, args, { cwd: folder, env, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const exited = once(child, "exit");
  const [out, said] = await Promise.all([buffer(child.stdout), text(child.stderr)]);
  return { code: (await exited)[0], out, said };
}

/** Runs a command that must succeed. */
async function done(folder: string, command: string[]): Promise<string> {
  const { code, out, said } = await run(folder, command);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${out}${said}`);
  return out.toString();
}

describe("the package image-turn, packed and installed", function () {
  this.timeout(300_000);
  let root: string;
  let tarball: string;

  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), "image-turn-"));
    const dist = path.join(root, "dist");
    await build(dist);
    const [packed] = JSON.parse(await done(root, ["npm", "pack", "--json", dist]));
    tarball = path.join(root, packed.filename);
    const files: string[] = packed.files.map((file: { path: string }) => file.path);
    expect(files).to.include.members([
      "LICENSE",
      "README.md",
      "docs/images.md",
      "lib/cli.js",
      "lib/index.d.ts",
    ]);
    expect(files.filter((file) => /(^|\/)test\/|(?<!\.d)\.ts$/.test(file))).to.deep.equal([]);
    expect(packed.size).to.be.below(300_000);
  });

  after(() => rm(root, { recursive: true, force: true }));

  it("links to nothing that is not in it", async () => {
    for (const page of ["README.md", "docs/images.md"]) {
      const links = [
        ...(await readFile(path.join(root, "dist", page), "utf8")).matchAll(/\]\(([^)#:]+)(#[^)]*)?\)/g),
      ];
      for (const [, link = ""] of links) await readFile(path.join(root, "dist", path.dirname(page), link));
    }
  });

  for (const node of [NODE_20, NODE_24]) {
    describe(`on ${node}`, () => {
      let folder: string;
      const turn = (...args: string[]) => run(folder, ["npx", "--no", "image-turn", ...args]);

      before(async () => {
        folder = path.join(root, node);
        await mkdir(folder);
        const manifest = { private: true, allowScripts: { node: true } };
        await writeFile(path.join(folder, "package.json"), JSON.stringify(manifest));
        await done(folder, ["npm", "install", "--no-audit", "--no-fund", node, tarball]);
        expect(await done(folder, ["node", "--version"])).to.equal(`${node.replace("node@", "v")}\n`);
        const samples = await readdir(SAMPLES, { withFileTypes: true });
        for (const sample of samples.filter((each) => each.isFile())) {
          await copyFile(path.join(SAMPLES, sample.name), path.join(folder, sample.name));
        }
      });

      it("turns every sample into what its sources make of it, by one command", async () => {
        const pictures = (await readdir(SAMPLES)).filter((name) => /\.\w+$/.test(name));
        await mkdir(path.join(folder, "turned"));

        const { code, out, said } = await turn("90", "--quiet", "--output", "turned", ...pictures);

        expect([code, out.toString(), said]).to.deep.equal([0, "", ""]);
        expect(pictures).to.have.length.above(5);
        for (const name of pictures) {
          const { body } = await rotate({ angle: 90 })(await readFile(path.join(SAMPLES, name)), limits);
          expect((await readFile(path.join(folder, "turned", name))).equals(body), name).to.equal(true);
        }
      });

      it("is imported, and required where Node.js can", async () => {
        const program = `
          const source = require("node:fs").readFileSync("cat.jpg");
          const used = ({ rotate, ImageRejected }) => rotate({ angle: -90 })(source, { pixels: 1e8, seconds: 60 })
            .then(({ contentType }) => console.log(contentType, typeof ImageRejected));
          import("image-turn").then(used).then(() => used(require("image-turn")));`;
        await writeFile(path.join(folder, "program.cjs"), program);

        expect(await done(folder, ["node", "--no-warnings", "program.cjs"])).to.equal(
          "image/jpeg function\n".repeat(2),
        );
      });
    });
  }

  describe("as a command", () => {
    let folder: string;
    const turn = (...args: string[]) => run(folder, ["node", "node_modules/image-turn/lib/cli.js", ...args]);
    const cat = () => readFile(path.join(SAMPLES, "cat.jpg"));
    const turned = async (angle: number) => (await rotate({ angle })(await cat(), limits)).body;

    before(() => {
      folder = path.join(root, NODE_24);
    });

    it("writes beside the file, says what was re-encoded, and replaces nothing unasked", async () => {
      const first = await turn("90", "cat.jpg");
      const again = await turn("-90", "cat.jpg");

      expect([first.code, first.said]).to.deep.equal([0, "cat.jpg: re-encoded\n"]);
      expect((await readFile(path.join(folder, "cat-turned.jpg"))).equals(await turned(90))).to.equal(true);
      expect(again.code).to.equal(1);
      expect(again.said).to.equal(
        "image-turn: cat.jpg: Its result exists already: pass --force to replace it, or --output for another place.\n",
      );
      expect((await turn("-90", "--force", "cat.jpg")).code).to.equal(0);
      expect((await readFile(path.join(folder, "cat-turned.jpg"))).equals(await turned(-90))).to.equal(true);
      expect((await readdir(folder)).filter((name) => name.startsWith("."))).to.deep.equal([]);
    });

    it("turns standard input to standard output, and files in their places", async () => {
      const command = ["node", "node_modules/image-turn/lib/cli.js", "180"];
      await copyFile(path.join(folder, "cat.jpg"), path.join(folder, "own.jpg"));

      expect((await run(folder, command, await cat())).out.equals(await turned(180))).to.equal(true);
      expect((await turn("180", "-q", "--in-place", "own.jpg")).code).to.equal(0);
      expect((await readFile(path.join(folder, "own.jpg"))).equals(await turned(180))).to.equal(true);
    });

    it("goes on where a file cannot be turned, says why in a sentence each, and exits 1", async () => {
      await writeFile(path.join(folder, "notes.txt"), "These are notes.");

      const { code, out, said } = await turn(
        "-270",
        "--exact",
        "--json",
        "notes.txt",
        "nowhere.png",
        "cat.jpg",
        "turned",
        "cut-out.png",
        "-f",
        "-o",
        "turned",
      );

      expect(code).to.equal(1);
      expect(said).to.equal("");
      const lines = out
        .toString()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(lines.map(({ file, code: why, exact }) => `${file} ${why ?? exact}`)).to.deep.equal([
        ...[
          "notes.txt not-an-image",
          "nowhere.png ENOENT",
          "cat.jpg not-exact",
          "turned EISDIR",
          "cut-out.png true",
        ],
      ]);
      for (const { error } of lines.slice(0, 4)) expect(error).to.match(/^[A-Z].*\.$/);
    });

    const wrong: [string[], RegExp][] = [
      [[], /^image-turn: Give an angle, as in: .*$/],
      [["left", "cat.jpg"], /^image-turn: The angle is left, but must be a number of degrees, .*$/],
      [["90", "--fast"], /^image-turn: Unknown option '--fast'\. See image-turn --help\.$/],
      [
        ["90", "--metadata", "some", "cat.jpg"],
        /^image-turn: --metadata is some, but must be one of keep, .*\.$/,
      ],
      [
        ["90", "--max-seconds", "-1", "cat.jpg"],
        /^image-turn: --max-seconds is -1, but must be a number above 0\.$/,
      ],
      [
        ["90", "--background", "red", "cat.jpg"],
        /^image-turn: --background is red, but must be #rrggbb or .*\.$/,
      ],
      [
        ["90", "-o", "one.jpg", "cat.jpg", "cut-out.png"],
        /^image-turn: --output is one\.jpg, but must be an existing .*$/,
      ],
      [
        ["90", "-o", "turned", "cat.jpg", "turned/cat.jpg"],
        /^image-turn: Two of the files would become .*\.$/,
      ],
    ];
    for (const [args, sentence] of wrong) {
      it(`exits 2 for ${["image-turn", ...args].join(" ")}, in a sentence`, async () => {
        const { code, out, said } = await turn(...args);

        expect([code, out.toString()]).to.deep.equal([2, ""]);
        expect(said.trimEnd()).to.match(sentence);
      });
    }

    it("says its version, and how it is used with every option that it has", async () => {
      const { version } = JSON.parse(await readFile("packages/image-turn/package.json", "utf8"));

      expect((await turn("--version")).out.toString()).to.equal(`${version}\n`);
      expect((await turn("--help")).out.toString()).to.match(/^Usage: image-turn ANGLE/);
    });
  });

  it("has types that a program of somebody else's compiles with", async () => {
    const folder = path.join(root, "types");
    await mkdir(path.join(folder, "node_modules"), { recursive: true });
    await writeFile(path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    await done(folder, ["npm", "install", "--no-audit", "--no-fund", tarball, "@types/node@24.19.2"]);
    const program = `import { type ImageOperation, ImageRejected, rotate } from "image-turn";
      const turn: ImageOperation = rotate({ angle: 90, metadata: "none" });
      // @ts-expect-error: an angle is needed
      rotate({});
      const { body } = await turn(Buffer.alloc(1), { pixels: 1, seconds: 1 });
      export const length: number = body.length, code = new ImageRejected("empty", "").code;`;
    await writeFile(path.join(folder, "program.ts"), program);
    const compiler = path.resolve("node_modules/typescript/bin/tsc");
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"];
    await done(folder, [process.execPath, compiler, ...options, "program.ts"]);
  });
});
