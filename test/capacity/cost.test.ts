import { expect } from "chai";
import { type CostItem, runCost, standingCost, storageCost, total } from "../../src/capacity/cost.ts";
import { simulate } from "../../src/capacity/model/simulation.ts";
import type { Stay, WorkerPlan } from "../../src/capacity/plan.ts";
import { atOnce, planWith, plenty, steady } from "./support.ts";

/** Dollars by the line of the bill. */
const dollarsOf = (items: readonly CostItem[]) =>
  Object.fromEntries(items.map(({ item, dollars }) => [item, dollars]));

describe("cost", () => {
  it("is that of the bill: a million images, two workers, by hand", () => {
    const assumptions = plenty();
    const run = simulate(planWith({ name: "a" }, { name: "b" }), steady(100_000, 10, 0.3), assumptions);

    const items = dollarsOf(runCost(run, assumptions));

    expect(items["Lambda duration"]).to.be.closeTo(2e6 * 0.3 * (1769 / 1024) * 0.0000133334, 0.02);
    expect(items["S3 uploads"]).to.be.closeTo(5, 1e-6);
    expect(items["S3 results"]).to.be.closeTo(10, 1e-6);
    expect(items["S3 reads"]).to.be.closeTo(0.8, 1e-6);
    expect(items["SNS publishes"]).to.be.closeTo(0.5, 1e-6);
    expect(items["SQS requests"]).to.be.at.least(0.8);
    // Two workers' metrics in one hour.
    expect(items["CloudWatch metrics"]).to.be.closeTo((2 * 13 * 0.3) / 730, 1e-9);
  });

  it("has a publish for each result that a topic is told of, and the messages that SNS looks into", () => {
    const assumptions = plenty();
    const plan = planWith(
      { name: "a", tellsOfResults: true },
      { name: "b", after: ["a"], filtersBodies: true },
    );
    const run = simulate(plan, steady(1000, 10, 0.3), assumptions);
    const items = dollarsOf(runCost(run, assumptions));

    expect(items["SNS publishes"]).to.be.closeTo((2 * 0.5) / 100, 1e-9);
    // 10,000 messages of a kilobyte.
    expect(items["SNS filters of bodies"]).to.be.closeTo(0.01 * 0.09, 1e-9);
    expect(items["S3 uploads"]).to.be.closeTo(5 / 100, 1e-9);
    expect(items["S3 results"]).to.be.closeTo(10 / 100, 1e-9);
  });

  it("has a second read for each image of a worker that asks for tags", () => {
    const assumptions = plenty();
    const plan = planWith({ name: "a", readsTags: true }, { name: "b" });

    const items = dollarsOf(runCost(simulate(plan, steady(1000, 10, 0.3), assumptions), assumptions));

    expect(items["S3 reads"]).to.be.closeTo((3 * 0.4) / 100, 1e-9);
  });

  it("counts requests by the batch: SQS receives and deletes, and Lambda runs, as often for one as for ten", () => {
    const assumptions = plenty();
    const scaling = { maximumConcurrency: 100 };
    const costOf = (batchSize: number) => {
      const run = simulate(planWith({ batchSize, scaling }), atOnce(1_000_000, 0.01), assumptions);
      return dollarsOf(runCost(run, assumptions));
    };

    // Every message is sent alone, and received, hidden and deleted with its batch.
    expect(costOf(1)["SQS requests"]).to.be.closeTo(4 * 0.4, 1e-3);
    expect(costOf(1)["Lambda requests"]).to.be.closeTo(0.2, 1e-3);
    expect(costOf(10)["SQS requests"]).to.be.closeTo(1.3 * 0.4, 1e-3);
    expect(costOf(10)["Lambda requests"]).to.be.closeTo(0.02, 1e-3);
  });

  it("of standing still is that of pollers, polls of empty queues, alarms, dashboards and keys", () => {
    const plan = {
      ...planWith({ scaling: { minimumPollers: 10, maximumPollers: 20 } }, { name: "b" }),
      alarms: 3,
      dashboards: 1,
      keys: 1,
    };

    const items = dollarsOf(standingCost(plan, plenty()));

    // Ten pollers of one worker and five polls at once of the other, each of 20 seconds.
    const polls = ((10 + 5) * 730 * 3600) / 20;
    expect(items["Lambda pollers, the minimum"]).to.be.closeTo(10 * 730 * 0.00925, 1e-9);
    expect(items["SQS polls of empty queues"]).to.be.closeTo((polls / 1e6) * 0.4, 1e-9);
    expect(total(standingCost(plan, plenty()))).to.be.closeTo(67.525 + 0.7884 + 0.3 + 3 + 1, 1e-9);
  });

  it("has the storage of sources and results, and of versions for as long as the lifecycle keeps them", () => {
    const plan = { ...planWith({ name: "a" }, { name: "b" }), noncurrentDays: 73 };
    const assumed = plenty({ imageBytesPerPixel: 0.25 });
    const run = simulate(plan, steady(1000, 10, 0.1), assumed);

    const items = storageCost(run, plan, assumed, 12).map(({ dollars }) => dollars);

    // Ten thousand images of 3 MB are 30 GB, and so are the results of each of two workers; 73 days are 2.4 months.
    const month = 30 * 0.023;
    for (const [index, expected] of [month, 2 * month, 3 * month * 2.4].entries()) {
      expect(items[index]).to.be.closeTo(expected, 1e-9);
    }
  });

  it("has storage by the class that objects go to, and until they expire", () => {
    const assumed = plenty({ imageBytesPerPixel: 0.25 });
    const costs = (sources: Stay, megapixels = 12) => {
      const plan = { ...planWith({ name: "a" }), stay: { sources, results: {} } };
      const run = simulate(plan, steady(1000, 10, 0.1), assumed);
      const found = storageCost(run, plan, assumed, megapixels).filter(({ item }) =>
        item.startsWith("S3 sources"),
      );
      return Object.fromEntries(found.map(({ item, dollars }) => [item, Number(dollars.toFixed(6))]));
    };
    const infrequent = { to: "STANDARD_IA", after: 60 } as const;

    // Ten thousand images of 3 MB are 30 GB; a month has 730 hours.
    expect(costs({ moved: infrequent })).to.deep.equal({
      "S3 sources, a month": 0.69,
      "S3 sources, a month after 60 days": 0.375,
      "S3 sources, moved to Infrequent Access": 0.1,
    });
    expect(costs({ moved: { to: "INTELLIGENT_TIERING", after: 0 } })).to.deep.equal({
      "S3 sources, a month": 0.715,
      "S3 sources, a month unread for 30 days": 0.4,
      "S3 sources, moved to Intelligent-Tiering": 0.1,
    });
    expect(costs({ days: 73 })).to.deep.equal({ "S3 sources, the 73 days until they expire": 1.656 });
    expect(costs({ days: 365, moved: infrequent })).to.deep.equal({
      "S3 sources, the 365 days until they expire": Number(
        (0.1 + ((60 * 24) / 730) * 0.69 + ((305 * 24) / 730) * 0.375).toFixed(6),
      ),
    });
    // Of 100 kB, which stay where they are.
    expect(costs({ moved: infrequent }, 0.4)).to.deep.equal({ "S3 sources, a month": 0.023 });
  });

  it("has the long polls that find nothing while a queue is empty", () => {
    const assumed = plenty();
    const pollers = { scaling: { minimumPollers: 40, maximumPollers: 40 } };
    const costOf = (worker: Partial<WorkerPlan>) => {
      const run = simulate(
        planWith(worker),
        { arrivals: new Array(3600).fill(0), secondsPerImage: () => 1 },
        assumed,
      );
      return dollarsOf(runCost(run, assumed))["SQS polls that find nothing"];
    };

    // An hour of five long polls of 20 seconds at once, or of as many as there are pollers.
    expect(costOf({})).to.be.closeTo(((5 * 3600) / 20 / 1e6) * 0.4, 1e-9);
    expect(costOf(pollers)).to.be.closeTo(((40 * 3600) / 20 / 1e6) * 0.4, 1e-9);
  });
});
