import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough } from "node:stream";
import { expect } from "chai";
import { checkFolder, outliveReaders, parsedArguments } from "../../src/cli/arguments.ts";
import { UsageError } from "../../src/machine/inputs.ts";
import { afterTest } from "../support/cleanup.ts";

const USAGE = `Usage: npm run turn -- [--out DIR] [OPTION]...

  --out DIR           where it goes
  --start-after KEY   behind this one
  --strict            refuses more`;

const options = {
  out: { type: "string" },
  "start-after": { type: "string" },
  strict: { type: "boolean" },
} as const;

describe("arguments that a command does not take", () => {
  const parse = (...args: string[]) => parsedArguments(USAGE, { args, options });

  for (const [args, sentence] of [
    [["--ot", "x"], "--ot is not an option of npm run turn; did you mean --out?"],
    [["--output=x"], "--output is not an option of npm run turn; did you mean --out?"],
    [["--star-afer=x"], "--star-afer is not an option of npm run turn; did you mean --start-after?"],
    [["--yes"], "--yes is not an option of npm run turn."],
    [["-x"], "-x is not an option of npm run turn."],
    [["--constructor"], "--constructor is not an option of npm run turn."],
    [["--out"], "--out needs a value, as in --out DIR."],
    [["--out", "--strict"], "--out needs a value, as in --out DIR."],
    [["--start-after", "-h"], "--start-after needs a value, as in --start-after KEY."],
    [["--strict=yes"], "--strict takes no value."],
    [["--strict", "a b"], 'Unexpected argument "a b": npm run turn takes only options.'],
  ] as const) {
    it(`are told of in a sentence: ${args.join(" ")}`, () => {
      expect(() => parse(...args)).to.throw(UsageError, `${sentence} npm run turn -- --help says more.`);
    });
  }

  it("are not what begins with a hyphen and an equals sign, nor standard input", () => {
    expect(parse("--out=-x", "--start-after", "-").values).to.include({ out: "-x", "start-after": "-" });
  });
});

describe("a negative number behind an option", () => {
  const parse = (...args: string[]) => parsedArguments(USAGE, { args, options }).values;

  it("is its value, so that the command can tell its range", () => {
    expect(parse("--out", "-1", "--strict")).to.include({ out: "-1", strict: true });
    expect(parse("--start-after", "-.5")).to.include({ "start-after": "-.5" });
  });

  it("is none where the option takes no value", () => {
    expect(() => parse("--strict", "-1")).to.throw(UsageError, "-1 is not an option of npm run turn");
  });
});

describe("a folder to write to", () => {
  it("may not exist yet, and is left as it is", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "image-machine-test-"));
    afterTest(() => rmSync(folder, { recursive: true }));

    await checkFolder("--out", path.join(folder, "new/er"));

    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it("is refused in a sentence where it cannot be written to", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "image-machine-test-"));
    afterTest(() => rmSync(folder, { recursive: true }));
    mkdirSync(path.join(folder, "a"));
    writeFileSync(path.join(folder, "a/file"), "");
    const refusal = (at: string) => checkFolder("--out", at).catch((error: Error) => error.message);

    const file = path.join(folder, "a/file");
    expect(await refusal(file)).to.equal(`--out ${file} cannot be written: not a directory.`);
    if (process.platform === "linux") {
      // Where making a folder with all those above it would never come to an end.
      expect(await refusal("/proc/x/y")).to.equal(
        "--out /proc/x/y cannot be written: no such file or directory.",
      );
    }
  });
});

describe("a command whose output nobody reads any more", () => {
  it("goes on, and fails where the output cannot be written for another reason", () => {
    const output = new PassThrough();
    outliveReaders([output]);
    const fail = (code: string) => output.emit("error", Object.assign(new Error(code), { code }));

    expect(() => fail("EPIPE")).not.to.throw();
    expect(() => fail("ENOSPC")).to.throw("ENOSPC");
  });
});
