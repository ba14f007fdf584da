import { expect } from "chai";
import { advise } from "../../src/capacity/advice.ts";
import { arrivals } from "../../src/capacity/model/arrivals.ts";
import { simulate } from "../../src/capacity/model/simulation.ts";
import { secondsOfLargest } from "../../src/delivery/limits.ts";
import { secondsFor } from "../../src/delivery/share.ts";
import { planWith, plenty } from "./support.ts";

const load = (images = 60_000) => ({
  arrivals: arrivals("constant", images, 60, 1),
  secondsPerImage: () => 0.5,
});

describe("the advice", () => {
  it("asks for nothing where all is done in time", () => {
    expect(advise({ ...planWith({}), assumed: plenty() }, load(), 90).raises).to.deep.equal([]);
  });

  it("raises the batch, and its time, no further than pollers need who ask only so often", () => {
    const pollers = { minimumPollers: 20, maximumPollers: 20 };

    const { raises } = advise(
      { ...planWith({ batchSize: 1, scaling: pollers }), assumed: plenty() },
      { ...load(), secondsPerImage: () => 0.05 },
      90,
    );

    // 60,000 images in 90 seconds are 667 a second; 20 pollers ask 200 times a second.
    expect(raises.map(({ what, from, to }) => [what, from, to])).to.deep.equal([
      ["workers.batchSize of worker", 1, 4],
      ["workers.timeout of worker", 120, secondsFor(secondsOfLargest(1769), 4)],
    ]);
  });

  it("names the one quota that is short, by code, and a value that is enough and not much more", () => {
    const assumed = plenty({ lambdaConcurrency: 100 });

    const { raises } = advise({ ...planWith({}), assumed }, load(), 90);

    expect(raises).to.have.length(1);
    expect(raises[0]).to.deep.include({
      kind: "quota",
      what: 'Lambda "Concurrent executions"',
      quota: { service: "lambda", code: "L-B99A9384" },
      from: 100,
    });
    // 60,000 images of half a second in about 87 seconds need some 345 at once.
    expect(raises[0]?.to).to.be.within(345, 420);
  });

  it("is kept by the model: what it asks for is enough", () => {
    const plan = planWith(
      { name: "a", scaling: { minimumPollers: 2, maximumPollers: 5 }, reservedConcurrency: 50 },
      { name: "b", scaling: { minimumPollers: 2, maximumPollers: 5 }, reservedConcurrency: 50 },
    );
    const assumptions = plenty({
      lambdaConcurrency: 200,
      s3SourcePartitions: 0.1,
      s3ResultsPartitions: 0.1,
      snsPublishesPerSecond: 300,
    });
    expect(simulate(plan, load(), assumptions, { until: 90 }).drained).to.equal(undefined);

    const advice = advise({ ...plan, assumed: assumptions }, load(), 90);

    expect(simulate(advice, load(), advice.assumed).drained).to.be.at.most(90);
    expect(advice.raises.map(({ what }) => what)).to.deep.equal([
      "partitions of the source bucket",
      'SNS "Messages Published per Second"',
      "partitions of the results bucket",
      "workers.scaling.maximumPollers of a and b",
      "workers.reservedConcurrency of a and b",
      'Lambda "Concurrent executions"',
    ]);
    for (const { scaling, reservedConcurrency = 0 } of advice.workers) {
      const { maximumPollers = 0 } = scaling as { maximumPollers?: number };
      expect(reservedConcurrency).to.be.at.least(maximumPollers * 10);
    }
    // AWS keeps a hundred for functions that have none reserved.
    const reserved = advice.workers.reduce((sum, worker) => sum + (worker.reservedConcurrency ?? 0), 0);
    expect(advice.assumed.lambdaConcurrency).to.be.at.least(reserved + 100);
  });

  it("says when nothing helps, and what raises all that there is", () => {
    const { raises, ...raised } = advise({ ...planWith({}), assumed: plenty() }, load(), 60);

    expect(raises).to.deep.equal([]);
    expect(simulate(raised, load(), raised.assumed).drained).to.be.within(61, 70);
  });
});
