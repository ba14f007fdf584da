import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { Recorder } from "../../src/capacity/graph.ts";
import { runProgram } from "../../src/machine/program.ts";
import { readStackConfig, type StackConfig } from "../../src/machine/stack-config.ts";
import { judge } from "../../src/operations/results.ts";
import { type Block, blocksOf, commandsOf, PAGES } from "../support/docs.ts";

describe("what a reader gets", () => {
  for (const page of PAGES) {
    const text = readFileSync(page, "utf8");

    it(`in ${page} links to what is there`, () => {
      const links = [...text.matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)].map(
        ([, link, src]) => link ?? src ?? "",
      );
      const headings = (file: string) =>
        [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
          heading
            .toLowerCase()
            .replaceAll(/[^\w\- ]/g, "")
            .replaceAll(" ", "-"),
        );
      for (const link of links.filter((each) => !each.startsWith("https:"))) {
        const [file = "", anchor] = link.split("#");
        const target = file === "" ? page : path.join(path.dirname(page), file);
        expect(existsSync(target), link).to.equal(true);
        if (anchor !== undefined) expect(headings(target), link).to.include(anchor);
      }
    });

    it(`in ${page} is written in plain words`, () => {
      expect(text).to.not.match(/\bcan not\b|\bits most\b|\bthe least (?!privilege)|\| Most /);
    });
  }

  it("of the cat is what the machine makes of it", async () => {
    const picture = (name: string) => readFileSync(`docs/pictures/${name}.jpg`);

    for (const [name, angle] of [
      ["cat-clockwise", 90],
      ["cat-counter-clockwise", 270],
    ] as const) {
      expect(await judge(picture("cat"), picture(name), angle), name).to.include({ ok: true });
    }
  });
});

/** Commands of the Pulumi CLI that the pages use, with their options. */
const PULUMI: Record<string, string[]> = {
  new: [],
  login: ["--local"],
  up: ["--refresh", "--stack"],
  preview: ["--refresh", "--diff", "--stack"],
  destroy: ["--stack"],
  stack: ["--show-ids"],
  "stack init": [],
  "stack select": [],
  "stack output": ["--json", "--stack"],
  "config set": ["--path", "--stack"],
  "config rm": ["--path", "--stack"],
  "state unprotect": ["--all"],
  "package add": [],
};

/** Those before which settings must be right, as they run the program. */
const RUN_THE_PROGRAM = ["up", "preview"];

describe("a command in the docs", function () {
  this.timeout(120_000);
  const blocks = PAGES.flatMap(blocksOf);
  const all = blocks.flatMap((block) => commandsOf(block.text).map((words) => ({ ...block, words })));
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));

  it("is a script of package.json, with options that it has, about stacks that there are", async () => {
    for (const { where, words } of all) {
      const { script, args } = npmOf(words) ?? {};
      if (script === undefined) continue;
      expect(scripts, where).to.have.property(script);
      // What is no command of src/cli has arguments of its own.
      if (args === undefined || !scripts[script].includes(`src/cli/${script}.ts`)) continue;
      const options = await optionsOf(script);
      for (const [index, option] of args.entries()) {
        if (!option.startsWith("--")) continue;
        expect([...options.keys()], `${where}: ${words.join(" ")}`).to.include(option);
        if (options.get(option)) expect(args[index + 1] ?? "--", `${where}: ${option}`).to.not.match(/^--/);
        if (option === "--stack") expect(existsSync(`Pulumi.${args[index + 1]}.yaml`), where).to.equal(true);
      }
    }
  });

  it("names files that there are, where they are the repository's", () => {
    for (const { where, words } of all) {
      for (const [file] of words
        .join(" ")
        .matchAll(/\b(samples|handlers|src|docs|test|bench|layers)\/[\w./-]*/g)) {
        expect(existsSync(file), `${where}: ${file}`).to.equal(true);
      }
    }
  });

  it("of the Pulumi CLI is one that it has", async () => {
    for (const { where, words } of all) {
      const { command, args } = pulumiOf(words) ?? {};
      if (command === undefined || args === undefined) continue;
      expect(PULUMI, `${where}: ${words.join(" ")}`).to.have.property(command);
      for (const option of args.filter((each) => each.startsWith("--"))) {
        expect(PULUMI[command], `${where}: ${words.join(" ")}`).to.include(option);
      }
    }
  });

  it("is what the Pulumi CLI says it has, where there is one", async function () {
    const version = await promisify(execFile)("pulumi", ["version"]).catch(() => undefined);
    if (!version) return this.skip();
    for (const [command, options] of Object.entries(PULUMI)) {
      const { stdout } = await promisify(execFile)("pulumi", [...command.split(" "), "--help"]);
      expect(stdout, command).to.contain(command.split(" ").at(-1));
      for (const option of options) expect(stdout, command).to.contain(`${option} `);
    }
  });

  it("says above it what it needs beside Node.js, where it needs anything", () => {
    for (const { where, inline, text } of blocks) {
      if (inline) continue;
      const programs = new Set(
        commandsOf(text).map(([first = "", second = ""]) => (first === "npx" ? second : first)),
      );
      const needed = ["pulumi", "aws"].filter((program) => programs.has(program));
      const said = /^#.* needs (.*)/.exec(text)?.[1]?.split(", ") ?? [];
      expect(said, where).to.include.members(needed);
    }
  });

  it("sets what can be set, on the stacks as they are configured", async () => {
    const seen = new Set<string>();
    for (const stack of ["dev", "prod"]) {
      for (const block of blocks) {
        for (const { config, after } of settledBy(block, stack)) {
          if (seen.has(JSON.stringify(config))) continue;
          seen.add(JSON.stringify(config));
          const problem = await runProgram("index.ts", config, new Recorder("us-east-1").provision).then(
            () => undefined,
            (error: Error) => error.message,
          );
          expect(problem, `${block.where} on stack ${stack}: ${after}`).to.equal(undefined);
        }
      }
    }
  });
});

