import { readFileSync } from "node:fs";
import { expect } from "chai";
import { arrivals, arrivalsFromCsv } from "../../src/capacity/arrivals.ts";
import { runCost, standingCost, total } from "../../src/capacity/cost.ts";
import { divide } from "../../src/capacity/divide.ts";
import { cpuSeconds, secondsPerImage } from "../../src/capacity/durations.ts";
import { latency } from "../../src/capacity/latency.ts";
import { type Load, liveDurations, liveNumbers } from "../../src/capacity/live.ts";
import { numbersFor, SOURCED } from "../../src/capacity/numbers.ts";
import { simulate } from "../../src/capacity/simulation.ts";
import { atOnce, planWith, plenty, steady, sum, workerPlan } from "./support.ts";

describe("arrivals", () => {
  it("are as many as were asked for, in each profile", () => {
    for (const profile of ["constant", "ramp", "burst"] as const) {
      const coming = arrivals(profile, 123_457, 300, 5);
      expect(coming).to.have.length(300);
      expect(sum(coming), profile).to.equal(123_457);
    }
    expect(sum(arrivals("burst", 1000, 300, 5).slice(0, 10))).to.equal(1000);
    expect(sum(arrivals("ramp", 100_000, 300, 5).slice(0, 150))).to.be.closeTo(25_000, 500);
  });

  it("come from a file, in any order, with a heading", () => {
    expect(arrivalsFromCsv("second,images\n3,7\n0;5\n3,1\n")).to.deep.equal([5, 0, 0, 8]);
    expect(() => arrivalsFromCsv("0,5\n1,many\n")).to.throw('line 2 is "1,many"');
  });
});

describe("durations", () => {
  it("are those that were measured, and lie on lines between them and beyond", () => {
    const points = [
      [2, 0.1],
      [10, 0.5],
      [20, 2],
    ] as const;
    const seconds = [2, 6, 10, 15, 20, 30].map((megapixels) => cpuSeconds(megapixels, points));
    for (const [index, expected] of [0.1, 0.3, 0.5, 1.25, 2, 3.5].entries()) {
      expect(seconds[index]).to.be.closeTo(expected, 1e-9);
    }
    expect(cpuSeconds(0.0001)).to.be.within(0.001, 0.01);
  });

  it("are those of the table in docs/images.md, of JPEGs as cameras write them", () => {
    const table = readFileSync("docs/images.md", "utf8");
    const perSecond = (row: string) =>
      Number(new RegExp(`^\\| ${row} \\| ([\\d.]+) \\|`, "m").exec(table)?.[1]);
    const detail = perSecond("JPEG 12 MP") / perSecond("JPEG 12 MP of 3 MB");

    expect(cpuSeconds(12)).to.be.closeTo(12 / perSecond("JPEG 12 MP of 3 MB"), 1e-9);
    for (const megapixels of [2, 48]) {
      const plain = megapixels / perSecond(`JPEG ${megapixels} MP`);
      expect(cpuSeconds(megapixels)).to.be.closeTo(plain * detail, 1e-9);
    }
  });

  it("double where there is half a vCPU, and do not fall where there are two", () => {
    const seconds = secondsPerImage(12, numbersFor("us-east-1", { s3RequestSeconds: 0 }));

    expect(seconds(workerPlan({ memorySize: 1769 / 2 }))).to.be.closeTo(2 * cpuSeconds(12), 1e-9);
    expect(seconds(workerPlan({ memorySize: 3538 }))).to.be.closeTo(cpuSeconds(12), 1e-9);
  });
});

describe("numbers", () => {
  it("say where they come from, all of them", () => {
    for (const [name, { value, unit, source }] of Object.entries(SOURCED)) {
      expect(value, name).to.be.a("number");
      expect(unit, name).to.match(/\w/);
      expect(source, name).to.match(/\.html|https:|^assumed|^this project|^from memory/);
    }
  });

  it("depend on the region, and give way to what is known better", () => {
    expect(numbersFor("us-east-1").snsPublishesPerSecond).to.equal(30_000);
    expect(numbersFor("eu-south-1").snsPublishesPerSecond).to.equal(300);
    expect(numbersFor("us-east-1", { snsPublishesPerSecond: 5 }).snsPublishesPerSecond).to.equal(5);
    expect(() => numbersFor("us-east-1", { sqsInFlight: -1 })).to.throw("sqsInFlight is -1, but must be");
  });
});

describe("dividing", () => {
  const shares = (...pairs: [wants: number, has: number][]) => pairs.map(([wants, has]) => ({ wants, has }));

  it("gives equal parts, and what some do not want to the others", () => {
    expect(divide(90, shares([100, 0], [100, 0], [100, 0]))).to.deep.equal([30, 30, 30]);
    expect(divide(90, shares([10, 0], [100, 0], [100, 0]))).to.deep.equal([10, 40, 40]);
    expect(divide(90, shares([10, 0], [20, 0]))).to.deep.equal([10, 20]);
  });

  it("never promises what somebody still has", () => {
    const [a, b, c] = divide(90, shares([100, 70], [100, 0], [100, 0]));
    expect([b, c]).to.deep.equal([10, 10]);
    expect(a).to.be.at.most(70);
  });
});

describe("latency", () => {
  it("is that of the slowest worker, second for second", () => {
    const plan = planWith({ name: "fast" }, { name: "slow", scaling: { maximumConcurrency: 10 } });

    const found = latency(simulate(plan, atOnce(1000, 1), plenty({ standardMost: 1e6 })));

    // A hundred seconds for ten at once, and one until the event is there.
    expect(found?.max).to.be.within(100, 102);
    expect(found?.p50).to.be.within(49, 52);
    expect(found?.p99).to.be.within(98, 101);
  });
});

