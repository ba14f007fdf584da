/** `npm run engine`: the machine's life, from the first preview to `destroy`, in Pulumi's own engine. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { FanOutSettings } from "../../src/topology/setting-types.ts";
import { Aws } from "./aws.ts";
import { findPulumi } from "./cli.ts";
import { speakLanguages } from "./languages.ts";
import { ALL, Life } from "./life.ts";
import { servePlugin } from "./plugin.ts";
import { between, SWITCHES, type Switch } from "./switches.ts";

async function main(): Promise<number> {
  if ((await findPulumi()) === undefined) {
    console.error(
      "There is no Pulumi CLI on the PATH to try the machine with: https://www.pulumi.com/docs/install/ says how to get one.",
    );
    return 2;
  }
  const folder = await mkdtemp(path.join(tmpdir(), "engine-"));
  const aws = new Aws();
  const plugin = await servePlugin(aws);
  try {
    const life = new Life(folder, aws, plugin.port);
    await live(life);
    life.wrong.push(...(await speakLanguages(folder, life.environment)));
    console.log(
      life.wrong.length === 0
        ? `All ${life.steps} steps did what they may do, and nothing else.`
        : `${life.wrong.length} of ${life.steps} steps did what they must not:\n${life.wrong.join("\n")}`,
    );
    return life.wrong.length === 0 ? 0 : 1;
  } finally {
    plugin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** All steps, in order. Each takes the machine from where the one before has left it. */
async function live(life: Life): Promise<void> {
  await life.begin();
  await life.newProject();
  const anything = { create: ["*"] };
  await life.step("preview of a new stack", {}, anything, "preview");
  await life.step("up", {}, anything);
  await life.step("up again", {}, {});
  await life.inClone(() => life.step("preview from a clone elsewhere", {}, {}, "preview"));
  await life.step("refresh", {}, {}, "refresh");

  let before: Switch | undefined;
  for (const next of SWITCHES) {
    const title = `${next.setting}: ${settingsOf(next)}${before ? `; ${before.setting} as before` : ""}`;
    await life.step(title, next.to, between(before, next));
    before = next;
  }
  const used = SWITCHES.find(({ to }) => to.key === "create")?.does.update ?? [];
  await life.step('key: "retire"', { key: "retire" }, { update: used });
  await life.step(
    "no key, once it is retired",
    {},
    { update: ["RolePolicy"], delete: ["Key", "KeyPolicy", "Alias"] },
  );

  await life.program((text) => withWorker(text, HALF_TURN));
  const worker = [
    ...[
      "RotationWorker",
      "Queue",
      "RedriveAllowPolicy",
      "QueuePolicy",
      "TopicSubscription",
      "LogGroup",
      "Role",
    ],
    ...["RolePolicy", "Function", "EventSourceMapping", "MetricAlarm"],
  ].map((type) => `${type} images-half-turn`);
  await life.step("a worker more", {}, { create: worker, update: ["Dashboard"] });
  // An ImageWorker that gets a class of its own keeps its queues.
  await life.program((text) => withWorker(text, 'new RotationWorker("half-turn", { fanOut, angle: 180 });'));
  await life.step("that worker of another class", {}, {});
  await life.program();
  await life.step("a worker less", {}, { delete: worker, update: ["Dashboard"] });

  life.byHand("aws:sqs/queue:Queue", { visibilityTimeoutSeconds: 30 });
  await life.step("refresh, once somebody has changed queues by hand", {}, { update: ["Queue"] }, "refresh");
  await life.step("up, to mend that", {}, { update: ["Queue"] });
  await life.step("destroy", {}, { delete: ["*"] }, "destroy");
  life.expectNothingLeft();

  await life.refuseEachTypeOnce();

  // Pulumi takes 100 letters, digits, hyphens, underscores and dots.
  await life.inStack(`dev.eu-${"x".repeat(93)}`, async () => {
    await life.step("another stack beside it, with the longest name and a dot", ALL, anything);
    await life.step("destroy of that", ALL, { delete: ["*"] }, "destroy");
  });
  await life.step("up of the first again", ALL, {});

  const kept: FanOutSettings = { ...ALL, retention: "keep" };
  await life.step('retention: "keep"', kept, { update: ["Bucket"] });
  await life.step("destroy of what is protected", kept, {}, "destroy", "is protected");
  // Pulumi deletes what is not protected: nothing that an image is in, or passes through.
  const rest = ["EventSourceMapping", "Function", "Role", "RolePolicy", "LogGroup", "LayerVersion"];
  rest.push("MetricAlarm", "Dashboard", "ResourcePolicy", "Alias", "TopicSubscription images-alarms-email");
  await life.step("that without its preview", kept, { delete: rest }, "destroy", "is protected", true);
  await life.step("up, to mend that", kept, { create: rest });
  await life.unprotect();
  await life.step("destroy of what is kept", kept, { delete: ["*"], keep: KEPT }, "destroy");
}

/** A worker as one is before it has a class of its own. */
const HALF_TURN =
  'new ImageWorker("half-turn", { fanOut, handler: "handlers/rotate.ts", environment: { ANGLE: "180" } });';

/** The program with a worker more, after the others. */
function withWorker(program: string, worker: string): string {
  const from = 'import { ImageWorker } from "./src/topology/image-worker.ts";';
  return `${from}\n${program.replace("export const sourceBucket", `${worker}\n$&`)}`;
}

/** What stays on AWS with `retention: "keep"`. */
const KEPT = [
  ...["images-clockwise", "images-counter-clockwise"].flatMap((worker) => [
    `Queue ${worker}-dead-letters`,
    `QueuePolicy ${worker}-dead-letters-policy`,
    `RedriveAllowPolicy ${worker}-redrive-allow`,
  ]),
  "Bucket",
  "BucketVersioning",
  "BucketPublicAccessBlock",
  "BucketOwnershipControls",
  "BucketServerSideEncryptionConfiguration",
  "BucketPolicy",
  "BucketLifecycleConfiguration",
  "Key",
  "KeyPolicy",
];

function settingsOf({ to }: Switch): string {
  return JSON.stringify(to).replace(/"(\w+)":/g, "$1: ");
}

// After all that it uses.
process.exitCode = await main();
