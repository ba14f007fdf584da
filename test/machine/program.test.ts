import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect } from "chai";
import { type DeclaredResource, runProgram } from "../../src/machine/program.ts";
import { ProgramError } from "../../src/machine/program-error.ts";
import { withFolder } from "../support/machine.ts";

const STACK = { project: "machine", stack: "test", config: { "aws:region": "eu-west-1" } };
const HEAD = `import aws from ${JSON.stringify(import.meta.resolve("@pulumi/aws"))};
import pulumi from ${JSON.stringify(import.meta.resolve("@pulumi/pulumi"))};
`;

type Provision = Parameters<typeof runProgram>[2];

const named: Provision = async ({ name, inputs }) => ({ id: name, state: { ...inputs, arn: `arn:${name}` } });

/** Runs a program of a few lines, the first of which is line 3. */
function runLines(lines: string, provision: Provision = named): Promise<Record<string, unknown>> {
  return withFolder(async (folder) => {
    const file = path.join(folder, "index.ts");
    await writeFile(file, HEAD + lines);
    const mine = "export class Mine {\n  some: any;\n  go = this.some.thing;\n}\n";
    await writeFile(path.join(folder, "mine.ts"), mine);
    return runProgram(file, STACK, provision);
  });
}

/** What a program is told that cannot be run. */
async function refusal(lines: string, provision?: Provision): Promise<string> {
  const error = await runLines(lines, provision).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).to.be.instanceOf(ProgramError);
  return (error as Error).message;
}

describe("a program that throws", () => {
  const topic = 'const topic = new aws.sns.Topic("t");\n';
  const mistakes: [string, string, RegExp | string][] = [
    ["an error", 'throw new Error("it is wrong");', "index.ts:3:7: it is wrong"],
    [
      "an error of JavaScript's",
      "const some: any = undefined;\nsome.thing();",
      "index.ts:4:6: TypeError: Cannot read properties of undefined (reading 'thing')",
    ],
    ["what is no error", 'throw "a text";', "index.ts threw 'a text', which is not an Error."],
    [
      "inside an apply",
      `${topic}topic.arn.apply(() => { throw new Error("too late"); });`,
      "index.ts:4:31: too late",
    ],
    ["a syntax error", "const some = {{ ;", /^index\.ts:3: SyntaxError: .+$/],
    [
      "in a component's own file, with the line of the program",
      'import { Mine } from "./mine.ts";\nnew Mine();',
      "index.ts:4:1: TypeError: Cannot read properties of undefined (reading 'thing') (thrown at mine.ts:3:18)",
    ],
    [
      "a handler that is not there",
      `import { bundleHandler } from ${JSON.stringify(import.meta.resolve("../../src/packaging/bundle.ts"))};
       bundleHandler("handlers/nowhere.ts");`,
      /^index\.ts:4:8: Could not resolve ".*nowhere\.ts"$/,
    ],
    [
      "a handler that does not compile, in its own file",
      `import { bundleHandler } from ${JSON.stringify(import.meta.resolve("../../src/packaging/bundle.ts"))};
       import { writeFileSync } from "node:fs";
       writeFileSync(new URL("wrong.ts", import.meta.url), "export const handler = ;");
       bundleHandler(new URL("wrong.ts", import.meta.url).pathname);`,
      /^\S+wrong\.ts:1:24: Unexpected ";"$/,
    ],
    ["for an import", 'import "./nowhere.ts";', "index.ts:3: Cannot find module 'nowhere.ts'"],
    [
      "for an import of a package",
      'import a from "nowhere-at-all";',
      "index.ts:3: Cannot find package 'nowhere-at-all'",
    ],
    [
      "a worker's handler that is not there, with the worker",
      `import { ImageFanOut, ImageWorker } from ${JSON.stringify(import.meta.resolve("../../src/exports/index.ts"))};
new ImageWorker("grey", { fanOut: new ImageFanOut("images"), handler: "handlers/gray.ts" });`,
      `index.ts:4:1: ImageWorker "grey": handler is "handlers/gray.ts", but there is no such file in ${process.cwd()}.`,
    ],
    [
      "a value of a component that turns out wrong later, with the line that gives it",
      `import { ImageFanOut } from ${JSON.stringify(import.meta.resolve("../../src/topology/image-fan-out.ts"))};
${topic}const memorySize = topic.arn.apply(() => 64);
new ImageFanOut("images", { workers: { memorySize } });`,
      'index.ts:6:1: ImageFanOut "images": workers.memorySize is 64, but must be a whole number from 256 to 10240 MB.',
    ],
    [
      "what says in which file it is",
      'throw new pulumi.RunError("Pulumi.dev.yaml: Setting tracng is not known.");',
      "Pulumi.dev.yaml: Setting tracng is not known.",
    ],
    [
      "two fan-outs of one name",
      `import { ImageFanOut } from ${JSON.stringify(import.meta.resolve("../../src/topology/image-fan-out.ts"))};
new ImageFanOut("images");
new ImageFanOut("images");`,
      'ImageFanOut "images": the program declares two of this name, which must be unique in the whole program. Give one of them another name.',
    ],
  ];
  for (const [what, lines, message] of mistakes) {
    it(`says what and where: ${what}`, async () => {
      const said = await refusal(lines);

      if (typeof message === "string") expect(said).to.equal(message);
      else expect(said).to.match(message);
    });
  }

  it("gets nothing made any more after the first refusal, and nothing else is told", async () => {
    const made: string[] = [];
    const said = await refusal(
      `const first = new aws.sns.Topic("first");
       new aws.sns.Topic("second", {}, { dependsOn: first });
       new aws.sns.Topic("third");`,
      async (resource) => {
        made.push(resource.name);
        if (resource.name === "first") throw new ProgramError("first: not here");
        return named(resource);
      },
    );

    expect(said).to.equal("first: not here");
    expect(made).to.include("first").and.not.include("second");
  });

  it("waits for what is being made before it tells", async () => {
    let done = false;
    await refusal('new aws.sns.Topic("slow");\nnew aws.sns.Topic("wrong");', async ({ name }) => {
      if (name === "wrong") throw new ProgramError("not here");
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      done = true;
      return { id: name, state: {} };
    });

    expect(done).to.equal(true);
  });
});

