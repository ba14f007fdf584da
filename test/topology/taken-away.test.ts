import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import { machine, type Registered } from "../support/mocks.ts";

/** Settings that differ in all that can be given or not, beside those that make resources come and go. */
const SETTINGS: Record<string, ImageFanOutArgs> = {
  nothing: {},
  "a key and traces": { key: "create", tracing: true },
  "a retired key": { key: "retire" },
  "reserved concurrency": { workers: { reservedConcurrency: 20 } },
  pollers: { workers: { scaling: { minimumPollers: 2, maximumPollers: 2 } } },
};

/**
 * Whether AWS's value of an argument is kept where a program does not give it: in the provider's types what is both
 * optional and computed may be missing from what is given, and never is from what comes of it.
 */
function isKept(type: string, argument: string): boolean {
  const [, module = ""] = type.split(":");
  const types = readFileSync(`node_modules/@pulumi/aws/${module}.d.ts`, "utf8");
  const [, output] = new RegExp(`readonly ${argument}: pulumi\\.Output<(.*)>;`).exec(types) ?? [];
  if (output === undefined) throw new Error(`${type} has no ${argument}`);
  return !output.endsWith("| undefined");
}

describe("what a setting turned on", () => {
  const machines = new Map<string, Map<string, Registered>>();

  before(async () => {
    for (const [name, args] of Object.entries(SETTINGS)) {
      const resources = await machine(args, { clockwise: 90 });
      machines.set(name, new Map(resources.map((each) => [`${each.type} ${each.name}`, each])));
    }
  });

  it("is turned off in words wherever AWS would keep it otherwise", () => {
    const left: string[] = [];
    let compared = 0;
    for (const on of machines.values()) {
      for (const off of machines.values()) {
        for (const [key, { type, inputs }] of on) {
          if (!type.startsWith("aws:")) continue;
          const others = off.get(key)?.inputs;
          for (const argument of Object.keys(others ? inputs : {})) {
            if (inputs[argument] === undefined || others?.[argument] !== undefined) continue;
            compared++;
            // SQS takes it away itself from a queue that gets a key: there is one kind of encryption at a time.
            if (argument === "sqsManagedSseEnabled" && others?.kmsMasterKeyId) continue;
            if (isKept(type, argument)) left.push(`${key} ${argument}`);
          }
        }
      }
    }

    expect([...new Set(left)]).to.deep.equal([]);
    expect(compared).to.be.greaterThan(5);
  });
});
