import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";
import { loadProgram } from "../../src/machine/load-program.ts";
import { programIn, readStackConfig } from "../../src/machine/stack-config.ts";
import { afterTest } from "../support/cleanup.ts";

/** A project in a temporary folder. */
function projectOf(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(tmpdir(), "project-"));
  afterTest(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries({
    "Pulumi.yaml": "name: pictures\nruntime: nodejs\n",
    ...files,
  })) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

describe("a program as `pulumi new` writes it", () => {
  it("runs as ts-node would compile it, from its own folder, and leaves nothing there", async () => {
    const folder = projectOf({
      "package.json": '{ "main": "index.ts" }',
      "index.ts": `import { name } from "./lib";
        enum Angle { Right = 90 }
        export const angle = Angle.Right;
        export const where = __dirname;
        export { name };`,
      "lib/index.ts": 'export const name = "of a folder";',
    });

    const exported = await loadProgram(programIn(folder));

    expect(exported).to.deep.equal({ angle: 90, name: "of a folder", where: folder });
    expect(readdirSync(folder).sort()).to.deep.equal(["Pulumi.yaml", "index.ts", "lib", "package.json"]);
  });

  it("may export a function, whose answer is what the stack tells", async () => {
    const folder = projectOf({
      "package.json": "{}",
      "index.ts": 'export = async () => ({ bucket: "pictures" });',
    });

    expect(await loadProgram(programIn(folder))).to.deep.equal({ bucket: "pictures" });
  });

  it("shows its own lines where it throws", async () => {
    const folder = projectOf({
      "package.json": "{}",
      "index.ts": "enum A { B }\nthrow new Error(String(A.B));",
    });

    const { stack } = (await loadProgram(programIn(folder)).catch((error: Error) => error)) as Error;

    expect(stack).to.include(`${path.join(folder, "index.ts")}:2:7`);
  });
});

describe("the program of a project", () => {
  it("is what Pulumi.yaml, then package.json says, else index.ts or index.js", () => {
    const program = (files: Record<string, string>) => {
      const folder = projectOf(files);
      return path.relative(folder, programIn(folder));
    };
    const main = "name: pictures\nmain: infra\n";

    expect(program({ "Pulumi.yaml": main, "infra/index.js": "", "index.ts": "" })).to.equal("infra/index.js");
    expect(program({ "package.json": '{ "main": "a.ts" }', "a.ts": "", "index.ts": "" })).to.equal("a.ts");
    expect(program({ "index.ts": "", "index.js": "" })).to.equal("index.ts");
  });

  it("is missed in a sentence", () => {
    expect(() => programIn(projectOf({}))).to.throw(/^There is no program in \S+: write one in index\.ts, /);
    expect(() => programIn(tmpdir())).to.throw(/^There is no Pulumi\.yaml in \S+: run this in the folder /);
  });

  it("needs no configuration of the stack that commands take by themselves, and of any other", () => {
    const folder = projectOf({});

    expect(readStackConfig(folder, "dev")).to.deep.equal({ project: "pictures", stack: "dev", config: {} });
    expect(() => readStackConfig(folder, "prod")).to.throw("is the stack's name right?");
  });
});
