import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { parse } from "yaml";

/** What a Node.js that is too old says when it runs a script. */
function saidBy(script: string): { status: number | null; stderr: string } {
  const pretend = `
    Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.1.0" } });
    process.argv[1] = ${JSON.stringify(script)};
    require("./src/cli/require-node.cjs");`;
  return spawnSync(process.execPath, ["--eval", pretend], { encoding: "utf8" });
}

describe("a Node.js that is too old", () => {
  it("is told in a sentence how to take the project's own, also by the Pulumi CLI", () => {
    const npm = saidBy("/project/src/cli/start.ts");
    const pulumi = saidBy("/project/node_modules/@pulumi/pulumi/cmd/run/index.js");

    expect(npm.stderr).to.match(/^This needs Node\.js 24, and v[\d.]+ is running: run "npm ci" .*\.\n$/);
    expect(pulumi.stderr).to.match(
      /^This needs Node\.js 24, .*: put npx -c before it, as in npx -c "pulumi up", /,
    );
    expect([npm.status, pulumi.status]).to.deep.equal([1, 1]);
    // The CLI loads it before the program, of which an old one says that the file extension is unknown.
    const { options } = parse(readFileSync("Pulumi.yaml", "utf8")).runtime;
    expect(options.nodeargs).to.equal("--require ./src/cli/require-node.cjs");
  });
});