describe("a program with secrets", () => {
  it("gives resources the values that they are, wherever in an input they stand", async () => {
    const made: DeclaredResource["inputs"][] = [];
    const outputs = await runLines(
      `const secret = pulumi.secret("hush");
       const topic = new aws.sns.Topic("t", { displayName: secret, tags: { Owner: secret } });
       export const told = topic.displayName;`,
      async (resource) => {
        made.push(resource.inputs);
        return named(resource);
      },
    );

    expect(made).to.deep.equal([{ displayName: "hush", tags: { Owner: "hush" } }]);
    expect(outputs).to.deep.equal({ told: "hush" });
  });
});

describe("the names of a program", () => {
  it("are refused where Pulumi's engine refuses them: two of one type, name and parent", async () => {
    expect(await refusal('new aws.sns.Topic("t");\nnew aws.sns.Topic("t");')).to.equal(
      'aws:sns/topic:Topic "t": the program declares two of this type and name. Give one of them another name.',
    );
    expect(
      await refusal(`const parent = new pulumi.ComponentResource("my:own:Thing", "it");
        new aws.sns.Topic("t", {}, { parent });
        new aws.sns.Topic("t", {}, { parent });`),
    ).to.equal(
      'aws:sns/topic:Topic "t": the program declares two of this type and name in Thing "it". Give one of them another name.',
    );
  });

  it("may be those of another type, or of a parent of another type, however far up", async () => {
    const made: string[] = [];
    await runLines(
      `new aws.sns.Topic("t");
       new aws.sqs.Queue("t");
       for (const type of ["my:own:A", "my:own:B"]) {
         const above = new pulumi.ComponentResource(type, "above");
         const parent = new pulumi.ComponentResource("my:own:Inner", "inner", {}, { parent: above });
         new aws.sns.Topic("t", {}, { parent });
       }`,
      async (resource) => {
        made.push(`${resource.type.split(":").at(-1)} ${resource.name}`);
        return named(resource);
      },
    );

    expect(made.sort()).to.deep.equal(["Queue t", "Topic t", "Topic t", "Topic t"]);
  });
});

describe("functions that read the account", () => {
  it("answer for the account on this computer", async () => {
    const outputs = await runLines(`
      export const account = (await aws.getCallerIdentity()).accountId;
      export const region = aws.getRegionOutput().region;
      export const partition = aws.getPartitionOutput().partition;
      export const zones = aws.getAvailabilityZonesOutput().zoneIds;
      const topic = new aws.sns.Topic("t");
      export const policy = aws.iam.getPolicyDocumentOutput({
        statements: [
          {
            sid: "Sends",
            actions: ["sns:Publish"],
            resources: [topic.arn],
            principals: [{ type: "AWS", identifiers: ["111111111111", "222222222222"] }],
            conditions: [
              { test: "StringEquals", variable: "aws:SourceAccount", values: ["1"] },
              { test: "StringLike", variable: "aws:PrincipalTag/a", values: ["&{aws:username}", "b"] },
            ],
          },
          { effect: "Deny", notActions: ["sns:*"], resources: ["*"], principals: [{ type: "*", identifiers: ["*"] }] },
        ],
      }).json;`);

    expect(outputs).to.deep.include({
      account: "000000000000",
      region: "eu-west-1",
      partition: "aws",
      zones: ["euw1-az1", "euw1-az2", "euw1-az3"],
    });
    expect(JSON.parse(String(outputs.policy))).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "Sends",
          Effect: "Allow",
          Action: "sns:Publish",
          Resource: "arn:t",
          Principal: { AWS: ["111111111111", "222222222222"] },
          Condition: {
            StringEquals: { "aws:SourceAccount": "1" },
            // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of IAM's
            StringLike: { "aws:PrincipalTag/a": ["${aws:username}", "b"] },
          },
        },
        { Effect: "Deny", NotAction: "sns:*", Resource: "*", Principal: "*" },
      ],
    });
  });

  it("are refused in a sentence where only AWS could tell", async () => {
    expect(await refusal('aws.ssm.getParameterOutput({ name: "/a" });')).to.equal(
      "The program calls aws:ssm/getParameter:getParameter, which has no answer on this computer. To run here, take the value from the stack's configuration instead.",
    );
  });

  it("are told from resources that are read, which come with their identifier", async () => {
    const declared: DeclaredResource[] = [];
    await runLines(
      'aws.s3.Bucket.get("old", "my-bucket");\nnew aws.s3.Bucket("new", {}, { import: "mine" });',
      async (resource) => {
        declared.push(resource);
        return named(resource);
      },
    );

    expect(Object.fromEntries(declared.map(({ name, existing }) => [name, existing]))).to.deep.equal({
      old: "my-bucket",
      new: undefined,
    });
  });
});
