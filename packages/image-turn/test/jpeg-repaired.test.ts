import { expect } from "chai";
import { rotate } from "../src/rotate.ts";
import { jpeg } from "./corpus/jpeg.ts";
import { difference, photograph, picture } from "./corpus/raster.ts";
import { decode, limits, rejection, turned } from "./tools.ts";

const scanAt = (file: Buffer) => file.indexOf(Buffer.from([0xff, 0xda]));
const inserted = (file: Buffer, at: number, bytes: readonly number[]) =>
  Buffer.concat([file.subarray(0, at), Buffer.from(bytes), file.subarray(at)]);

/** Damage that leaves all pixels where they are, by the words that the result says of it. */
const damages: Record<string, (file: Buffer) => Buffer> = {
  "a baseline scan says that it has only some coefficients": (file) => {
    const broken = Buffer.from(file);
    broken.writeUIntBE(0x0a0021, scanAt(file) + 11, 3);
    return broken;
  },
  "2 stray bytes are before a marker": (file) => inserted(file, 2, [0x12, 0x34]),
  "5 stray bytes are before a marker": (file) => inserted(file, scanAt(file), [1, 2, 3, 4, 5]),
  "the end marker is missing": (file) => file.subarray(0, -2),
  "7 bytes are behind its end": (file) => Buffer.concat([file, Buffer.from("leavings").subarray(1)]),
};

describe("a damaged JPEG whose pixels are all there", () => {
  for (const [words, damage] of Object.entries(damages)) {
    it(`is turned where ${words}, and the result says so`, async () => {
      // The first is turned exactly, the second encoded anew.
      for (const [width, height] of [
        [64, 48],
        [61, 43],
      ] as const) {
        const sound = await jpeg(photograph(width, height));
        const { body, notes } = await rotate({ angle: 90 })(damage(sound), limits);
        expect(notes?.repaired).to.deep.equal([words]);
        expect(body.equals(await turned(sound, 90))).to.equal(true);
      }
    });
  }

  it("is rejected by a worker that takes no damaged images, in the same words", async () => {
    const strict = rotate({ angle: 90, damaged: "reject" });
    const sound = await jpeg(photograph(64, 48));
    expect((await strict(sound, limits)).notes?.repaired).to.deep.equal([]);
    for (const [words, damage] of Object.entries(damages)) {
      const failure = await strict(damage(sound), limits).catch((error) => error);
      expect([failure.code, failure.message]).to.deep.equal(["corrupt", `The JPEG is damaged: ${words}.`]);
    }
    const wrong = "mend" as "repair";
    expect(() => rotate({ angle: 90, damaged: wrong })).to.throw(RangeError, '"repair" or "reject"');
  });
});

describe("a damaged JPEG with pixels that are missing or in doubt", () => {
  it("is rejected: an end within a scan, scans that never came, another picture's beginning", async () => {
    const sound = await jpeg(photograph(64, 48));
    await rejection(sound.subarray(0, -40), "corrupt");
    const zeros = Buffer.from(await jpeg(picture(32, 24, 1))); // decodes to grey, and has bytes left
    await rejection(zeros.fill(0, scanAt(zeros) + 10), "corrupt");
    const progressive = await jpeg(photograph(64, 48), { progressive: true });
    await rejection(progressive.subarray(0, progressive.lastIndexOf(Buffer.from([0xff, 0xc4]))), "corrupt");
    await rejection(inserted(sound, scanAt(sound), new Array(100).fill(1)), "corrupt");
    await rejection(inserted(sound, 2, [1, 2, 0xff, 0xd8]), "corrupt");
  });

  it("progressive is turned where only its end marker is missing", async () => {
    const source = await jpeg(photograph(64, 48), { progressive: true });
    const result = await turned(source.subarray(0, -2), 90);
    expect(difference(await decode(result), await decode(await turned(source, 90))).largest).to.equal(0);
  });
});
