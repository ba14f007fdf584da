import { spawn, spawnSync } from "node:child_process";
import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import sharp from "sharp";
import type { Machine } from "../../src/machine/machine.ts";
import { blocksOf, commandsOf } from "../support/docs.ts";
import { s3Record } from "../support/events.ts";
import { heldForFile, withFolder, withMachine } from "../support/machine.ts";
import { quiet } from "../support/quiet.ts";

/** What stands for the Pulumi CLI: it knows the outputs of one stack. */
const PULUMI = (outputs: string) => `#!/usr/bin/env node
const [stack, command, ...args] = process.argv.slice(2);
if (stack !== "stack") throw new Error("This is for stacks alone.");
if (command === "output") {
  const all = JSON.parse(require("fs").readFileSync(${JSON.stringify(outputs)}, "utf8"));
  const name = args.find((each, index) => !each.startsWith("--") && args[index - 1] !== "--stack");
  const value = name === undefined ? all : all[name];
  console.log(args.includes("--json") ? JSON.stringify(value) : value);
}
`;

/** Commands that the machine on this computer answers. */
const HERE = /^(npm run (smoke|dead-letters|reconcile)|pulumi stack (select|output)|aws (s3 cp|sqs) )/;

const OF_CLIS = /^(npm|npx|pulumi|aws)$/;

const programs = (script: string) => commandsOf(script).filter(([program = ""]) => OF_CLIS.test(program));

/** The blocks of the runbook that can run here, each once, in their order; the names of the first are there in all others. */
const runnable = blocksOf("docs/operations.md").filter(
  ({ inline, text: script }, index, all) =>
    !inline &&
    programs(script).length > 0 &&
    programs(script).every((words) => HERE.test(`${words.join(" ")} `)) &&
    all.findIndex((other) => other.text === script) === index,
);
const names = runnable.find(({ text: script }) => script.includes("WORKER=clockwise"))?.text ?? "";

/** What a block says on a machine with a letter of each kind. */
const SAYS: [RegExp, RegExp][] = [
  [/outputs\.json/, /2 of 2 results are right/],
  [/redrive --reason failed-too-often/, /clockwise: 1 sent again/],
  [/drop --reason not-an-image/, /\nclockwise: 1 deleted\n[\s\S]*\ncounter-clockwise: 1 deleted/],
  [/npm run dead-letters -- --stack prod$/, /not-an-image {2}1 {2}\(sent \S+\)\n {6}bad\.png: /],
  [/sqs get-queue-attributes/, /"ApproximateNumberOfMessages": "0"/],
  [/npm run smoke -- --stack prod$/, /2 of 2 results are right/],
  [/reconcile/, /clockwise: \d+ created = \d+ results? \+ 0 rejected \+ \d+ superseded \+ 0 in flight(;|\n)/],
];

describe("the runbook", function () {
  this.timeout(120_000);
  const isThere = (program: string) => spawnSync(program, ["--version"]).status === 0;
  let machine: Machine;
  let folder: string;

  before(async function () {
    if (process.platform === "win32" || !isThere("bash")) return this.skip();
    machine = await heldForFile((hold) =>
      withFolder(async (made) => {
        folder = made;
        await withMachine({ folder: path.join(made, "state") }, hold);
      }),
    );
    // The project, in a folder in which commands may leave files.
    await mkdir(path.join(folder, "bin"));
    await mkdir(path.join(folder, "project"));
    for (const entry of await readdir("."))
      await symlink(path.resolve(entry), path.join(folder, "project", entry));
    const pulumi = path.join(folder, "bin/pulumi");
    await writeFile(pulumi, PULUMI(path.join(folder, "state/outputs.json")));
    const aws = path.join(folder, "bin/aws");
    const [real] = spawnSync("bash", ["-c", "command -v aws"], { encoding: "utf8" }).stdout.split("\n");
    // Its first version does not take the variable for every service.
    if (real) await writeFile(aws, `#!/bin/sh\nexec ${real} --endpoint-url ${machine.endpoint} "$@"\n`);
    for (const file of real ? [pulumi, aws] : [pulumi]) await chmod(file, 0o755);

    const { sourceBucket: Bucket } = machine.outputs;
    const good = await sharp({ create: { width: 9, height: 6, channels: 3, background: "teal" } })
      .png()
      .toBuffer();
    await machine.s3.send(new PutObjectCommand({ Bucket, Key: "good.png", Body: good }));
    await machine.s3.send(new PutObjectCommand({ Bucket, Key: "bad.png", Body: "no image" }));
    await quiet(machine);
    await leaveUndelivered();
  });

  /** Puts a message into a dead-letter queue that the topic could not deliver. */
  async function leaveUndelivered() {
    const { sourceBucket, workers } = machine.outputs;
    const record = s3Record("good.png") as { s3: object };
    const event = { ...record, s3: { ...record.s3, bucket: { name: sourceBucket } } };
    await machine.sqs.send(
      new SendMessageCommand({
        QueueUrl: workers.clockwise?.deadLetterQueue,
        MessageBody: JSON.stringify({ Records: [event] }),
      }),
    );
  }

  /** Runs a script in the project's folder, as somebody who answers yes. */
  async function shell(script: string) {
    const child = spawn("bash", ["-c", script], {
      cwd: path.join(folder, "project"),
      env: {
        ...process.env,
        PATH: [path.join(folder, "bin"), path.dirname(process.execPath), process.env.PATH].join(
          path.delimiter,
        ),
        AWS_ENDPOINT_URL: machine.endpoint,
        AWS_ACCESS_KEY_ID: machine.administrator.accessKeyId,
        AWS_SECRET_ACCESS_KEY: machine.administrator.secretAccessKey,
      },
    });
    const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.stdin.on("error", () => {});
    child.stdin.end("yes\nyes\n");
    const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { stdout, stderr, exitCode };
  }

  it("has blocks for this machine under most of its headings", () => {
    expect(runnable.map(({ heading }) => heading)).to.include.members([
      "Which command answers which question",
      "When an alarm rings",
      "Dead letters",
      "Late",
      "Errors",
      "Undelivered",
    ]);
  });

  for (const { text: script, where } of runnable) {
    const [command = ""] = script.split("\n").filter((line) => !line.startsWith("#"));
    it(`runs word for word: ${command}`, async function () {
      if (/^aws|\$\(aws| aws /m.test(script) && !isThere("aws")) return this.skip();

      // An earlier section may have sent the one that was there.
      if (/--reason undelivered/.test(script) && !/failed-too-often/.test(script)) await leaveUndelivered();
      const { stdout, stderr, exitCode } = await shell(script === names ? script : `${names}\n${script}`);

      expect(exitCode, `${where}: ${stderr}`).to.equal(0);
      const [, says] = SAYS.find(([block]) => block.test(script)) ?? [];
      if (says) expect(stdout, where).to.match(says);
      // Whose letter was dropped has no result, which reconcile would say; somebody deletes it, as it is no image.
      const { sourceBucket: Bucket } = machine.outputs;
      if (script.includes("--drop"))
        await machine.s3.send(new DeleteObjectCommand({ Bucket, Key: "bad.png" }));
      await quiet(machine);
    });
  }
});
