import { expect } from "chai";
import { Budget } from "../src/budget.ts";

/** A budget of two requests a second, and when each request went, in milliseconds. */
function budget() {
  let time = 0;
  const sent: [string, number][] = [];
  const limited = new Budget(2, async (milliseconds) => {
    time += milliseconds;
  });
  const ask = (name: string, urgent = false, error?: Error) =>
    limited.spend(async () => {
      sent.push([name, time]);
      if (error) throw error;
      return name;
    }, urgent);
  return { ask, sent };
}

function named(name: string): Error {
  return Object.assign(new Error(name), { name });
}

describe("the budget of requests to AWS", () => {
  it("has no more in any second than there may be, however many are asked at once", async () => {
    const { ask, sent } = budget();
    const answers = await Promise.all(["a", "b", "c", "d", "e"].map((name) => ask(name)));
    expect(answers).to.deep.equal(["a", "b", "c", "d", "e"]);
    expect(sent.map(([, time]) => time)).to.deep.equal([0, 500, 1000, 1500, 2000]);
  });

  it("lets what a person waits for go first", async () => {
    const { ask, sent } = budget();
    await Promise.all([ask("a"), ask("b"), ask("c"), ask("click", true)]);
    expect(sent.map(([name]) => name)).to.deep.equal(["a", "click", "b", "c"]);
  });

  it("waits twice as long after each throttle that it knows of, and as before once one is answered", async () => {
    const { ask, sent } = budget();
    const throttled = [1, 2].map((index) =>
      ask(`t${index}`, false, named("ThrottlingException")).catch(() => {}),
    );
    await Promise.all([...throttled, ask("a"), ask("b"), ask("c")]);
    expect(sent.map(([, time]) => time)).to.deep.equal([0, 500, 1500, 3500, 4000]);
  });

  it("goes on after any other error, which it hands to whoever asked", async () => {
    const { ask, sent } = budget();
    const [failed, answered] = await Promise.allSettled([ask("a", false, named("AccessDenied")), ask("b")]);
    expect([failed.status, answered.status]).to.deep.equal(["rejected", "fulfilled"]);
    expect(sent.map(([, time]) => time)).to.deep.equal([0, 500]);
  });
});