describe("cost", () => {
  it("is that of the bill: a million images, two workers, by hand", () => {
    const numbers = plenty();
    const run = simulate(planWith({ name: "a" }, { name: "b" }), steady(100_000, 10, 0.3), numbers);

    const items = Object.fromEntries(runCost(run, numbers).map(({ item, dollars }) => [item, dollars]));

    expect(items["Lambda duration"]).to.be.closeTo(2e6 * 0.3 * (1769 / 1024) * 0.0000133334, 0.02);
    expect(items["S3 uploads"]).to.be.closeTo(5, 1e-6);
    expect(items["S3 results"]).to.be.closeTo(10, 1e-6);
    expect(items["S3 reads"]).to.be.closeTo(0.8, 1e-6);
    expect(items["SNS publishes"]).to.be.closeTo(0.5, 1e-6);
    expect(items["SQS requests"]).to.be.at.least(0.8);
    // Two workers' metrics in one hour.
    expect(items["CloudWatch metrics"]).to.be.closeTo((2 * 9 * 0.3) / 730, 1e-9);
  });

  it("counts requests by the batch: SQS receives and deletes, and Lambda runs, as often for one as for ten", () => {
    const numbers = plenty();
    const scaling = { maximumConcurrency: 100 };
    const costOf = (batchSize: number) => {
      const run = simulate(planWith({ batchSize, scaling }), atOnce(1_000_000, 0.01), numbers);
      return Object.fromEntries(runCost(run, numbers).map(({ item, dollars }) => [item, dollars]));
    };

    // Every message is sent alone, and received and deleted with its batch.
    expect(costOf(1)["SQS requests"]).to.be.closeTo(3 * 0.4, 1e-3);
    expect(costOf(1)["Lambda requests"]).to.be.closeTo(0.2, 1e-3);
    expect(costOf(10)["SQS requests"]).to.be.closeTo(1.2 * 0.4, 1e-3);
    expect(costOf(10)["Lambda requests"]).to.be.closeTo(0.02, 1e-3);
  });

  it("of standing still is that of pollers, polls of empty queues, alarms, dashboards and keys", () => {
    const plan = {
      ...planWith({ scaling: { minimumPollers: 10, maximumPollers: 20 } }, { name: "b" }),
      alarms: 3,
      dashboards: 1,
      keys: 1,
    };

    const items = Object.fromEntries(
      standingCost(plan, plenty()).map(({ item, dollars }) => [item, dollars]),
    );

    // Ten pollers of one worker and five polls at once of the other, each of 20 seconds.
    const polls = ((10 + 5) * 730 * 3600) / 20;
    expect(items["Lambda pollers, the minimum"]).to.be.closeTo(10 * 730 * 0.00925, 1e-9);
    expect(items["SQS polls of empty queues"]).to.be.closeTo((polls / 1e6) * 0.4, 1e-9);
    expect(total(standingCost(plan, plenty()))).to.be.closeTo(67.525 + 0.7884 + 0.3 + 3 + 1, 1e-9);
  });
});

describe("what AWS is asked", () => {
  /** Loads packages in which every name is a class, whose clients answer a command by its name. */
  const packages =
    (answers: Record<string, (input: Record<string, unknown>) => unknown>): Load =>
    async () =>
      new Proxy(
        {},
        {
          get: (_, name: string) => {
            // Whatever is awaited is asked whether it is a promise.
            if (name === "then") return undefined;
            return class {
              readonly answer: () => unknown;
              constructor(input: Record<string, unknown>) {
                this.answer = () => answers[name]?.(input);
              }
              async send(command: { answer: () => unknown }) {
                return command.answer();
              }
            };
          },
        },
      );

  it("are the account's quotas, and of its concurrency what it really has", async () => {
    const load = packages({
      GetServiceQuotaCommand: ({ QuotaCode }) => ({
        Quota: { Value: QuotaCode === "L-F8E2BA85" ? 9000 : 5000 },
      }),
      GetAccountSettingsCommand: () => ({ AccountLimit: { ConcurrentExecutions: 10 } }),
    });

    expect(await liveNumbers("eu-west-1", load)).to.deep.equal({
      snsPublishesPerSecond: 9000,
      lambdaConcurrency: 10,
    });
  });

  it("are durations of workers that had images", async () => {
    const load = packages({
      GetMetricStatisticsCommand: ({ Dimensions }) => ({
        Datapoints:
          (Dimensions as { Value: string }[])[0]?.Value === "clockwise"
            ? [
                { Sum: 1000, SampleCount: 2 },
                { Sum: 2000, SampleCount: 4 },
              ]
            : [],
      }),
    });

    const found = await liveDurations("eu-west-1", ["clockwise", "idle"], new Date(0), load);

    expect([...found]).to.deep.equal([["clockwise", 0.5]]);
  });

  it("can not be asked without the packages, and what is missing is said", async () => {
    const refused = await liveNumbers("eu-west-1", () => Promise.reject(new Error("not found"))).catch(
      (error: Error) => error.message,
    );

    expect(refused).to.equal(
      '@aws-sdk/client-service-quotas is not installed, and is needed to ask AWS: run "npm install --no-save @aws-sdk/client-service-quotas @aws-sdk/client-lambda @aws-sdk/client-cloudwatch".',
    );
  });
});
