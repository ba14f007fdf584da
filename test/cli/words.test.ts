import { expect } from "chai";
import { logLine, sizeOf } from "../../src/cli/words.ts";

describe("what is said to a person", () => {
  it("has sizes in the unit that shows them", () => {
    expect([0, 512, 1000, 999_499, 999_500, 3_440_000].map(sizeOf)).to.deep.equal([
      "0 B",
      "512 B",
      "1 kB",
      "999 kB",
      "1.0 MB",
      "3.4 MB",
    ]);
  });

  it("is of a line of a log what became of which image, and why", () => {
    const common = { timestamp: "2026-11-26T19:06:26.465Z", function_name: "grey-1", key: "a.jpg" };
    const stack = (folder: string) =>
      `TypeError: no\n    at toBuffer (/x/node_modules/sharp.js:1:2)\n    at operation (${folder}/handlers/grey.ts:5:51)`;
    const failed = (folder: string) => ({
      ...{ ...common, level: "ERROR", message: "failed" },
      error: { name: "TypeError", message: "no\nand no", stack: stack(folder) },
    });

    const rejected = { level: "WARN", message: "rejected", ...common, code: "corrupt", reason: "It is cut." };
    expect(logLine(JSON.stringify(rejected))).to.equal("WARN  rejected a.jpg: It is cut. (corrupt)");
    for (const folder of ["/state/functions/grey-1", "/var/task"]) {
      const line = logLine(JSON.stringify(failed(folder)));
      expect(line).to.equal("ERROR failed a.jpg: TypeError: no (handlers/grey.ts:5:51)");
    }
    expect(logLine(`  ${JSON.stringify({ level: "INFO", message: "hello" })}`)).to.equal("  INFO  hello");
    for (const other of ["START RequestId: 1", "null", '{"_aws":{}}', "{"])
      expect(logLine(other)).to.equal(other);
  });
});
