import { expect } from "chai";
import { ASSUMPTIONS, assumptionsFor, atBound } from "../../src/capacity/assumptions.ts";

describe("numbers", () => {
  it("say where they come from, all of them", () => {
    for (const [name, [value, unit, source]] of Object.entries(ASSUMPTIONS)) {
      expect(value, name).to.be.a("number");
      expect(unit, name).to.match(/\w/);
      expect(source, name).to.match(/\.html|https:|^assumed|^this project/);
    }
  });

  it("have a range where they are assumed, which holds what was overridden in its place", () => {
    for (const [name, [value, , source, best = Number.NaN, worst = Number.NaN]] of Object.entries(
      ASSUMPTIONS,
    )) {
      if (!source.startsWith("assumed")) continue;
      expect(value, name).to.be.within(Math.min(best, worst), Math.max(best, worst));
    }
    const assumed = assumptionsFor("us-east-1", { cpuFactor: 1.3 });
    expect(atBound(assumed, "worst", ["cpuFactor"])).to.deep.include({
      cpuFactor: 1.3,
      s3RequestSeconds: 0.2,
    });
    expect(atBound(assumed, "best", [])).to.deep.include({ cpuFactor: 0.7, s3RequestSeconds: 0.04 });
  });

  it("depend on the region, and give way to what is known better", () => {
    expect(assumptionsFor("us-east-1").snsPublishesPerSecond).to.equal(30_000);
    expect(assumptionsFor("eu-south-1").snsPublishesPerSecond).to.equal(300);
    expect(assumptionsFor("us-east-1", { snsPublishesPerSecond: 5 }).snsPublishesPerSecond).to.equal(5);
  });
});
