import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { GroupCommit } from "../../src/store/commits.ts";

describe("changes that are committed together", () => {
  let database: DatabaseSync;
  let syncs: number;
  let commits: GroupCommit;

  beforeEach(() => {
    database = new DatabaseSync(":memory:");
    database.exec("CREATE TABLE numbers (number INTEGER PRIMARY KEY)");
    syncs = 0;
    commits = new GroupCommit(database, async () => {
      syncs += 1;
    });
  });

  afterEach(() => database.close());

  const insert = (number: number) => database.prepare("INSERT INTO numbers VALUES (?)").run(number);
  const numbers = () =>
    database
      .prepare("SELECT number FROM numbers ORDER BY number")
      .all()
      .map((row) => row.number);

  it("wait for the disk once", async () => {
    await Promise.all([1, 2, 3].map((number) => commits.run(() => insert(number))));
    expect(numbers()).to.deep.equal([1, 2, 3]);
    expect(syncs).to.equal(1);
  });

  it("are undone one by one: one that throws takes no other with it", async () => {
    const results = await Promise.allSettled([
      commits.run(() => insert(1)),
      commits.run(() => {
        insert(2);
        throw new Error("no");
      }),
      commits.run(() => insert(3)),
    ]);
    expect(results.map(({ status }) => status)).to.deep.equal(["fulfilled", "rejected", "fulfilled"]);
    expect(numbers()).to.deep.equal([1, 3]);
  });

  it("are followed by their steps before anyone hears of them", async () => {
    const order: string[] = [];
    const change = commits.run((afterwards) => {
      afterwards(() => order.push("step"));
      return insert(1);
    });
    await change.then(() => order.push("answer"));
    expect(order).to.deep.equal(["step", "answer"]);
  });

  it("take no step that belongs to one that was undone", async () => {
    let stepped = false;
    const change = commits.run((afterwards) => {
      afterwards(() => {
        stepped = true;
      });
      throw new Error("no");
    });
    await change.catch(() => {});
    expect(stepped).to.equal(false);
  });

  it("are settled when also what their steps changed is on the disk", async () => {
    const order: string[] = [];
    const slow = new GroupCommit(database, async () => {
      await new Promise(setImmediate);
      order.push("sync");
    });
    void slow.run((afterwards) => {
      afterwards(() => void slow.run(() => insert(2)).then(() => order.push("step's")));
      return insert(1);
    });

    await slow.settled();

    expect(order).to.deep.equal(["sync", "sync", "step's"]);
  });

  it("are all refused where the disk fails", async () => {
    const failing = new GroupCommit(database, () => Promise.reject(new Error("the disk is gone")));
    const results = await Promise.allSettled([1, 2].map((number) => failing.run(() => insert(number))));
    expect(results.map(({ status }) => status)).to.deep.equal(["rejected", "rejected"]);
  });
});
