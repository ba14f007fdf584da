import { readFileSync } from "node:fs";
import { expect } from "chai";
import { arrivals, arrivalsFromCsv } from "../../../src/capacity/model/arrivals.ts";
import { cpuSeconds, durations } from "../../../src/capacity/model/durations.ts";
import { latency } from "../../../src/capacity/model/latency.ts";
import { maxMinFairShare } from "../../../src/capacity/model/max-min-fair-share.ts";
import { simulate } from "../../../src/capacity/model/simulation.ts";
import { atOnce, planWith, plenty, sum, workerPlan } from "../support.ts";

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
    const { secondsPerImage } = durations(12);
    const seconds = (memorySize: number) => secondsPerImage(workerPlan({ memorySize }), plenty());

    expect(seconds(1769 / 2)).to.be.closeTo(2 * cpuSeconds(12), 1e-9);
    expect(seconds(3538)).to.be.closeTo(cpuSeconds(12), 1e-9);
  });
});

describe("dividing", () => {
  const shares = (...pairs: [wants: number, has: number][]) => pairs.map(([wants, has]) => ({ wants, has }));

  it("gives equal parts, and what some do not want to the others", () => {
    expect(maxMinFairShare(90, shares([100, 0], [100, 0], [100, 0]))).to.deep.equal([30, 30, 30]);
    expect(maxMinFairShare(90, shares([10, 0], [100, 0], [100, 0]))).to.deep.equal([10, 40, 40]);
    expect(maxMinFairShare(90, shares([10, 0], [20, 0]))).to.deep.equal([10, 20]);
  });

  it("never promises what somebody still has", () => {
    const [a, b, c] = maxMinFairShare(90, shares([100, 70], [100, 0], [100, 0]));
    expect([b, c]).to.deep.equal([10, 10]);
    expect(a).to.be.at.most(70);
  });
});

describe("latency", () => {
  it("is that of the slowest worker, second for second", () => {
    const plan = planWith({ name: "fast" }, { name: "slow", scaling: { maximumConcurrency: 10 } });

    const found = latency(simulate(plan, atOnce(1000, 1), plenty({ standardMax: 1e6 })));

    // A hundred seconds for ten at once, and one until the event is there.
    expect(found?.max).to.be.within(100, 102);
    expect(found?.p50).to.be.within(49, 52);
    expect(found?.p99).to.be.within(98, 101);
  });
});
