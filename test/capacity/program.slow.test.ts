import { readFileSync } from "node:fs";
import { expect } from "chai";
import { assumptionsFor, atBound } from "../../src/capacity/assumptions.ts";
import { standingCost, total } from "../../src/capacity/cost.ts";
import { about } from "../../src/capacity/format.ts";
import { planOf, Recorder } from "../../src/capacity/graph.ts";
import { arrivals } from "../../src/capacity/model/arrivals.ts";
import { durations } from "../../src/capacity/model/durations.ts";
import { latency } from "../../src/capacity/model/latency.ts";
import { maxConcurrency } from "../../src/capacity/model/mapping.ts";
import { simulate } from "../../src/capacity/model/simulation.ts";
import { runProgram } from "../../src/machine/program.ts";
import { readStackConfig, type StackConfig } from "../../src/machine/stack-config.ts";
import { PROJECT_NAME } from "../support/project.ts";

const REGION = "eu-west-1";

/** The resources that index.ts registers with a configuration. */
async function resourcesOf(config: Record<string, string> = {}) {
  const stack: StackConfig = { ...readStackConfig(process.cwd(), "dev"), config };
  const recorder = new Recorder(REGION);
  await runProgram("index.ts", stack, recorder.provision);
  return recorder.resources;
}

/** The plan of index.ts with settings. */
async function planned(settings: Record<string, unknown> = {}) {
  const config = Object.entries(settings).map(([name, value]) => [
    `${PROJECT_NAME}:${name}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return planOf(await resourcesOf(Object.fromEntries(config)), REGION);
}

describe("the plan of the program", () => {
  it("is what index.ts registers: its workers, with what is set and what is not", async () => {
    const { region, workers, alarms, noncurrentDays } = await planned();

    expect(region).to.equal(REGION);
    expect(noncurrentDays).to.equal(30);
    expect(workers.map(({ name }) => name)).to.have.members(["clockwise", "counter-clockwise"]);
    expect(workers[0]).to.deep.include({
      dimensions: { service: workers[0]?.name, machine: `${PROJECT_NAME}-dev-images` },
      memorySize: 1769,
      timeout: 815,
      batchSize: 10,
      pipelineDepth: 10,
      maximumBatchingWindowInSeconds: 0,
      maxReceiveCount: 5,
      retention: 14 * 24 * 3600,
      reservedConcurrency: undefined,
      scaling: undefined,
    });
    // The topic's, and for each worker six alarms, one of which adds up two: seven metrics.
    expect(alarms).to.equal(1 + 2 * 7);
  });

  it("follows the settings of the stack", async () => {
    const scaling = { minimumPollers: 3, maximumPollers: 40 };
    const workers = { memorySize: 3008, reservedConcurrency: 400, scaling };

    for (const worker of (await planned({ workers })).workers) expect(worker).to.deep.include(workers);
  });

  it("knows which workers are not told of every image", async () => {
    const filtered = async (settings: object) =>
      (await planned({ ...settings })).workers.map(({ isFiltered }) => isFiltered);

    expect(await filtered({})).to.deep.equal([false, false]);
    expect(await filtered({ workers: { only: { suffix: ".jpg" } } })).to.deep.equal([true, true]);
    expect(await filtered({ prefix: "in/" })).to.deep.equal([true, true]);
  });

  it("knows how long sources and results stay, and where", async () => {
    const lifecycle = {
      source: { expireDays: 365, infrequentAccessDays: 60 },
      results: { intelligentTiering: true },
    };

    expect((await planned({ lifecycle })).stay).to.deep.equal({
      sources: { days: 365, moved: { to: "STANDARD_IA", after: 60 } },
      results: { days: undefined, moved: { to: "INTELLIGENT_TIERING", after: 0 } },
    });
    const nothing = { days: undefined, moved: undefined };
    expect((await planned()).stay).to.deep.equal({ sources: nothing, results: nothing });
  });

  it("knows who asks for tags", async () => {
    const asks = async (carry: string[]) =>
      (await planned({ workers: { carry } })).workers.map(({ readsTags }) => readsTags);

    expect(await asks(["metadata", "tags"])).to.deep.equal([true, true]);
    expect(await asks(["metadata"])).to.deep.equal([false, false]);
  });

  it("takes results for no sources where the results bucket tells of them", async () => {
    const lifecycle = { results: { expireDays: 7 } };
    const resources = await resourcesOf({
      [`${PROJECT_NAME}:lifecycle`]: JSON.stringify(lifecycle),
    });
    const { bucket } =
      resources.find(({ name }) => name === "images-results-lifecycle")?.inputs ??
      expect.fail("no lifecycle");
    const completed = {
      type: "aws:s3/bucketNotification:BucketNotification",
      name: "images-results-notification",
      inputs: { bucket, topics: [{ id: "completed" }] },
    };

    expect(planOf([...resources, completed], REGION).stay).to.deep.include({
      results: { days: 7, moved: undefined },
    });
  });

  it("of dev costs next to nothing while no image comes, and that of prod little", async () => {
    const idle = async (stack: string) => {
      const plan = planOf(await resourcesOf(readStackConfig(process.cwd(), stack).config), "us-east-1");
      return standingCost(plan, assumptionsFor("us-east-1")).filter(({ dollars }) => dollars > 0);
    };

    expect((await idle("dev")).map(({ item }) => item)).to.deep.equal(["SQS polls of empty queues"]);
    expect(total(await idle("dev"))).to.be.below(0.6);
    expect(total(await idle("prod"))).to.be.below(5.1);
  });

  it("of prod leaves a fifth of an account's default quota to other functions", async () => {
    const { workers } = planOf(await resourcesOf(readStackConfig(process.cwd(), "prod").config), "us-east-1");
    const assumptions = assumptionsFor("us-east-1");

    const together = workers.reduce((sum, worker) => sum + maxConcurrency(worker, assumptions), 0);

    expect(together).to.be.at.most(0.8 * assumptions.lambdaConcurrency);
  });

  it("of prod takes as long as docs/capacity.md says", async () => {
    const page = readFileSync("docs/capacity.md", "utf8");
    const { workers } = planOf(await resourcesOf(readStackConfig(process.cwd(), "prod").config), "us-east-1");
    const polled = workers.map((worker) => ({
      ...worker,
      scaling: { minimumPollers: 2, maximumPollers: 140 },
    }));
    const load = { arrivals: arrivals("constant", 2_000_000, 300, 1), ...durations(12) };
    const raised = { lambdaConcurrency: 3300, s3SourcePartitions: 4, s3ResultsPartitions: 5 };

    for (const [row, who, known] of [
      ["stack prod", workers, {}],
      ["tuned", polled, raised],
    ] as const) {
      const assumed = assumptionsFor("us-east-1", known);
      const numbers = (bound: "best" | "worst") => atBound(assumed, bound, Object.keys(known));
      const runs = [assumed, numbers("best"), numbers("worst")].map((each) =>
        simulate({ workers: who }, load, each),
      );
      const [first, low, high] = runs.map(({ drained = 0 }) => about(drained).replace(" min", ""));
      const { p50 = 0, p99 = 0 } = (runs[0] && latency(runs[0])) ?? {};
      const [, said = ""] = new RegExp(`^\\| ${row}: (.*)`, "m").exec(page) ?? [];
      const [, , , processed = "", half, most] = said.split(" | ");

      expect(processed.replaceAll("*", "")).to.equal(`${first} (${low} to ${high}) min`);
      expect([half, most]).to.deep.equal([about(p50), about(p99)]);
    }
  });

  it("is refused where there is nothing that works, or what is referred to is not there", async () => {
    const resources = await resourcesOf();
    const without = (type: string) => resources.filter((resource) => !resource.type.endsWith(type));

    expect(() => planOf(without("EventSourceMapping"), REGION)).to.throw(
      "The program declares no queue that a function works on.",
    );
    expect(() => planOf(without(":Function"), REGION)).to.throw(
      /-mapping refers to arn:aws:lambda:.*, and the program declares no such Function\.$/,
    );
  });
});
