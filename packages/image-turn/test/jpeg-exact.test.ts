import { expect } from "chai";
import sharp from "sharp";
import { rotate } from "../src/rotate.ts";
import { codedPicture, coefficients, encoded, movedPicture } from "./corpus/coefficients.ts";
import { exif } from "./corpus/exif.ts";
import { cmykJpeg, exifSegment, jpeg, withSegments } from "./corpus/jpeg.ts";
import { difference, photograph, picture, quarters } from "./corpus/raster.ts";
import { random } from "./mutate.ts";
import { decode, limits, rejection, turned, turnedAround } from "./tools.ts";

/** Sampling factors by their usual names. */
const samplings = {
  grey: [[2, 2]],
  "4:4:4": [
    [1, 1],
    [1, 1],
    [1, 1],
  ],
  "4:2:2": [
    [2, 1],
    [1, 1],
    [1, 1],
  ],
  "4:2:0": [
    [2, 2],
    [1, 1],
    [1, 1],
  ],
  "4:4:0": [
    [1, 2],
    [1, 1],
    [1, 1],
  ],
  "4:1:1": [
    [4, 1],
    [1, 1],
    [1, 1],
  ],
  "4:2:0, colours unlike": [
    [2, 2],
    [2, 1],
    [1, 2],
  ],
  "four inks": [
    [1, 1],
    [1, 1],
    [1, 1],
    [1, 1],
  ],
  "four, two of them halved": [
    [2, 2],
    [1, 1],
    [1, 1],
    [2, 2],
  ],
} as const;

/** What each Exif orientation does before the turn: whether it mirrors, and quarters clockwise. */
const upright: readonly (readonly [boolean, number])[] = [
  [false, 0],
  [true, 0],
  [false, 2],
  [true, 2],
  [true, 3],
  [false, 1],
  [true, 1],
  [false, 3],
];

describe("a JPEG whose sides are whole MCUs", () => {
  for (const [name, factors] of Object.entries(samplings)) {
    it(`in ${name} has its coefficients moved, in every orientation and by every quarter`, async () => {
      const made = codedPicture(64, 96, factors);
      const plain = encoded(made);
      // One component is no mixture: its factors mean nothing.
      const source = made.components.length === 1 ? await coefficients(plain) : made;
      expect(await coefficients(plain)).to.deep.equal(source);
      for (const [index, [flop, before]] of upright.entries()) {
        const file = withSegments(plain, [exifSegment(exif({ orientation: index + 1 }))]);
        for (const quarter of [0, 1, 2, 3]) {
          const { body, notes } = await rotate({ angle: quarter * 90 })(file, limits);
          expect(notes?.exact).to.equal(true);
          expect(await coefficients(body)).to.deep.equal(movedPicture(source, flop, before + quarter));
        }
      }
    });
  }

  it("is turned alike in restart intervals of any length, and in scans of one component", async () => {
    const made = codedPicture(64, 32, samplings["4:2:0"]);
    const expected = await turned(encoded(made), 90);
    for (const restart of [1, 2, 3, 5, 8]) {
      expect((await turned(encoded(made, { restart }), 90)).equals(expected), `${restart}`).to.equal(true);
      const apart = encoded(made, { restart, apart: true });
      expect((await turned(apart, 90)).equals(expected), `${restart}, apart`).to.equal(true);
    }
  });

  it("progressive stays so, with the same passes and every coefficient", async () => {
    for (const options of [{ progressive: true }, { progressive: true, mozjpeg: true, quality: 95 }]) {
      for (const chromaSubsampling of ["4:2:0", "4:4:4"]) {
        const source = await jpeg(photograph(160, 112), { ...options, chromaSubsampling });
        const { body, notes } = await rotate({ angle: 90 })(source, limits);
        expect(notes?.exact).to.equal(true);
        expect((await sharp(body).metadata()).isProgressive).to.equal(true);
        expect(await coefficients(body)).to.deep.equal(movedPicture(await coefficients(source), false, 1));
        expect(body.length / source.length).to.be.within(0.97, 1.03);
      }
    }
  });

  it("progressive of noise, more than is remembered of a scan, has every coefficient too", async () => {
    const next = random(7);
    const noise = Uint8Array.from({ length: 96 * 64 * 3 }, () => Math.floor(next() * 256));
    const image = sharp(noise, { raw: { width: 96, height: 64, channels: 3 } });
    const source = await image.jpeg({ quality: 98, progressive: true }).toBuffer();
    const { body } = await rotate({ angle: 90 })(source, limits);
    expect(await coefficients(body)).to.deep.equal(movedPicture(await coefficients(source), false, 1));
  });

  it("is the original again after four turns, and after a turn and back, for an independent decoder too", async () => {
    for (const source of [
      await jpeg(photograph(128, 96)),
      await jpeg(photograph(128, 96), { progressive: true }),
      await jpeg(picture(64, 48, 1)),
      await cmykJpeg(64, 48),
    ]) {
      const original = await coefficients(source);
      const [around, back] = [await turnedAround(source), await turned(await turned(source, 90), -90)];
      for (const result of [around, back]) {
        expect(await coefficients(result)).to.deep.equal(original);
        expect(difference(await decode(result), await decode(source)).largest).to.equal(0);
      }
      const once = await decode(await turned(source, 90));
      expect(difference(once, quarters(await decode(source), 1)).mean).to.be.below(0.5);
    }
  });

  it("is no larger than its source where that has the best tables too", async () => {
    for (const progressive of [false, true]) {
      const source = await jpeg(photograph(480, 320), { progressive, optimiseCoding: true });
      expect((await turned(source, 0)).length).to.be.at.most(source.length * 1.001);
    }
  });

  it("turns an Exif thumbnail in the same way", async () => {
    const thumbnail = await jpeg(picture(32, 16));
    const source = withSegments(await jpeg(picture(64, 48)), [
      exifSegment(exif({ orientation: 1, thumbnail })),
    ]);
    const result = await turned(source, 90);
    const start = result.indexOf(Buffer.from([0xff, 0xd8]), 2);
    const expected = movedPicture(await coefficients(thumbnail), false, 1);
    expect(await coefficients(result.subarray(start))).to.deep.equal(expected);
  });
});