/** The script that a command runs, and its arguments. */
function npmOf(words: readonly string[]): { script: string; args: string[] } | undefined {
  const [program, ...rest] = words[0] === "npx" ? words.slice(1) : words;
  if (program !== "npm") return undefined;
  const [first = "", ...others] = rest.filter((word) => word !== "--silent");
  if (first === "run") return { script: others[0] ?? "", args: others.slice(2) };
  return ["start", "test"].includes(first) ? { script: first, args: others.slice(1) } : undefined;
}

function pulumiOf(words: readonly string[]): { command: string; args: string[] } | undefined {
  const [program = "", ...rest] = words[0] === "npx" ? words.slice(1) : words;
  if (program.split("@")[0] !== "pulumi" || rest.length === 0) return undefined;
  const two = rest.slice(0, 2).join(" ");
  return two in PULUMI && rest.length > 1
    ? { command: two, args: rest.slice(2) }
    : { command: rest[0] ?? "", args: rest.slice(1) };
}

const usages = new Map<string, Promise<Map<string, boolean>>>();

/** The options of a command, and whether a value follows, as its usage has them. */
function optionsOf(script: string): Promise<Map<string, boolean>> {
  const known =
    usages.get(script) ??
    promisify(execFile)(process.execPath, [`src/cli/${script}.ts`, "--help"]).then(
      ({ stdout }) =>
        new Map(
          [...stdout.matchAll(/^ {2}(--[\w-]+)( [A-Z])?/gm)].map(([, option = "", value]) => [
            option,
            !!value,
          ]),
        ),
    );
  usages.set(script, known);
  return known;
}

/** The configurations of a stack that a block of commands comes to, where it sets anything: at each `up`, and at its end. */
function settledBy({ text }: Block, stack: string): { config: StackConfig; after: string }[] {
  const settled: { config: StackConfig; after: string }[] = [];
  const { project, ...rest } = readStackConfig(process.cwd(), stack);
  const config = { ...rest.config };
  let pending: string[] = [];
  const settle = () => {
    if (pending.length > 0)
      settled.push({ config: { ...rest, project, config: { ...config } }, after: pending.join("; ") });
    pending = [];
  };
  for (const words of commandsOf(text)) {
    const { command = "", args = [] } = pulumiOf(words) ?? {};
    const of = args[args.indexOf("--stack") + 1];
    if (args.includes("--stack") && of !== stack && !of?.startsWith("$")) continue;
    if (RUN_THE_PROGRAM.includes(command)) settle();
    if (command !== "config set" && command !== "config rm") continue;
    pending.push(words.join(" "));
    const [name = "", value = ""] = args.filter(
      (each, index) => !each.startsWith("--") && args[index - 1] !== "--stack",
    );
    const [first = "", ...inner] = name.replace(`${project}:`, "").split(".");
    const key = first.includes(":") ? first : `${project}:${first}`;
    if (inner.length === 0 && command === "config rm") delete config[key];
    else if (inner.length === 0) config[key] = value;
    else
      config[key] = JSON.stringify(
        changed(JSON.parse(config[key] ?? "{}"), inner, command === "config rm" ? undefined : value),
      );
  }
  settle();
  return settled;
}

/** An object with a value at a path of names, or without what is there. */
function changed(
  object: Record<string, unknown>,
  [first = "", ...more]: string[],
  value: string | undefined,
): object {
  const { [first]: before, ...others } = object;
  if (more.length > 0)
    return { ...object, [first]: changed((before ?? {}) as Record<string, unknown>, more, value) };
  return value === undefined ? others : { ...others, [first]: parsed(value) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
