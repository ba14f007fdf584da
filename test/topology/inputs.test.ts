import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import { checkFanOutSettings } from "../../src/topology/fan-out-settings.ts";
import { ImageFanOut, type ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import { ImageWorker, type ImageWorkerArgs } from "../../src/topology/image-worker.ts";
import { RotationWorker, type RotationWorkerArgs } from "../../src/topology/rotation-worker.ts";
import { ThumbnailWorker } from "../../src/topology/thumbnail-worker.ts";
import { checkWorkerSettings } from "../../src/topology/worker-settings.ts";
import { registered } from "../support/mocks.ts";

type Own = Omit<RotationWorkerArgs, "fanOut" | "angle">;

/** A machine whose values are each known at once, or each only later. */
const machine = (later: <Value>(value: Value) => pulumi.Input<Value>): [ImageFanOutArgs, Own, Own] => [
  {
    workers: { memorySize: later(3008), logRetentionInDays: later(90), maxReceiveCount: later(8) },
    source: { existing: later("my-photos"), notification: true },
    buckets: { noncurrentVersionDays: later(7) },
    lifecycle: { results: { expireDays: later(120), infrequentAccessDays: later(60) } },
    alarms: {
      email: later("on-call@example.com"),
      undelivered: { threshold: later(3) },
      silent: { threshold: later(24) },
      late: { threshold: later(300) },
      inFlight: { threshold: later(50_000) },
      rejected: { threshold: later(7) },
    },
    key: later("arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-0000-0000-000000000000"),
    tags: { Team: later("pictures") },
  },
  { timeout: later(700), batchSize: later(4), reservedConcurrency: 1500 },
  { maximumBatchingWindowInSeconds: later(20), batchSize: later(11), memorySize: later(1769) },
];

/** Everything that a machine registers, components and what they are given included, in an order of its own. */
async function documentsOf([fanOutArgs, one, other]: ReturnType<typeof machine>): Promise<string[]> {
  const resources = await registered(() => {
    const fanOut = new ImageFanOut("images", fanOutArgs);
    new RotationWorker("clockwise", { fanOut, angle: 90, ...one });
    new RotationWorker("counter-clockwise", { fanOut, angle: -90, ...other });
  });
  return resources.map(({ type, name, inputs }) => `${type} ${name} ${JSON.stringify(inputs)}`).sort();
}

/** The sentences that settings are refused with, at once or once all of their values are known. */
async function refusals(check: () => object): Promise<unknown[]> {
  try {
    const wait = (value: unknown): Promise<unknown>[] =>
      pulumi.Output.isInstance(value)
        ? [(value as unknown as { promise(): Promise<unknown> }).promise()]
        : typeof value === "object"
          ? Object.values(value ?? {}).flatMap(wait)
          : [];
    const all = await Promise.allSettled(wait(check()));
    return all.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
  } catch (error) {
    return [error];
  }
}

describe("a value that is only known later", () => {
  it("makes the same machine as one that is known at once, with all that follows from it", async () => {
    const known = await documentsOf(machine((value) => value));
    let turn = 0;
    const later = machine((value) => (turn++ % 2 ? pulumi.output(value) : Promise.resolve(value)) as never);

    expect(await documentsOf(later)).to.deep.equal(known);
    for (const [name, part] of [
      ["images-clockwise-queue", '"visibilityTimeoutSeconds":4200'],
      ["images-clockwise-mapping", '"scalingConfig":{"maximumConcurrency":1000}'],
      ["images-clockwise-late-alarm", "A single batch that crashed is enough"],
      ["images-counter-clockwise-function", '"timeout":897'],
      ["images-counter-clockwise-queue", `"visibilityTimeoutSeconds":${6 * 897 + 20}`],
    ] as const) {
      expect(known.find((each) => each.includes(` ${name} {`))).to.contain(part);
    }
  });

  it("may be all tags at once", async () => {
    const tagged = async (tags: NonNullable<ImageFanOutArgs["tags"]>) =>
      (await registered(() => new ImageFanOut("images", { tags }))).map(({ name, inputs }) => [
        name,
        inputs.tags,
      ]);

    expect(await tagged(pulumi.output({ Team: "pictures" }))).to.deep.equal(
      await tagged({ Team: "pictures" }),
    );
  });

  it("may be all variables at once", async () => {
    const variables = async (environment: ImageWorkerArgs["environment"]) =>
      (
        await registered(() => {
          const transform = { function: { environment: { variables: { C: "transformed" } } } };
          const args = { fanOut: new ImageFanOut("images"), handler: "handlers/rotate.ts", transform };
          new ImageWorker("grey", { ...args, ...(environment && { environment }) });
        })
      ).find(({ type }) => type.endsWith(":Function"))?.inputs.environment;

    const known = await variables({ A: "a", B: "b" });
    expect(known.variables).to.include({ A: "a", B: "b", C: "transformed", WORKER: "grey" });
    expect(await variables(pulumi.output({ A: "a", B: "b" }))).to.deep.equal(known);
    expect(await variables(pulumi.output(undefined) as never)).to.deep.equal(await variables(undefined));
  });

  it("is held to the objective once it is known", async () => {
    const { warn } = console;
    const warned = async (later: <Value>(value: Value) => pulumi.Input<Value>) => {
      const lines: unknown[] = [];
      console.warn = (line) => lines.push(line);
      const objective = { images: 10_000, minutes: 1 };
      const scaling = { maximumConcurrency: 2 };
      try {
        await registered(() => {
          const fanOut = new ImageFanOut("images", {
            objective,
            workers: { memorySize: later(3008), scaling },
          });
          new RotationWorker("clockwise", { fanOut, angle: 90 });
        });
      } finally {
        console.warn = warn;
      }
      return lines;
    };

    const [warning] = await warned((value) => value);
    expect(warning).to.contain("10,000 images of 12 megapixels in 1 minutes");
    expect(await warned((value) => pulumi.output(value) as never)).to.deep.equal([warning]);
  });

  // biome-ignore lint/suspicious/noExplicitAny: much of this is what types would refuse
  type Wrong = (later: (value: any) => any) => any;
  const workers: Wrong[] = [
    (later) => ({ memorySize: later(64) }),
    (later) => ({ memorySize: later("much") }),
    (later) => ({ logRetentionInDays: later(31) }),
    (later) => ({ timeout: later(30) }),
    (later) => ({ memorySize: later(10_240), timeout: 120 }),
    (later) => ({ batchSize: 11, maximumBatchingWindowInSeconds: later(0) }),
  ];
  const fanOuts: Wrong[] = [
    (later) => ({ workers: { memorySize: later(64) } }),
    (later) => ({ alarms: { email: later("nobody") } }),
    (later) => ({ alarms: { late: { threshold: later(59) } } }),
    (later) => ({ lifecycle: { source: { expireDays: later(14) } } }),
    (later) => ({ lifecycle: { results: { expireDays: 59, infrequentAccessDays: later(30) } } }),
    (later) => ({ key: later("alias/mine") }),
    (later) => ({ tags: { Team: later("*") } }),
    (later) => ({ tags: later({ project: "pictures" }) }),
    (later) => ({ source: { existing: later("Mine"), notification: true } }),
    (later) => ({
      source: { existing: later("mine"), notification: true },
      results: { existing: later("mine") },
    }),
  ];
  const all = [
    ...workers.map((wrong) => [wrong, (given: object) => checkWorkerSettings("W: ", given)] as const),
    ...fanOuts.map((wrong) => [wrong, (given: object) => checkFanOutSettings("F: ", given)] as const),
  ];
  for (const [wrong, check] of all) {
    it(`is refused with the sentence of one that is known: ${JSON.stringify(wrong((value) => value))}`, async () => {
      const [known, ...others] = await refusals(() => check(wrong((value) => value)));
      const later = await refusals(() => check(wrong((value) => pulumi.output(value))));

      expect(known).to.be.instanceOf(ArgumentError);
      expect(others).to.deep.equal([]);
      expect([...new Set(later.map(String))]).to.deep.equal([String(known)]);
    });
  }

  for (const [given, setting] of [
    [{ alarms: { email: pulumi.secret("nobody may, but I know") } }, "alarms.email"],
    [{ tags: pulumi.secret({ Team: "nobody\tmay know" }) }, "tags.Team"],
  ] satisfies [ImageFanOutArgs, string][]) {
    it(`is not shown where it is wrong and a secret: ${setting}`, async () => {
      const [refusal] = await refusals(() => checkFanOutSettings("F: ", given));

      expect(String(refusal)).to.match(
        new RegExp(`F: ${setting} is \\[secret\\], but (must be|a tag's name must) `),
      );
      expect(String(refusal)).not.to.contain("know");
    });
  }

  it("may not be a switch, a filter or a mode, which decide what there is", async () => {
    const later = (value: unknown) => pulumi.output(value) as never;
    const decides = (setting: string) =>
      `${setting} is an Output, but must be a plain value, because it decides which resources there are.`;
    for (const [given, setting] of [
      [{ retention: later("keep") }, "retention"],
      [{ alarms: { enabled: later(false) } }, "alarms.enabled"],
      [{ alarms: { late: later(false) } }, "alarms.late"],
      [{ prefix: later("in/") }, "prefix"],
      [{ workers: { only: { suffix: [later(".jpg")] } } }, "workers.only.suffix"],
      [{ workers: { carry: later([]) } }, "workers.carry"],
      [{ workers: { scaling: { maximumConcurrency: later(5) } } }, "workers.scaling.maximumConcurrency"],
      [{ concurrency: later(100) }, "concurrency"],
      [{ objective: later({ images: 1, minutes: 1 }) }, "objective"],
    ] as const) {
      expect(() => checkFanOutSettings("", given)).to.throw(ArgumentError, decides(setting));
    }
    const fanOut = {} as ImageFanOut;
    for (const [make, argument] of [
      [() => new ImageFanOut(later("images")), "ImageFanOut: the name"],
      [() => new RotationWorker("turn", { fanOut, angle: later(90) }), 'RotationWorker "turn": angle'],
      [
        () => new ThumbnailWorker("small", { fanOut, longestSide: later(64) }),
        'ThumbnailWorker "small": longestSide',
      ],
    ] as const) {
      expect(make).to.throw(ArgumentError, decides(argument));
    }
    expect(
      (await refusals(() => checkFanOutSettings("", { key: later("create") }))).map(String),
    ).to.deep.equal([
      'ArgumentError: key is "create", but must be a plain value, because it decides which resources there are.',
    ]);
  });
});
