import { PassThrough } from "node:stream";
import { expect } from "chai";
import { progressDisplay } from "../../src/cli/progress.ts";

describe("the progress of a run, off a terminal", () => {
  it("is a line where something is new, and none where nothing has happened", () => {
    const stream = new PassThrough({ encoding: "utf8" });
    const display = progressDisplay(stream, 0);

    for (const done of [0, 0, 3, 3, 3, 4]) {
      display.update({ uploaded: done > 0 ? 8 : 0, done, perImage: 2, filtered: 0 }, 8);
    }

    expect(stream.read()).to.equal(
      "8 of 8 images uploaded, 3 of 16 results\n8 of 8 images uploaded, 4 of 16 results\n",
    );
  });
});