describe("a JPEG whose sides are no whole MCUs", () => {
  it("is exact where the cut blocks stay at the right or the bottom, and encoded anew elsewhere", async () => {
    // By 90°, the bottom becomes the left; by −90°, the right becomes the top.
    for (const [width, height, exact] of [
      [64, 48, { 0: true, 90: true, 180: true, 270: true }],
      [61, 48, { 0: true, 90: true, 180: false, 270: false }],
      [64, 43, { 0: true, 90: false, 180: false, 270: true }],
      [61, 43, { 0: true, 90: false, 180: false, 270: false }],
    ] as const) {
      const made = codedPicture(width, height, samplings["4:2:0"], width);
      for (const [angle, expected] of Object.entries(exact)) {
        const { body, notes } = await rotate({ angle: Number(angle) })(encoded(made), limits);
        expect(notes?.exact, `${width} × ${height} by ${angle}`).to.equal(expected);
        if (expected) {
          expect(await coefficients(body)).to.deep.equal(movedPicture(made, false, Number(angle) / 90));
        }
      }
    }
  });
});

describe("the exact turn of a JPEG", () => {
  it("stops at its deadline, and lets others run meanwhile", async () => {
    const noise = { type: "gaussian", mean: 120, sigma: 20 } as const;
    const create = { width: 1600, height: 1600, channels: 3, background: "black", noise } as const;
    const source = await sharp({ create }).jpeg().toBuffer();
    expect(await rejection(source, "too-slow", { ...limits, seconds: 0.01 })).to.include("0.01 s");
    let turns = 0;
    let running = true;
    const count = () => {
      turns += 1;
      if (running) {
        setImmediate(count);
      }
    };
    setImmediate(count);
    const { notes } = await rotate({ angle: 90 })(source, limits);
    running = false;
    expect(notes?.exact).to.equal(true);
    expect(turns).to.be.above(2);
  });

  it("finds damage where an independent decoder does, and rejects it", async () => {
    for (const options of [{}, { progressive: true }]) {
      const source = await jpeg(photograph(160, 112), options);
      const start = source.indexOf(Buffer.from([0xff, 0xda])) + 14;
      const next = random(3);
      let damaged = 0;
      for (let round = 0; round < 60; round += 1) {
        const at = start + Math.floor(next() * (source.length - start - 42));
        const broken = Buffer.concat([source.subarray(0, at), source.subarray(at + 40)]);
        const decoder = sharp(broken, { failOn: "warning" }).raw().toBuffer();
        const readable = await decoder.then(
          () => true,
          () => false,
        );
        const outcome = await turned(broken, 90).then(
          () => true,
          () => false,
        );
        expect(outcome, `${at}`).to.equal(readable);
        damaged += readable ? 0 : 1;
      }
      expect(damaged).to.be.above(40);
    }
  });

  it("rejects a progressive JPEG whose passes are not all there", async () => {
    const source = await jpeg(photograph(160, 112), { progressive: true });
    const last = source.lastIndexOf(Buffer.from([0xff, 0xda]));
    await rejection(source.subarray(0, last), "corrupt");
  });
});
