import { expect } from "chai";
import sharp, { type AvifOptions } from "sharp";
import { xmp } from "./corpus/exif.ts";
import { difference, picture, quarters, type Raster } from "./corpus/raster.ts";
import { decode, rejection, turned, turnedAround } from "./tools.ts";

function avif({ width, height, channels, data }: Raster, options?: AvifOptions): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels } })
    .withIccProfile("p3")
    .withXmp(xmp(6).toString())
    .withExifMerge({ IFD0: { Copyright: "A. Person" } })
    .avif({ effort: 0, ...options })
    .toBuffer();
}

describe("an AVIF", () => {
  for (const channels of [3, 4] as const) {
    for (const angle of [90, 180, 270, -90]) {
      it(`of ${channels} channels turned by ${angle} has exactly its pixels`, async () => {
        const source = await avif(picture(37, 23, channels));
        const expected = quarters(await decode(source), angle / 90);
        expect(difference(await decode(await turned(source, angle)), expected).largest).to.equal(0);
      });
    }
  }

  it("is the same after four quarters, there and back, and two quarters for a half", async () => {
    const source = await avif(picture(37, 23));
    const pixels = await decode(source);
    expect(difference(await decode(await turnedAround(source)), pixels).largest).to.equal(0);
    expect(difference(await decode(await turned(await turned(source, 90), -90)), pixels).largest).to.equal(0);
    const twice = await turned(await turned(source, 90), 90);
    expect(difference(await decode(await turned(source, 180)), await decode(twice)).largest).to.equal(0);
  });

  it("of 10 bits keeps them", async () => {
    const source = await avif(picture(37, 23), { bitdepth: 10 });
    const result = await turned(source, 90);
    expect((await sharp(result).metadata()).bitsPerSample).to.equal(10);
    expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
  });

  it("keeps profile and Exif, and its XMP with orientation 1", async () => {
    const source = await avif(picture(37, 23));
    const [before, after] = [
      await sharp(source).metadata(),
      await sharp(await turned(source, 90)).metadata(),
    ];
    expect(after.icc?.equals(before.icc as Buffer)).to.equal(true);
    expect(after.exif?.includes("A. Person")).to.equal(true);
    expect(after.orientation ?? 1).to.equal(1);
    expect(after.xmp?.toString()).to.include('tiff:Orientation="1"');
    expect(before.xmp?.toString()).to.include('tiff:Orientation="6"');
  });

  for (const old of [0, 1, 2, 3]) {
    for (const mirror of [undefined, 0, 1]) {
      it(`that is already turned by ${old} quarters${mirror === undefined ? "" : `, then mirrored (${mirror}),`} is turned on`, async () => {
        const source = withTransformations(await avif(picture(37, 23)), old, mirror);
        const pixels = await decode(source);
        expect(difference(await decode(await turned(source, 90)), quarters(pixels, 1)).largest).to.equal(0);
        expect(difference(await decode(await turned(source, -90)), quarters(pixels, 3)).largest).to.equal(0);
      });
    }
  }

  it("turned by 30 degrees is encoded anew, with its profile, 10 bits and white corners", async () => {
    const source = await avif(picture(64, 48), { bitdepth: 10 });
    const result = await turned(source, 30);
    const metadata = await sharp(result).metadata();
    expect([metadata.width, metadata.height, metadata.bitsPerSample]).to.deep.equal([79, 74, 10]);
    expect(metadata.hasProfile).to.equal(true);
    expect((await decode(result)).data[0]).to.be.above(1000);
  });

  it("that ends too early is rejected although its pixels are not needed", async () => {
    const source = await avif(picture(64, 48));
    await rejection(source.subarray(0, source.length - 40), "corrupt");
  });
});

/** Sets a turn by quarters counter-clockwise and a mirroring, as cameras do. */
function withTransformations(
  source: Buffer,
  quartersCounterClockwise: number,
  axis: number | undefined,
): Buffer {
  const property = (type: string, value: number) =>
    Buffer.from([0, 0, 0, 9, ...Buffer.from(type, "latin1"), value]);
  const properties = [
    property("irot", quartersCounterClockwise),
    ...(axis === undefined ? [] : [property("imir", axis)]),
  ];
  const box = (type: string, within = 0) => source.indexOf(type, within, "latin1") - 4;
  const [meta, iprp, ipco, ipma, iloc] = ["meta", "iprp", "ipco", "ipma", "iloc"].map((type) =>
    box(type),
  ) as [...[number, number, number, number, number]];
  const count = (() => {
    let found = 0;
    for (let at = ipco + 8; at < ipma; at += source.readUInt32BE(at)) {
      found += 1;
    }
    return found;
  })();
  // The primary item's entry is the first: version 0, narrow indices.
  const entry = ipma + 16;
  const associations = source.readUInt8(entry + 2);
  const end = entry + 3 + associations;
  const added = Buffer.from(properties.map((_, index) => 0x80 | (count + 1 + index)));
  const growth = Buffer.concat(properties).length + added.length;
  const file = Buffer.concat([
    source.subarray(0, ipma),
    ...properties,
    source.subarray(ipma, end),
    added,
    source.subarray(end),
  ]);
  const grow = (at: number, by: number) => file.writeUInt32BE(file.readUInt32BE(at) + by, at);
  grow(meta, growth);
  grow(iprp, growth);
  grow(ipco, growth - added.length);
  const moved = ipma + growth - added.length;
  grow(moved, added.length);
  file.writeUInt8(associations + added.length, moved + 16 + 2);
  const items = file.readUInt16BE(iloc + 14);
  for (let index = 0; index < items; index += 1) {
    grow(iloc + 16 + index * 18 + 4, growth);
  }
  return file;
}
