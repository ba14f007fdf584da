import { readFileSync } from "node:fs";
import { expect } from "chai";
import {
  ImageMachine,
  type ImageMachineArgs,
  type Processor,
  type Rotation,
  type Thumbnail,
} from "../component/index.ts";
import { componentTypes } from "../docs/settings.ts";
import type {
  ImageFanOutArgs,
  ImageWorkerArgs,
  RotationWorkerArgs,
  ThumbnailWorkerArgs,
} from "../src/exports/index.ts";
import { registered } from "./support/mocks.ts";

/** Arguments that have no counterpart, as other languages have neither these functions nor these objects. */
type Absent = "after" | "transform" | "fanOut";

/** What of the arguments of a component in TypeScript is missing from another's. */
type Missing<Args, Counterpart> = Exclude<keyof Args, keyof Counterpart | Absent>;

// Type checks fail where one is missing.
const complete: Record<
  | Missing<ImageFanOutArgs, ImageMachineArgs>
  | Missing<RotationWorkerArgs, Rotation>
  | Missing<ThumbnailWorkerArgs, Thumbnail>
  | Missing<ImageWorkerArgs, Processor>,
  never
> = {};

/** Resources of a machine, by type and name: inputs and kinds. */
async function resourcesOf(args: ImageMachineArgs) {
  const all = await registered(() => {
    new ImageMachine("images", { retention: "destroy", ...args });
  });
  return new Map(all.map(({ type, name, inputs }) => [`${type.split(":").at(-1)} ${name}`, inputs]));
}

describe("the component for every language", () => {
  it("has all arguments of fan-out and workers, but for those that are functions or objects of a program", () => {
    expect(complete).to.deep.equal({});
    expect(readFileSync("component/settings.ts", "utf8")).to.equal(componentTypes());
    // Not every language has unions and lists that cannot be changed.
    expect(componentTypes()).to.not.match(/^ {2}\w+\??: .*(\||readonly)/m);
  });

  it("declares workers of each kind, with settings of their own before those of all", async () => {
    const resources = await resourcesOf({
      workers: { memorySize: 2048, carry: ["metadata"] },
      rotations: [
        { name: "clockwise", angle: 90, memorySize: 3008 },
        { name: "half", angle: 180, prefix: "upside/down" },
      ],
      thumbnails: [{ name: "small", longestSide: 64, format: "png" }],
      processors: [
        {
          name: "own",
          handler: "handlers/thumbnail.ts",
          environment: { LONGEST_SIDE: "32", FORMAT: "jpeg" },
          permissions: [
            { sid: "Looks", actions: ["dynamodb:GetItem"], resources: ["arn:aws:dynamodb:::table/a"] },
          ],
        },
      ],
    });
    const functionOf = (name: string) => resources.get(`Function images-${name}-function`);
    const variables = (name: string) => {
      const environment = functionOf(name)?.environment as { variables?: Record<string, string> } | undefined;
      return environment?.variables ?? {};
    };

    expect([functionOf("clockwise")?.memorySize, functionOf("half")?.memorySize]).to.deep.equal([3008, 2048]);
    expect([
      variables("clockwise").ANGLE,
      variables("half").RESULTS_PREFIX ?? variables("half").PREFIX,
    ]).to.deep.equal(["90", "upside/down"]);
    expect(variables("small")).to.include({ LONGEST_SIDE: "64", FORMAT: "png" });
    expect(variables("own")).to.include({ LONGEST_SIDE: "32", FORMAT: "jpeg" });
    expect(JSON.stringify(resources.get("RolePolicy images-own-role-policy"))).to.contain('"Sid":"Looks"');
    expect([...resources.keys()]).to.include("ImageMachine images");
  });

  it("takes kinds of alarms that are left out, scaling of either mode, and tags", async () => {
    const resources = await resourcesOf({
      alarms: { email: "on-call@example.com", late: { enabled: false }, rejected: { threshold: 7 } },
      tags: { Team: "pictures" },
      rotations: [{ name: "clockwise", angle: 90, scaling: { minimumPollers: 2, maximumPollers: 4 } }],
    });
    const alarms = [...resources.keys()].filter((key) => key.startsWith("MetricAlarm"));

    expect(alarms.filter((alarm) => alarm.endsWith("-late-alarm"))).to.deep.equal([]);
    const rejected = alarms.find((alarm) => alarm.endsWith("-rejected-alarm")) ?? "";
    expect(resources.get(rejected)?.threshold).to.equal(7);
    expect(
      resources.get("EventSourceMapping images-clockwise-mapping")?.provisionedPollerConfig,
    ).to.deep.equal({
      minimumPollers: 2,
      maximumPollers: 4,
    });
    expect(resources.get("Queue images-clockwise-queue")?.tags).to.include({ Team: "pictures" });
  });

  it("refuses what fan-out and workers refuse, in their sentence", async () => {
    const refused = await resourcesOf({ workers: { memorySize: 64 } }).catch(({ message }) => message);

    expect(refused).to.match(
      /^ImageFanOut "images": workers\.memorySize is 64, but must be a whole number from 256/,
    );
  });
});
