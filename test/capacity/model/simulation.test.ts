import { expect } from "chai";
import fc from "fast-check";
import type { AssumptionName } from "../../../src/capacity/assumptions.ts";
import type { Limit } from "../../../src/capacity/limits.ts";
import { arrivals } from "../../../src/capacity/model/arrivals.ts";
import { latency } from "../../../src/capacity/model/latency.ts";
import { simulate } from "../../../src/capacity/model/simulation.ts";
import type { WorkerPlan } from "../../../src/capacity/plan.ts";
import { cpuSeconds } from "../../support/cpu.ts";
import { atOnce, planWith, plenty, steady, sum } from "../support.ts";

describe("the simulation", () => {
  describe("of a worker after others", () => {
    const chain = planWith(
      { name: "a", maxReceiveCount: 1 },
      { name: "b" },
      { name: "of a", after: ["a"] },
      { name: "of both", after: ["a", "b"] },
      { name: "of nobody", after: [] },
      { name: "last", after: ["of a"] },
    );
    const messages = (run: ReturnType<typeof simulate>) =>
      Object.fromEntries(run.workers.map(({ plan, messages }) => [plan.name, messages]));

    it("has their results for its images, each once, however long the chain is", () => {
      const run = simulate(chain, steady(100, 60, 0.2), plenty({ s3EventSeconds: 3 }));

      expect(messages(run)).to.deep.equal({
        ...{ a: 6000, b: 6000, "of a": 6000, "of both": 12_000, "of nobody": 0, last: 6000 },
      });
      expect(sum(run.workers.map(({ results }) => results))).to.equal(36_000);
      // Three events of three seconds, one after the other, before the last image is begun.
      expect(run.drained).to.be.within(60 + 3 * 3, 60 + 3 * 3 + 10);
      // What is uploaded is done with before.
      expect(run.finished.indexOf(6000)).to.be.below(Number(run.drained) - 3);
    });

    it("has no image of what came to nothing", () => {
      const run = simulate(chain, { ...steady(100, 60, 0.2), failures: 0.2 }, plenty());
      const [a, , ofA] = run.workers;

      expect(a?.deadLetters).to.be.greaterThan(0);
      expect(ofA?.messages).to.equal(6000 - Number(a?.deadLetters));
    });

    it("waits for what SNS may publish beside what is uploaded", () => {
      const run = simulate(chain, steady(100, 60, 0.2), plenty({ snsPublishesPerSecond: 120 }));

      expect(messages(run)["of a"]).to.equal(6000);
      expect(run.waits.map(({ limit, worker }) => `${limit} ${worker}`)).to.include("publishes of a");
    });
  });

  describe("in closed form", () => {
    it("obeys Little's law: environments at work are arrivals a second times seconds an image takes", () => {
      for (const [rate, seconds] of [
        [100, 2.5],
        [1000, 0.3],
        [7, 0.04],
      ] as const) {
        const { workers } = simulate(planWith({ batchSize: 1 }), steady(rate, 120, seconds), plenty());

        const running = workers[0]?.running.slice(20, 110) ?? [];
        expect(sum(running) / running.length).to.be.closeTo(rate * seconds, 0.01 * rate * seconds);
      }
    });

    it("obeys Little's law for what is not done: its mean is the rate times the mean latency", () => {
      const run = simulate(planWith({}), steady(50, 200, 4), plenty());

      const notDone = run.arrived.map((came, second) => came - (run.workers[0]?.finished[second] ?? 0));
      const inSteadyState = notDone.slice(50, 190);
      const mean = sum(inSteadyState) / inSteadyState.length;
      expect(mean / 50).to.be.closeTo(latency(run)?.p50 ?? 0, 1);
    });

    it("hides requests behind the work where enough images are in hand, but for the first and the last of a batch", () => {
      const assumptions = plenty({ invocationSeconds: 0.5, s3RequestSeconds: 1 });
      const load = { ...atOnce(10, 0), requestSeconds: () => 2 };
      const took = (pipelineDepth: number, seconds: number) =>
        simulate(planWith({ pipelineDepth }), { ...load, secondsPerImage: () => seconds }, assumptions, {
          until: 900,
        }).workers[0]?.usage.billedSeconds;
      // Ten environments would take an image each.
      const one = { scaling: { maximumConcurrency: 1 } };
      const alone = (pipelineDepth: number, seconds: number) =>
        simulate(
          planWith({ pipelineDepth, ...one }),
          { ...load, secondsPerImage: () => seconds },
          { ...assumptions, standardStart: 1 },
        ).workers[0]?.usage.billedSeconds;

      expect(took(10, 3)).to.be.closeTo(10 * 5.5, 1e-9);
      expect(alone(1, 3)).to.be.closeTo(0.5 + 10 * 5, 1e-9);
      expect(alone(2, 3)).to.be.closeTo(0.5 + 2 + 10 * 3, 1e-9);
      expect(alone(10, 3)).to.be.closeTo(0.5 + 2 + 10 * 3, 1e-9);
      // Of images that take no work, five are read or written at once.
      expect(alone(5, 0)).to.be.closeTo(0.5 + 2 + 9 * (2 / 5), 1e-9);
    });

    it("empties a backlog in the images over the environments times the seconds an image takes", () => {
      const run = simulate(
        planWith({ scaling: { maximumConcurrency: 20 } }),
        atOnce(10_000, 0.1),
        plenty({ standardMax: 1250 }),
      );

      expect(run.drained).to.be.within(1 + (10_000 / 20) * 0.1, 1 + (10_000 / 20) * 0.1 + 2);
    });

    it("grows in standard mode by five batches a second from five to 1,250", () => {
      const { workers } = simulate(
        planWith({}),
        atOnce(5_000_000, 1),
        plenty({ standardStart: 5, standardMax: 1250 }),
        { until: 400 },
      );

      const { running, mapping, finished } = workers[0] ?? { running: [], mapping: [], finished: [] };
      expect(mapping.slice(0, 250).at(-1)).to.equal(1250);
      expect(mapping[100]).to.be.closeTo(5 + 5 * 100, 5);
      // The integral of the ramp: 5 t + 5 t² / 2 environment-seconds, and an image for each of them.
      const integral = 5 * 200 + (5 * 200 ** 2) / 2;
      expect(sum(running.slice(1, 201))).to.be.closeTo(integral, 0.01 * integral);
      expect(finished[200]).to.be.closeTo(integral, 0.01 * integral);
    });

    it("grows in provisioned mode by a thousand batches a minute from ten for each poller", () => {
      const { workers } = simulate(
        planWith({ scaling: { minimumPollers: 20, maximumPollers: 150 } }),
        atOnce(1_000_000, 1),
        plenty(),
        { until: 120 },
      );

      const { running, mapping } = workers[0] ?? { running: [], mapping: [] };
      expect(mapping[30]).to.be.closeTo(200 + (1000 / 60) * 30, 17);
      expect(Math.max(...mapping)).to.equal(1500);
      const integral = 200 * 60 + ((1000 / 60) * 60 ** 2) / 2;
      expect(sum(running.slice(1, 61))).to.be.closeTo(integral, 0.02 * integral);
    });

    it("gets more pollers also where those that there are ask as often as they may", () => {
      const pollers = { minimumPollers: 2, maximumPollers: 50 };

      const run = simulate(planWith({ batchSize: 1, scaling: pollers }), atOnce(20_000, 0.1), plenty());

      expect(run.workers[0]?.mapping.at(-1)).to.equal(500);
      expect(run.waits.map(({ limit }) => limit)).to.have.members(["ramp", "polls"]);
    });

    it("splits a bucket's partitions in two after it has refused requests for long enough", () => {
      const assumptions = plenty({ s3SourcePartitions: 1, s3SplitSeconds: 60 });

      const { accepted } = simulate(planWith({}), steady(10_000, 200, 0.001), assumptions);

      const rate = (second: number) => (accepted[second] ?? 0) - (accepted[second - 1] ?? 0);
      expect([rate(30), rate(90), rate(150)]).to.deep.equal([3500, 7000, 14_000]);
    });

    it("waits for a batch to fill, but not for longer than its window", () => {
      const worker = { batchSize: 100, maximumBatchingWindowInSeconds: 5 };

      const run = simulate(planWith(worker), steady(3, 60, 0.01), plenty());

      expect(run.workers[0]?.usage.invocations).to.be.within(60 / 6, 60 / 5 + 1);
      expect(latency(run)?.max).to.be.within(5, 8);
    });
  });

  describe("with one thing made small", () => {
    const load = () => steady(1000, 60, 0.5);
    const cases: [Limit, Partial<WorkerPlan>, Partial<Record<AssumptionName, number>>, number][] = [
      ["sourceWrites", {}, { s3SourcePartitions: 1, s3WritesPerSecond: 100 }, 100],
      ["publishes", {}, { snsPublishesPerSecond: 100 }, 100],
      ["sourceReads", {}, { s3SourcePartitions: 1, s3WritesPerSecond: 1e6, s3ReadsPerSecond: 100 }, 100],
      ["resultWrites", {}, { s3ResultsPartitions: 0.1, s3WritesPerSecond: 1000 }, 100],
      ["inFlight", { batchSize: 1 }, { sqsInFlight: 50 }, 100],
      [
        "polls",
        { scaling: { minimumPollers: 100, maximumPollers: 100 } },
        { pollerPollsPerSecond: 0.1 },
        100,
      ],
      // A poller asks ten times a second, and a batch of one is one message.
      ["polls", { batchSize: 1, scaling: { minimumPollers: 10, maximumPollers: 10 } }, {}, 100],
      ["mapping", { scaling: { maximumConcurrency: 50 } }, {}, 100],
      ["mapping", { scaling: { minimumPollers: 5, maximumPollers: 5 } }, {}, 100],
      ["reserved", { reservedConcurrency: 50 }, {}, 100],
      ["account", {}, { lambdaConcurrency: 50 }, 100],
    ];
    for (const [limit, worker, assumptions, perSecond] of cases) {
      const what = Object.entries({ ...assumptions, ...worker }).map(
        ([name, value]) => `${name} ${JSON.stringify(value)}`,
      );
      it(`is held up by exactly that: ${limit}, for ${what.join(", ")}`, () => {
        const run = simulate(planWith(worker), load(), plenty(assumptions));

        expect(run.waits.map((wait) => wait.limit)).to.deep.equal([limit]);
        const seconds = 60_000 / perSecond;
        expect(run.drained).to.be.within(seconds, seconds * 1.03 + 3);
      });
    }

    it("is held up by new environments while they are made", () => {
      const run = simulate(
        planWith({}),
        atOnce(100_000, 1),
        plenty({ environmentsBurst: 100, environmentsPerSecond: 10 }),
        { until: 30 },
      );

      expect(run.waits.map(({ limit }) => limit)).to.deep.equal(["environments"]);
      expect(run.workers[0]?.running[20]).to.be.closeTo(100 + 20 * 10, 10);
    });

    it("is held up by the ramp while the mapping grows", () => {
      const run = simulate(planWith({}), load(), plenty({ standardStart: 5 }));

      expect(run.waits.map(({ limit }) => limit)).to.deep.equal(["ramp"]);
    });

    it("divides what workers share equally, and keeps what is reserved", () => {
      const run = simulate(
        planWith({ name: "a" }, { name: "b" }, { name: "c", reservedConcurrency: 600 }),
        atOnce(100_000, 1),
        plenty({ lambdaConcurrency: 1000 }),
        { until: 30 },
      );

      expect(run.workers.map(({ running }) => Math.round(running[20] ?? 0))).to.deep.equal([200, 200, 600]);
    });
  });

  describe("of failures", () => {
    it("tries again what failed, and gives up after as many tries as the queue allows", () => {
      const load = { ...atOnce(1000, 0.1), failures: 1 };

      const run = simulate(planWith({ maxReceiveCount: 3 }), load, plenty());

      expect(run.workers[0]).to.include({ results: 0, deadLetters: 1000, lost: 0 });
      expect(run.workers[0]?.usage.tries).to.equal(3000);
    });

    it("gives up no more messages than chance fails five times", () => {
      const load = { ...atOnce(100_000, 0.01), failures: 0.1 };

      const run = simulate(planWith({}), load, plenty());

      expect(run.workers[0]?.deadLetters).to.be.within(0, 8);
      expect(run.workers[0]?.usage.tries).to.be.closeTo(100_000 / 0.9, 300);
    });

    it("works on all images of a batch, each in its share of the time", () => {
      const run = simulate(planWith({ batchSize: 10, timeout: 30 }), atOnce(1000, 2), plenty());

      expect(run.workers[0]).to.include({ results: 1000, deadLetters: 0, lost: 0 });
      expect(run.workers[0]?.usage.tries).to.equal(1000);
    });

    it("rejects an image that takes longer than its share", () => {
      const run = simulate(planWith({ batchSize: 1, timeout: 10 }), atOnce(10, 20), plenty());

      expect(run.workers[0]).to.include({ results: 0, deadLetters: 10, lost: 0 });
    });

    it("loses only what a queue keeps for less long than it takes, and says so", () => {
      const slow = { scaling: { maximumConcurrency: 2 }, retention: 60 };

      const run = simulate(planWith(slow), atOnce(1000, 1), plenty());

      const { results, lost } = run.workers[0] ?? { results: 0, lost: 0 };
      expect(results + lost).to.equal(1000);
      expect(results).to.be.within(115, 145);
    });
  });

  it("accounts for every image in every second, whatever is short", () => {
    const small = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.integer(),
          images: fc.integer({ min: 0, max: 3000 }),
          seconds: fc.double({ min: 0.01, max: 30, noNaN: true }),
          failures: fc.double({ min: 0, max: 1, noNaN: true }),
          batchSize: small,
          window: fc.integer({ min: 0, max: 9 }),
          timeout: small,
          retention: fc.integer({ min: 60, max: 5000 }),
          most: small,
          account: small,
          provisioned: fc.boolean(),
          reserved: fc.option(small, { nil: undefined }),
        }),
        (given) => {
          const worker: Partial<WorkerPlan> = {
            batchSize: given.batchSize,
            maximumBatchingWindowInSeconds: given.window,
            timeout: given.timeout,
            retention: given.retention,
            reservedConcurrency: given.reserved,
            scaling: given.provisioned
              ? { minimumPollers: 2, maximumPollers: 2 + given.most }
              : { maximumConcurrency: given.most },
          };
          const load = {
            arrivals: arrivals("ramp", given.images, 20, given.seed),
            secondsPerImage: () => given.seconds,
            failures: given.failures,
          };
          const assumptions = plenty({
            lambdaConcurrency: 100 + given.account,
            s3SourcePartitions: 0.01,
            s3ResultsPartitions: 0.02,
            snsPublishesPerSecond: 70,
            sqsInFlight: 300,
            coldStartSeconds: 0.7,
          });

          // It throws in the second in which it loses count.
          const run = simulate(
            planWith({ ...worker, name: "a" }, { ...worker, name: "b" }),
            load,
            assumptions,
          );

          for (const { results, deadLetters, lost } of run.workers) {
            expect(results + deadLetters + lost).to.equal(given.images);
          }
        },
      ),
      { numRuns: 40, seed: 7 },
    );
  });

  it("never drains later with more of anything", () => {
    const base: Record<string, number> = {
      lambdaConcurrency: 400,
      s3SourcePartitions: 0.2,
      s3ResultsPartitions: 0.2,
      snsPublishesPerSecond: 500,
      minimumPollers: 5,
      maximumPollers: 20,
    };
    const drained = (changes: Record<string, number>) => {
      const { minimumPollers = 5, maximumPollers = 20, ...assumptions } = { ...base, ...changes };
      const scaling = { minimumPollers, maximumPollers };
      const load = { arrivals: arrivals("constant", 60_000, 60, 1), secondsPerImage: () => 0.4 };
      const plan = planWith({ name: "a", scaling }, { name: "b", scaling });
      return simulate(plan, load, plenty({ ...assumptions, coldStartSeconds: 0.5 })).drained ?? 0;
    };
    for (const [name, value] of Object.entries(base)) {
      let before = drained({});
      for (const factor of [1.5, 2, 4, 8]) {
        const after = drained({
          [name]: name === "minimumPollers" ? Math.min(20, value * factor) : value * factor,
        });
        // A second is as precise as the model is.
        expect(after, `${name} × ${factor}`).to.be.at.most(before + 1);
        before = after;
      }
    }
  });

  it("gives the same run for the same seed, and another for another", () => {
    const run = (seed: number) => {
      const load = {
        arrivals: arrivals("constant", 5000, 60, seed),
        secondsPerImage: () => 0.5,
        failures: 0.05,
      };
      return JSON.stringify(simulate(planWith({}), load, plenty(), { seed }));
    };

    expect(run(1)).to.equal(run(1));
    expect(run(1)).to.not.equal(run(2));
  });

  it("simulates two million images in less than three seconds of CPU", async () => {
    const worker = { reservedConcurrency: 450, scaling: { minimumPollers: 5, maximumPollers: 45 } };
    const load = { arrivals: arrivals("constant", 2_000_000, 300, 1), secondsPerImage: () => 0.555 };
    const plan = planWith({ ...worker, name: "a" }, { ...worker, name: "b" });
    const assumptions = plenty({ s3SourcePartitions: 1, s3ResultsPartitions: 1, lambdaConcurrency: 1000 });
    let run: ReturnType<typeof simulate> | undefined;

    const seconds = await cpuSeconds(() => {
      run = simulate(plan, load, assumptions);
    });

    expect(seconds).to.be.lessThan(3);
    expect(run?.workers.map(({ results }) => results)).to.deep.equal([2_000_000, 2_000_000]);
  });
});
