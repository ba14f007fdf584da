import path from "node:path";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import sharp from "sharp";
import { type Machine, startMachine } from "../../src/machine/machine.ts";
import { dealWithDeadLetters, type Look } from "../../src/operations/dead-letters.ts";
import { runCommand } from "../support/command.ts";
import { heldForFile, withFolder } from "../support/machine.ts";
import { quiet } from "../support/quiet.ts";

const image = (red: number) =>
  sharp({ create: { width: 2, height: 1, channels: 3, background: { r: red, g: 0, b: 0 } } })
    .png()
    .toBuffer();

describe("operating a machine", function () {
  this.timeout(60_000);
  let machine: Machine;
  let folder: string;

  before(async () => {
    machine = await heldForFile((hold) =>
      withFolder(async (made) => {
        folder = made;
        const started = await startMachine({ project: process.cwd(), folder });
        await hold(started);
        await started.stop();
      }),
    );
    for (const key of ["a b.png", "köln/+.png", "deleted.png"]) await put(key, await image(0));
    for (const red of [0, 1, 2]) await put("often.png", await image(red));
    await put("bad.png", Buffer.from("no image"));
    await quiet(machine);
  });

  const put = (Key: string, Body: Buffer) =>
    machine.s3.send(new PutObjectCommand({ Bucket: machine.outputs.sourceBucket, Key, Body }));

  const command = (name: string, ...args: string[]) =>
    runCommand(machine, name, "--outputs", path.join(folder, "outputs.json"), ...args);

  const ALL_WELL = "7 created = 4 results + 1 rejected + 2 superseded + 0 in flight";

  it("accounts for every version of every key", async () => {
    const { stdout, exitCode } = await command("reconcile", "--grace", "0");

    expect(stdout.trim().split("\n")).to.deep.equal([
      `clockwise: ${ALL_WELL}`,
      `counter-clockwise: ${ALL_WELL}`,
    ]);
    expect(exitCode).to.equal(0);
  });

  it("lists what is missing, stale or orphaned, sends exactly that, and is then content", async () => {
    const { sourceBucket, resultsBucket } = machine.outputs;
    const result = (key: string) => ({ Bucket: resultsBucket, Key: `clockwise/${key}` });
    await machine.s3.send(new DeleteObjectCommand(result("köln/+.png")));
    const Metadata = { "source-version": "an older one", "source-sequencer": "00" };
    await machine.s3.send(new PutObjectCommand({ ...result("often.png"), Body: "old", Metadata }));
    await machine.s3.send(new DeleteObjectCommand({ Bucket: sourceBucket, Key: "deleted.png" }));

    const found = await command("reconcile", "--grace", "0", "--worker", "clockwise");

    const lines = [
      "orphaned  clockwise  deleted.png",
      "missing   clockwise  köln/+.png",
      "stale     clockwise  often.png",
    ];
    const tally =
      "clockwise: 7 created = 1 result + 1 rejected + 3 superseded + 0 in flight + 1 missing + 1 stale; 1 result is orphaned";
    expect(found.stdout.trim().split("\n")).to.deep.equal([...lines, tally]);
    expect(found.stderr).to.match(
      /^clockwise: an image whose dead letter was dropped, .* counts as missing too.*\nclockwise: an orphaned result is of a source that was deleted.* nothing has to be done; delete those that are not wanted .*\n$/,
    );
    expect(found.exitCode).to.equal(1);

    const repaired = await command("reconcile", "--grace", "0", "--worker", "clockwise", "--repair");

    expect(repaired.stdout).to.contain("; 2 were sent to the queue");
    expect(repaired.exitCode).to.equal(0);
    await quiet(machine);
    const again = await command("reconcile", "--grace", "0", "--worker", "clockwise");
    expect(again.exitCode).to.equal(0);
    const { Body } = await machine.s3.send(new GetObjectCommand(result("often.png")));
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
    expect((await sharp(bytes).raw().toBuffer())[0]).to.equal(2);
    const { Metadata: repairedFrom } = await machine.s3.send(new HeadObjectCommand(result("köln/+.png")));
    expect(repairedFrom?.["source-version"]).to.match(/./);
  });

  it("goes on behind a key, and counts young images as in flight", async () => {
    await machine.s3.send(
      new DeleteObjectCommand({ Bucket: machine.outputs.resultsBucket, Key: "clockwise/often.png" }),
    );

    const { stdout, exitCode } = await command(
      "reconcile",
      ...["--worker", "clockwise", "--start-after", "köln/+.png", "--grace", "15"],
    );

    expect(stdout).to.equal(
      "clockwise: 3 created = 0 results + 0 rejected + 2 superseded + 1 in flight; 1 is younger than 15 minutes: with --grace 0, those without a result count as missing\n",
    );
    expect(exitCode).to.equal(0);

    const here = await command("reconcile", "--worker", "clockwise", "--start-after", "köln/+.png");
    expect(here.stdout).to.contain("0 in flight + 1 missing");
    expect(here.exitCode).to.equal(1);
  });

  it("has its dead letters shown whatever time it is on the computer that looks", async () => {
    const { deadLetterQueue: queueUrl = "" } = machine.outputs.workers.clockwise ?? {};
    const looks: Look[] = [];

    await dealWithDeadLetters(
      { sqs: machine.sqs, queueUrl, now: () => Date.now() - 3_600_000 },
      (look) => looks.push(look) < 0,
    );

    expect(looks[0]).to.include({ count: 1, unseen: 0 });
  });

  it("shows dead letters by reason, and leaves them where they are", async () => {
    const shown = await command("dead-letters", "--worker", "clockwise");

    expect(shown.stdout).to.match(
      /^clockwise: 1 dead letter\n {2}not-an-image {2}1 {2}\(sent [\d-]+T[\d:]+Z\)\n {6}bad\.png: .+\.\n$/,
    );
    expect(await command("dead-letters", "--worker", "clockwise")).to.deep.equal(shown);
  });

  it("takes the region from the outputs", async () => {
    const args = ["--outputs", path.join(folder, "outputs.json"), "--worker", "clockwise"];
    const environment = { AWS_REGION: undefined };
    const { stderr } = await runCommand(machine, "dead-letters", ...args, { environment });

    expect(stderr).to.equal("");
  });

  it("redrives those with a reason, drops others, and asks before it does", async () => {
    const { deadLetterQueue = "" } = machine.outputs.workers.clockwise ?? {};
    await machine.sqs.send(new SendMessageCommand({ QueueUrl: deadLetterQueue, MessageBody: "hello" }));
    const only = ["--worker", "clockwise"];

    const unconfirmed = await command("dead-letters", ...only, "--drop");
    expect(unconfirmed.stdout).to.not.contain("deleted");
    expect(unconfirmed.stderr).to.contain("Nobody answered, so nothing was changed.");
    expect(unconfirmed.exitCode).to.equal(2);
    // It came without a worker's reason, and SQS moved it from no queue.
    const dropped = await command("dead-letters", ...only, "--drop", "--reason", "undelivered", "--yes");
    expect(dropped.stdout).to.contain("clockwise: 1 deleted");
    const none = await command("dead-letters", ...only, "--redrive", "--reason", "undelivered", "--yes");
    expect(none.stderr).to.equal(
      "No dead letter has the reason undelivered: the reasons are not-an-image.\n",
    );
    expect(none.exitCode).to.equal(1);

    await put("bad.png", await image(9));
    await quiet(machine);
    const redriven = await command("dead-letters", ...only, "--redrive", "--yes");
    expect(redriven.stdout).to.contain("clockwise: 1 sent again");
    await quiet(machine);

    // The dead letter is about a version that was overwritten since: its bytes are still no image.
    const left = await command("dead-letters", ...only);
    expect(left.stdout).to.match(/^clockwise: 1 dead letter\n {2}not-an-image/);
  });

  it("reads the outputs from standard input, and asks nothing there", async () => {
    const outputs = JSON.stringify(machine.outputs);
    const args = ["dead-letters", "--worker", "clockwise", "--redrive", "--outputs", "-"] as const;

    const asked = await runCommand(machine, ...args, { input: outputs });
    expect(asked.stderr).to.match(/^The outputs come from standard input, and there is no terminal .* --yes/);
    expect(asked.exitCode).to.equal(2);
    const redriven = await runCommand(machine, ...args, "--yes", { input: outputs });
    expect(redriven.stdout).to.contain("clockwise: 1 sent again");
    expect(redriven.exitCode).to.equal(0);
    await quiet(machine);
  });

  for (const name of ["reconcile", "dead-letters", "smoke"]) {
    it(`asks whether the machine is running where it cannot be reached: ${name}`, async () => {
      const stopped = "http://127.0.0.1:1";
      const { stderr, exitCode } = await runCommand(machine, name, "--outputs", "-", {
        input: JSON.stringify(machine.outputs).replaceAll(machine.endpoint, stopped),
        environment: { AWS_ENDPOINT_URL: stopped, AWS_MAX_ATTEMPTS: "1" },
      });

      expect(stderr).to.match(
        /^The .*queue .* cannot be used: connect ECONNREFUSED .* Is the machine running, and are .*\?\n$/,
      );
      expect(exitCode).to.equal(1);
    });
  }

  for (const [args, message] of [
    [["--rate", "0"], /--rate is 0, but must be a number from 1/],
    [["--worker", "nobody"], /There is no worker "nobody": the stack has clockwise, counter-clockwise\./],
    [["--start-after", "a"], /say which with --worker/],
    [["--outputs", "nowhere.json"], /nowhere\.json: there is no such file/],
  ] as const) {
    it(`exits 2 for ${args.join(" ")}, with a sentence`, async () => {
      const { stderr, exitCode } = await command("reconcile", ...args);

      expect(stderr).to.match(message);
      expect(exitCode).to.equal(2);
    });
  }
});
