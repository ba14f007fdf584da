import { expect } from "chai";
import { chaos } from "local-aws";
import { withFolder } from "../support/machine.ts";
import { MachineProcess } from "./machine-process.ts";
import { trial } from "./trial.ts";

describe("chaos", function () {
  this.timeout(120_000);

  it("changes nothing, though everything goes wrong and the whole machine is killed in the middle", async () => {
    await withFolder(async (folder) => {
      const machine = await MachineProcess.start(folder, "short");
      try {
        const report = await trial(machine, { images: 12, seed: "short", killEvery: 0.5, mostKills: 1 });

        expect(report.wrong).to.deep.equal([]);
        expect(report.kills).to.be.greaterThan(0);
      } finally {
        await machine.stop();
      }
    });
  });

  it("is the same again with the same seed", () => {
    const faults = (seed: string) => {
      const { request, event } = chaos(seed);
      return Array.from({ length: 1000 }, (_, index) => [
        request?.({ operation: "GET", path: `/a/${index}`, before: 0 }),
        event?.(index),
      ]);
    };

    expect(faults("1")).to.deep.equal(faults("1"));
    expect(faults("1")).to.not.deep.equal(faults("2"));
  });
});
