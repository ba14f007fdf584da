import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { afterTest } from "../support/cleanup.ts";

/** Runs a script as Node.js 20 would, in a project whose own Node.js is a program of the test, or is not installed. */
function onNode20(own?: string) {
  const project = mkdtempSync(path.join(tmpdir(), "require-node-"));
  afterTest(() => rmSync(project, { recursive: true }));
  const put = (file: string, content: string) => {
    mkdirSync(path.dirname(path.join(project, file)), { recursive: true });
    writeFileSync(path.join(project, file), content, { mode: 0o755 });
  };
  put(
    "old.cjs",
    'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } });',
  );
  put("script.cjs", 'console.log("runs")');
  if (own !== undefined) put("node_modules/node/bin/node", own);
  mkdirSync(path.join(project, "src/cli"), { recursive: true });
  cpSync("src/cli/require-node.cjs", path.join(project, "src/cli/require-node.cjs"));
  const args = ["--require", "./old.cjs", "--require", "./src/cli/require-node.cjs", "script.cjs", "--flag"];
  return spawnSync(process.execPath, args, { cwd: project, encoding: "utf8" });
}

describe("a Node.js that is too old", () => {
  it("hands over to the one that npm has installed for the project, whose exit code is its own", () => {
    const { stdout, stderr, status } = onNode20('#!/bin/sh\necho "$@"\nexit 7\n');

    expect(stderr).to.equal("");
    expect(stdout).to.match(
      /^--require \.\/old\.cjs --require \.\/src\/cli\/require-node\.cjs \S*script\.cjs --flag\n$/,
    );
    expect(status).to.equal(7);
  });

  it("says what to do where there is none", () => {
    const { stdout, stderr, status } = onNode20();

    expect(stdout).to.equal("");
    expect(stderr).to.match(/^This needs Node\.js 24, and v\S+ is running: run "npm ci" [^\n]*\n$/);
    expect(status).to.equal(1);
  });

  it("is met by the Pulumi CLI as well, which runs programs on the first of the PATH", () => {
    const { runtime } = parse(readFileSync("Pulumi.yaml", "utf8"));

    expect(runtime.options.nodeargs).to.equal("--require ./src/cli/require-node.cjs");
  });
});
