import { expect } from "chai";
import { assumptionsFor } from "../../src/capacity/assumptions.ts";
import type { WorkerPlan } from "../../src/capacity/plan.ts";
import { accountProblems, preflight } from "../../src/capacity/preflight.ts";
import { planWith, workerPlan } from "./support.ts";

describe("the preflight", () => {
  const settings = workerPlan({ name: "clockwise" });
  const objective = { images: 2_000_000, minutes: 5 };

  it("is silent where the settings can do it, whatever quotas are", () => {
    const scaling = { minimumPollers: 200, maximumPollers: 600 };

    expect(preflight([{ ...settings, scaling }], objective)).to.equal(undefined);
  });

  it("says in a sentence what settings cannot, and what would", () => {
    expect(preflight([{ ...settings, scaling: { maximumConcurrency: 10 } }], objective)).to.match(
      /^2,000,000 images of 12 megapixels in 5 minutes must be processed within 6 min, but with these settings that takes more than 60 min, even if every quota is raised\. To meet the objective, raise workers\.scaling\.maximumPollers of clockwise from standard mode to \d{3}, with minimumPollers and in place of maximumConcurrency\.$/,
    );
  });

  it("knows objectives that no settings meet", () => {
    expect(preflight([settings], { images: 1_000_000_000, minutes: 1 })).to.match(
      /Neither pollers nor reserved concurrency change that\.$/,
    );
  });
});

describe("what an account cannot do", () => {
  const scaling = { maximumConcurrency: 4 };
  const two = (changes: Partial<WorkerPlan>) =>
    planWith({ ...changes, name: "clockwise" }, { ...changes, name: "counter-clockwise" });
  const problems = (changes: Partial<WorkerPlan>, lambdaConcurrency: number) =>
    accountProblems(two(changes), assumptionsFor("us-east-1", { lambdaConcurrency }));

  it("is nothing where all workers together fit into it, as dev does into the ten of a new one", () => {
    expect(problems({ scaling }, 10)).to.deep.equal([]);
    expect(problems({ scaling: { maximumConcurrency: 400 } }, 1000)).to.deep.equal([]);
    expect(problems({ reservedConcurrency: 450, scaling: { maximumConcurrency: 450 } }, 1000)).to.deep.equal(
      [],
    );
  });

  it("is to run all workers at once where each alone would fit", () => {
    expect(problems({ scaling: { maximumConcurrency: 8 } }, 10)).to.deep.equal([
      "The workers run up to 16 batches at once, and the account has 10 concurrent executions: what Lambda throttles counts as a try, so good images end up as dead letters. To prevent that, set workers.scaling.maximumConcurrency to 5 or less, or ask for 16 (Service Quotas, L-B99A9384).",
    ]);
  });

  it("is what pollers run, of which fewer are advised, as no worker takes a maximum of batches beside them", () => {
    expect(problems({ scaling: { minimumPollers: 2, maximumPollers: 60 } }, 1000).join()).to.match(
      /^The workers run up to 1,200 batches at once, .* To prevent that, set workers\.scaling\.maximumPollers to 50 or less, or ask for 1,200 /,
    );
    expect(problems({ scaling: { minimumPollers: 2, maximumPollers: 60 } }, 30).join()).to.contain(
      "To prevent that, ask for 1,200 ",
    );
  });

  it("is to reserve what AWS keeps unreserved", () => {
    expect(problems({ reservedConcurrency: 460, scaling: { maximumConcurrency: 460 } }, 1000)).to.deep.equal([
      "AWS refuses to reserve 920: the account has 1,000 concurrent executions, and 100 stay unreserved. Lower workers.reservedConcurrency, or ask for 1,020 (Service Quotas, L-B99A9384).",
    ]);
  });

  it("is a function with more memory than a new account has", () => {
    expect(problems({ scaling, memorySize: 3008 }, 10)).to.deep.equal([]);
    expect(problems({ scaling, memorySize: 4096 }, 1000)).to.deep.equal([]);
    expect(problems({ scaling, memorySize: 4096 }, 10)).to.deep.equal([
      "An account as new as this one may refuse functions of more than 3,008 MB, and memorySize is 4,096 for clockwise and counter-clockwise: set workers.memorySize to 3008, or ask AWS Support.",
    ]);
  });
});
