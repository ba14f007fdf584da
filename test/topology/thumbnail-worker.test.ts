import { expect } from "chai";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { ThumbnailWorker, type ThumbnailWorkerArgs } from "../../src/topology/thumbnail-worker.ts";
import { find, registered } from "../support/mocks.ts";

describe("ThumbnailWorker", () => {
  /** What the function of a worker is given. */
  async function variablesOf(args: Partial<ThumbnailWorkerArgs>): Promise<Record<string, string>> {
    const resources = await registered(() => {
      new ThumbnailWorker("small", { fanOut: new ImageFanOut("images"), ...args });
    });
    expect(find(resources, "ThumbnailWorker", "images-small")).to.include({ memorySize: 1769 });
    return find(resources, "Function", "images-small-function").environment.variables;
  }

  it("makes WebP of 256 pixels by default", async () => {
    expect(await variablesOf({})).to.include({ WORKER: "small", LONGEST_SIDE: "256", FORMAT: "webp" });
  });

  it("makes what it is told to", async () => {
    expect(await variablesOf({ longestSide: 16, format: "avif" })).to.include({
      LONGEST_SIDE: "16",
      FORMAT: "avif",
    });
  });

  for (const longestSide of [15, 4097, 100.5]) {
    it(`refuses a longest side of ${longestSide}`, () => {
      expect(() => new ThumbnailWorker("small", { fanOut: {} as ImageFanOut, longestSide })).to.throw(
        ArgumentError,
        `ThumbnailWorker "small": longestSide is ${longestSide}, but must be a whole number from 16 to 4096 pixels.`,
      );
    });
  }

  it("refuses a format that it cannot make", () => {
    const format = "gif" as "webp";
    expect(() => new ThumbnailWorker("small", { fanOut: {} as ImageFanOut, format })).to.throw(
      ArgumentError,
      'ThumbnailWorker "small": format is "gif", but must be one of jpeg, png, webp, avif.',
    );
  });
});
