import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { expect } from "chai";
import { withFolder } from "../support/machine.ts";

const require = createRequire(import.meta.url);
require("../../src/cli/defer.cjs");

/** As TypeScript writes `import * as` and `export *`. */
const INDEX = `"use strict";
const star = (module) => {
  if (module && module.__esModule) return module;
  const copy = {};
  for (const name in module) copy[name] = module[name];
  return copy;
};
const copyInto = (module, target) => {
  for (const name in module) target[name] = module[name];
};
exports.sqs = star(require("./sqs"));
exports.ec2 = star(require("./ec2"));
copyInto(require("./all"), exports);
copyInto(require("./provider"), exports);
`;

const service = (name: string) => `"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
globalThis.loadedForTest.push("${name}");
exports.${name} = class ${name} {};
`;

describe("services of @pulumi/aws", () => {
  it("are loaded when one is used, and are what they are", async () => {
    await withFolder(async (folder) => {
      const loaded: string[] = [];
      Object.assign(globalThis, { loadedForTest: loaded });
      const files = { sqs: "Queue", ec2: "Vpc", all: "All", provider: "Provider" };
      const aws = path.join(folder, "node_modules/@pulumi/aws");
      await mkdir(aws, { recursive: true });
      await writeFile(path.join(aws, "index.js"), INDEX);
      for (const [file, name] of Object.entries(files)) {
        await writeFile(path.join(aws, `${file}.js`), service(name));
      }

      const index = require(path.join(aws, "index.js"));

      expect(loaded).to.deep.equal(["All", "Provider"]);
      expect(new index.sqs.Queue().constructor.name).to.equal("Queue");
      expect(loaded).to.deep.equal(["All", "Provider", "Queue"]);
      expect("Vpc" in index.ec2).to.equal(true);
      expect(Object.keys(index.ec2)).to.deep.equal(["Vpc"]);
      expect([index.All.name, index.Provider.name]).to.deep.equal(["All", "Provider"]);
    });
  });
});
