import { expect } from "chai";
import { answer } from "../../src/capacity/answer.ts";
import { assumptionsFor } from "../../src/capacity/assumptions.ts";
import { arrivals } from "../../src/capacity/model/arrivals.ts";
import { durations } from "../../src/capacity/model/durations.ts";
import type { Plan, WorkerPlan } from "../../src/capacity/plan.ts";
import { type Asked, report } from "../../src/capacity/report.ts";
import { planWith } from "./support.ts";

/** What becomes of 20,000 images in a minute, with numbers of one's own? */
const askedOf = (plan: Plan, overrides: Parameters<typeof assumptionsFor>[1] = {}): Asked => ({
  plan,
  load: { arrivals: arrivals("constant", 20_000, 60, 1), ...durations(12) },
  assumed: assumptionsFor("us-east-1", overrides),
  known: Object.keys(overrides),
  megapixels: 12,
  deadline: 120,
  seed: 1,
  stack: "test",
  profile: "constant",
  window: 60,
  durations: "measured",
});

/** The answer for one worker. */
function asked(overrides: Parameters<typeof assumptionsFor>[1] = {}, worker: Partial<WorkerPlan> = {}) {
  const plan = planWith({ name: "clockwise", scaling: { maximumConcurrency: 30 }, ...worker });
  const question = askedOf(plan, overrides);
  const { answer: answered } = answer(question);
  return { ...answered, text: report(answered, question) };
}

describe("the report", () => {
  it("claims no time to the second, and gives the range of what is assumed", () => {
    const { drained, costRange, text } = asked();

    expect(drained.best).to.be.below(drained.assumed ?? 0);
    expect(drained.worst).to.be.above(drained.assumed ?? 0);
    expect(costRange[0]).to.be.below(costRange[1]);
    expect(text).to.match(
      /^Processed {7}in about [\d.]+ min \([\d.]+ min to [\d.]+ min\): every worker is done with them$/m,
    );
    expect(text).to.match(/^ {2}Total .*\(\$[\d.]+ to \$[\d.]+ this run\)$/m);
    expect(text).to.not.match(/\d:\d\d/);
  });

  it("says of a worker that a filter keeps images from that they are counted all the same", () => {
    expect(asked().text).to.match(/ nothing reserved$/m);
    expect(asked({}, { isFiltered: true }).text).to.match(
      /^ {2}clockwise: .* nothing reserved; gets only some images, but counts as if it got all$/m,
    );
  });

  it("says of the time that an image takes that workers of results are not in it", () => {
    expect(asked().text).to.match(/^An image takes .* \(the slowest\)$/m);

    const question = askedOf(planWith({ name: "first" }, { name: "second", after: ["first"] }));

    expect(report(answer(question).answer, question)).to.match(
      /^An image takes .* \(the slowest\), without workers of results$/m,
    );
  });

  it("has no range of what is known", () => {
    const { drained } = asked({
      ...{ cpuFactor: 1, s3RequestSeconds: 0.1, s3EventSeconds: 1, s3SplitSeconds: 1800 },
      ...{ coldStartSeconds: 0.5, invocationSeconds: 0.01 },
    });

    expect(drained.best).to.equal(drained.assumed);
    expect(drained.worst).to.equal(drained.assumed);
  });

  it("says what the account cannot do, and what it takes instead", () => {
    const { text } = asked({ lambdaConcurrency: 10 });

    expect(text).to.match(/^This account:\n {2}The workers run up to 30 batches at once, /m);
    expect(text).to.match(/^To process them within \S+ min instead of \S+ min, according to the model:$/m);
    expect(text).to.match(/^ {2}ask {4}Lambda "Concurrent executions": 10 → /m);
  });

  it("counts no dead letters, not even none, where Lambda throttles functions", () => {
    expect(asked().text).to.match(
      /^Counted {9}20,000 × 1 = 20,000 results \+ 0 in dead-letter queues \+ 0 lost$/m,
    );
    expect(asked({ lambdaConcurrency: 10 }).text).to.match(
      /^Counted {9}20,000 × 1 = 20,000 results and dead letters \+ 0 lost; how many of them throttling makes dead letters is not modelled$/m,
    );
  });

  it("says of pollers that they take the place of a maximum of batches", () => {
    expect(asked({ s3ResultsPartitions: 10 }).text).to.match(
      /^ {2}set {4}workers\.scaling\.maximumPollers of clockwise: standard mode → \d+\n {9}pollers need both minimumPollers and maximumPollers, and maximumConcurrency has to go$/m,
    );
  });
});
