import { expect } from "chai";
import { PNG } from "pngjs";
import sharp from "sharp";
import { rotate } from "../src/rotate.ts";
import { exif, xmp } from "./corpus/exif.ts";
import { animatedPng, type Chunk, chunksOf, file, header, palettePng, png, pngOf } from "./corpus/png.ts";
import { difference, oriented, picture, quarters, type Raster } from "./corpus/raster.ts";
import { decode, limits, rejection, turned, turnedAround } from "./tools.ts";

function independently(png: Buffer): Raster {
  const { width, height, data } = PNG.sync.read(png);
  return { width, height, channels: 4, data };
}

/** Depth, colour type and interlacing. */
function kindOf(png: Buffer): number[] {
  return [png.readUInt8(24), png.readUInt8(25), png.readUInt8(28)];
}

function chunk(png: Buffer, type: string): Buffer | undefined {
  return chunksOf(png).find(([name]) => name === type)?.[1];
}

const kinds: Record<string, Buffer> = {
  "8-bit RGB": pngOf(picture(37, 23, 3)),
  "8-bit RGB and alpha": pngOf(picture(37, 23, 4)),
  "8-bit grey": pngOf(picture(37, 23, 1)),
  "8-bit grey and alpha": pngOf(picture(37, 23, 2)),
  "16-bit RGB": pngOf(picture(37, 23, 3, 16)),
  "16-bit RGB and alpha": pngOf(picture(37, 23, 4, 16)),
  "16-bit grey": pngOf(picture(37, 23, 1, 16)),
  "16-bit grey and alpha": pngOf(picture(37, 23, 2, 16)),
  "4-bit palette with transparent colours": palettePng(37, 23),
  "1-bit grey": bits(37, 23, 1),
  "2-bit grey": bits(37, 23, 2),
  "4-bit grey": bits(37, 23, 4),
  "RGB with a transparent colour": keyed(37, 23),
};

function bits(width: number, height: number, depth: 1 | 2 | 4): Buffer {
  const samples = Array.from({ length: width * height }, (_, index) => (index * index * 7) % 2 ** depth);
  return png({ width, height, depth, colour: 0, samples });
}

function keyed(width: number, height: number): Buffer {
  const { data } = picture(width, height);
  const transparency = Buffer.from([0, data[0], 0, data[1], 0, data[2]] as number[]);
  return png({ width, height, depth: 8, colour: 2, samples: data, transparency });
}

/** The chunks with another one behind the header. */
function inserted([header, ...rest]: readonly Chunk[], chunk: Chunk): Chunk[] {
  return [header as Chunk, chunk, ...rest];
}

/** The chunks with another content of an animation's chunk. */
function changed(chunks: readonly Chunk[], which: number, change: (data: Buffer) => void): Chunk[] {
  const [type, data] = chunks.filter(([name]) => /^(acTL|fcTL|fdAT)$/.test(name))[which] as Chunk;
  const copy = Buffer.from(data);
  change(copy);
  return chunks.map((chunk) => (chunk[1] === data ? [type, copy] : chunk));
}

/** The chunks with the numbers of an animation's parts in their order. */
function renumbered(chunks: readonly Chunk[]): Chunk[] {
  let next = 0;
  return chunks.map(([type, data]) => {
    if (type !== "fcTL" && type !== "fdAT") return [type, data];
    const copy = Buffer.from(data);
    copy.writeUInt32BE(next++, 0);
    return [type, copy];
  });
}

/** The file with a wrong checksum of its first chunk of a type. */
function damaged(source: Buffer, type: string): Buffer {
  const broken = Buffer.from(source);
  const at = broken.indexOf(type);
  const end = at + 4 + broken.readUInt32BE(at - 4);
  broken[end] = (broken[end] as number) ^ 1;
  return broken;
}

describe("a PNG", () => {
  for (const [name, source] of Object.entries(kinds)) {
    it(`of ${name} is turned exactly and stays what it was`, async () => {
      const result = await turned(source, 90);
      expect(kindOf(result)).to.deep.equal(kindOf(source));
      expect(difference(independently(result), quarters(independently(source), 1)).largest).to.equal(0);
      expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
    });

    it(`of ${name} is the same after four quarters, there and back, and two quarters for a half`, async () => {
      const pixels = await decode(source);
      expect(difference(await decode(await turnedAround(source)), pixels).largest).to.equal(0);
      expect(difference(await decode(await turned(await turned(source, 90), -90)), pixels).largest).to.equal(
        0,
      );
      const [half, twice] = [await turned(source, 180), await turned(await turned(source, 90), 90)];
      expect(difference(await decode(half), await decode(twice)).largest).to.equal(0);
    });
  }

  for (const [width, height] of [
    [37, 23],
    [23, 37],
  ] as const) {
    for (let orientation = 1; orientation <= 8; orientation += 1) {
      it(`of ${width} × ${height} in orientation ${orientation} comes out upright, turned, orientation 1`, async () => {
        for (const build of [
          pngOf,
          (raster: Raster, chunks: Chunk[]) => palettePng(raster.width, raster.height, chunks),
        ]) {
          const source = build(picture(width, height), [["eXIf", exif({ orientation })]]);
          const result = await turned(source, 90);
          const expected = quarters(oriented(await decode(source), orientation), 1);
          expect(difference(await decode(result), expected).largest).to.equal(0);
          expect(chunk(result, "eXIf")?.equals(exif({ orientation: 1 }))).to.equal(true);
        }
      });
    }
  }

  it("keeps its palette as it is", async () => {
    const source = palettePng(40, 40);
    const result = await turned(source, 90);
    expect(chunk(result, "PLTE")?.equals(chunk(source, "PLTE") as Buffer)).to.equal(true);
    expect(chunk(result, "tRNS")?.equals(chunk(source, "tRNS") as Buffer)).to.equal(true);
  });

  it("that is interlaced stays interlaced", async () => {
    const { data } = picture(37, 23, 3);
    const rgb = await sharp(data, { raw: { width: 37, height: 23, channels: 3 } })
      .png({ progressive: true })
      .toBuffer();
    const few = await sharp(rgb).png({ progressive: true, palette: true, colours: 16 }).toBuffer();
    for (const source of [rgb, few]) {
      const result = await turned(source, 90);
      expect(kindOf(result)).to.deep.equal(kindOf(source)).and.include(1);
      expect(difference(independently(result), quarters(independently(source), 1)).largest).to.equal(0);
    }
  });

  it("keeps its profile, colours, texts and dates, and swaps its densities", async () => {
    const density = Buffer.from([0, 0, 0x10, 0, 0, 0, 0x20, 0, 1]);
    const swapped = Buffer.from([0, 0, 0x20, 0, 0, 0, 0x10, 0, 1]);
    const profiled = await sharp(pngOf(picture(16, 16)))
      .withIccProfile("p3")
      .png()
      .toBuffer();
    const kept: Chunk[] = [
      ["iCCP", chunk(profiled, "iCCP") as Buffer],
      ["gAMA", Buffer.from([0, 0, 0xb1, 0x8f])],
      ["sBIT", Buffer.from([5, 6, 5])],
      ["bKGD", Buffer.from([0, 1, 0, 2, 0, 3])],
      ["tEXt", Buffer.from("Author\0A. Person", "latin1")],
      ["tIME", Buffer.from([7, 0xe8, 1, 2, 3, 4, 5])],
      ["prVt", Buffer.from("private, and safe to copy")],
    ];
    const source = pngOf(picture(16, 16), [...kept, ["pHYs", density]]);
    const result = await turned(source, 90);
    for (const [type, data] of kept) {
      expect(chunk(result, type)?.equals(data), type).to.equal(true);
    }
    expect(chunk(result, "pHYs")?.equals(swapped)).to.equal(true);
    expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
  });

  it("drops private chunks that say they depend on the pixels", async () => {
    const source = pngOf(picture(16, 16), [["prVT", Buffer.from("a checksum of the pixels")]]);
    expect(chunk(await turned(source, 90), "prVT")).to.equal(undefined);
  });

  it("keeps XMP", async () => {
    const text = Buffer.concat([Buffer.from("XML:com.adobe.xmp\0\0\0\0\0", "latin1"), xmp(6)]);
    const result = chunk(await turned(pngOf(picture(16, 16), [["iTXt", text]]), 90), "iTXt")?.toString();
    expect(result).to.include("drawn");
  });

  it("turned by 45 degrees has transparent corners where it has alpha, white ones where not", async () => {
    const alpha = await decode(await turned(pngOf(picture(40, 40, 4)), 45));
    const opaque = await decode(await turned(pngOf(picture(40, 40, 3)), 45));
    expect([alpha.width, opaque.width]).to.deep.equal([57, 57]);
    expect([...alpha.data.subarray(0, 4)]).to.deep.equal([0, 0, 0, 0]);
    expect([...opaque.data.subarray(0, 3)]).to.deep.equal([255, 255, 255]);
  });

  it("turned by 45 degrees stays at 16 bits, and turns a palette into colours", async () => {
    const deep = await turned(pngOf(picture(40, 40, 3, 16)), 45);
    expect(kindOf(deep)).to.deep.equal([16, 2, 0]);
    expect((await decode(deep)).data[0]).to.equal(255 << 8);
    expect(kindOf(await turned(palettePng(40, 40), 45))).to.deep.equal([8, 6, 0]);
    expect(kindOf(await turned(bits(40, 40, 1), 45))).to.deep.equal([8, 0, 0]);
  });

  it("that is animated keeps its frames as parts of the canvas, with delays and disposal", async () => {
    const source = animatedPng(12, 9);
    const result = await turned(source, 90);
    const frames = chunksOf(result).filter(([type]) => type === "fcTL");
    const fields = frames.map(([, data]) => [4, 8, 12, 16].map((at) => data.readUInt32BE(at)));
    expect(fields).to.deep.equal([
      [9, 12, 0, 0],
      [3, 5, 5, 2],
      [6, 4, 0, 8],
    ]);
    const timing = (png: Buffer) =>
      chunksOf(png)
        .filter(([type]) => type === "fcTL")
        .map(([, data]) => data.toString("hex", 20));
    expect(timing(result)).to.deep.equal(timing(source));
    expect(chunk(result, "acTL")?.equals(chunk(source, "acTL") as Buffer)).to.equal(true);
    const sequence = chunksOf(result)
      .filter(([type]) => /f[cd][TA][LT]/.test(type))
      .map(([, data]) => data.readUInt32BE(0));
    expect(sequence).to.deep.equal([0, 1, 2, 3, 4]);
    expect(difference(await decode(result), quarters(await decode(source), 1)).largest).to.equal(0);
  });

  it("that is animated has every frame's pixels turned", async () => {
    const frame = (png: Buffer, index: number) => {
      const all = chunksOf(png);
      const controls = all.filter(([type]) => type === "fcTL");
      const data = all.filter(([type]) => type === "fdAT")[index]?.[1].subarray(4) as Buffer;
      const control = controls[index + 1]?.[1] as Buffer;
      const size = { width: control.readUInt32BE(4), height: control.readUInt32BE(8) };
      return file([
        ["IHDR", header({ ...size, depth: 8, colour: 6 })],
        ["IDAT", data],
        ["IEND", Buffer.alloc(0)],
      ]);
    };
    const source = animatedPng(12, 9);
    const result = await turned(source, 90);
    for (const index of [0, 1]) {
      const expected = quarters(independently(frame(source, index)), 1);
      expect(difference(independently(frame(result, index)), expected).largest).to.equal(0);
    }
    const around = await turnedAround(source);
    expect(independently(frame(around, 1)).data).to.deep.equal(independently(frame(source, 1)).data);
  });

  it("that is animated is rejected at angles that are no quarters", async () => {
    const failure = await rotate({ angle: 12 })(animatedPng(12, 9), { pixels: 1e6, seconds: 5 }).catch(
      (error) => error,
    );
    expect(failure.message).to.include("animated PNG");
  });

  /** A picture of one pixel with so many bytes of a palette and of transparency. */
  const explained = (colour: 0 | 2 | 3 | 4 | 6, depth: 1 | 8, palette?: number, transparency?: number) =>
    png({
      ...{ width: 1, height: 1, colour, depth, samples: [0, 0, 0, 0] },
      ...(palette !== undefined && { palette: Buffer.alloc(palette) }),
      ...(transparency !== undefined && { transparency: Buffer.alloc(transparency) }),
    });

  for (const [name, fitting, unfitting] of [
    ["grey", [explained(0, 8), explained(0, 8, undefined, 2)], [[3], [undefined, 1], [undefined, 3]]],
    ["RGB", [explained(2, 8, 768), explained(2, 8, 3, 6)], [[771], [undefined, 5], [undefined, 7]]],
    ["palette", [explained(3, 8, 768, 256), explained(3, 8, 3, 1)], [[], [0], [4], [771], [3, 0], [3, 2]]],
    ["grey and alpha", [explained(4, 8)], [[3], [undefined, 2]]],
    ["RGB and alpha", [explained(6, 8), explained(6, 8, 768)], [[771], [undefined, 6], [3, 1]]],
  ] as const) {
    it(`with a palette or transparency that pixels in ${name} cannot have is rejected, and turned with others`, async () => {
      for (const source of fitting) await turned(source, 90);
      const colour = fitting[0].readUInt8(25) as 0;
      for (const [palette, transparency] of unfitting as unknown as [number?, number?][]) {
        const message = await rejection(explained(colour, 8, palette, transparency), "corrupt");
        expect(message).to.equal("The PNG is damaged: its palette does not fit its pixels.");
      }
    });
  }

  it("with more colours than its depth can name, or its palette in two parts or behind its transparency, is rejected", async () => {
    await turned(explained(3, 1, 6), 90);
    const [header, ...rest] = chunksOf(explained(2, 8, 6, 6));
    for (const source of [
      explained(3, 1, 9),
      file([header as Chunk, ["PLTE", Buffer.alloc(3)], ...rest.filter(([type]) => type !== "tRNS")]),
      file([
        header as Chunk,
        ...rest.filter(([type]) => type !== "PLTE").slice(0, 1),
        ...rest.slice(0, 1),
        ...rest.slice(2),
      ]),
      file([header as Chunk, ...rest.slice(0, 2), ...rest.slice(1)]),
    ]) {
      await rejection(source, "corrupt");
    }
  });

  it("with a wrong checksum of what viewers do without is turned without it, and says so", async () => {
    const pictures = { "8-bit RGB": pngOf(picture(16, 16)), "a palette": palettePng(16, 16) };
    for (const [name, sound] of Object.entries(pictures)) {
      for (const [type, data] of [
        ["tEXt", Buffer.from("Author\0A. Person")],
        ["gAMA", Buffer.from([0, 0, 0xb1, 0x8f])],
        ["eXIf", exif({ orientation: 6 })],
      ] as const) {
        const source = damaged(file(inserted(chunksOf(sound), [type, data])), type);
        for (const angle of [90, 45]) {
          const { body, notes } = await rotate({ angle })(source, limits);
          expect(notes?.repaired).to.deep.equal([`the checksum of a chunk ${type} is wrong`]);
          expect(notes?.dropped, name).to.deep.equal([`a chunk ${type}`]);
          expect(body.equals(await turned(sound, angle))).to.equal(true);
        }
        const failure = await rotate({ angle: 90, damaged: "reject" })(source, limits).catch(
          (error) => error,
        );
        expect([failure.code, failure.message]).to.deep.equal([
          "corrupt",
          `The PNG is damaged: the checksum of a chunk ${type} is wrong.`,
        ]);
      }
    }
  });

  it("with a wrong checksum of what pixels depend on, or of an unknown kind, is rejected", async () => {
    const unknown = inserted(chunksOf(palettePng(16, 16)), ["prVt", Buffer.from("private")]);
    for (const type of ["IHDR", "PLTE", "tRNS", "IDAT", "IEND", "prVt"]) {
      expect(await rejection(damaged(file(unknown), type), "corrupt"), type).to.include("checksum");
    }
    expect(await rejection(damaged(animatedPng(12, 9), "fdAT"), "corrupt")).to.include("checksum");
  });

  it("without its end, or with bytes behind it, is turned, and says so", async () => {
    const sound = pngOf(picture(16, 16));
    for (const [words, source] of [
      ["its end is missing", sound.subarray(0, -12)],
      ["its end is missing", sound.subarray(0, -5)],
      ["its end is missing", palettePng(16, 16).subarray(0, -1)],
      ["4 bytes are behind its end", Buffer.concat([sound, Buffer.from("tail")])],
    ] as const) {
      const { body, notes } = await rotate({ angle: 90 })(source, limits);
      expect(notes).to.deep.equal({ exact: true, repaired: [words], dropped: [] });
      const whole = source.includes("PLTE") ? palettePng(16, 16) : sound;
      expect(body.equals(await turned(whole, 90))).to.equal(true);
    }
    await rejection(sound.subarray(0, -13), "corrupt");
    await rejection(Buffer.concat([sound.subarray(0, -12), Buffer.from([0, 0, 0, 1])]), "corrupt");
    // It may have had more frames.
    await rejection(animatedPng(12, 9).subarray(0, -12), "corrupt");
  });

  const contradictions: Record<string, (chunks: Chunk[]) => Chunk[]> = {
    "it has frames and no animation": (chunks) => chunks.filter(([type]) => type !== "acTL"),
    "it is announced twice": (chunks) => inserted(chunks, chunks[1] as Chunk),
    "it is announced behind the still image": ([header, announced, control, pixels, ...rest]) =>
      [header, control, pixels, announced, ...rest] as Chunk[],
    "it has 3 frames and says otherwise": (chunks) => changed(chunks, 0, (data) => data.writeUInt32BE(4, 0)),
    "it has 2 frames and says otherwise": (chunks) => chunks.filter((_, index) => index !== 6 && index !== 7),
    "its parts are not in their order": (chunks) => changed(chunks, 3, (data) => data.writeUInt32BE(7, 0)),
    "a frame is incomplete": (chunks) => renumbered(chunks.filter((_, index) => index !== 5)),
    "a frame lies outside its canvas": (chunks) => changed(chunks, 2, (data) => data.writeUInt32BE(12, 12)),
    "the still image is a frame of another size": (chunks) =>
      changed(chunks, 1, (data) => data.writeUInt32BE(11, 4)),
  };
  for (const [how, contradict] of Object.entries(contradictions)) {
    it(`that is animated shows its still image where ${how}, and says so`, async () => {
      const sound = chunksOf(animatedPng(12, 9));
      const source = file(contradict(sound));
      const still = file(sound.filter(([type]) => !/^(acTL|fcTL|fdAT)$/.test(type)));
      for (const angle of [90, 45]) {
        const { body, notes } = await rotate({ angle })(source, limits);
        expect(notes).to.deep.equal({
          exact: angle === 90,
          repaired: [`its animation contradicts itself: ${how}`],
          dropped: ["the animation"],
        });
        expect(body.equals(await turned(still, angle))).to.equal(true);
      }
    });
  }

  it("that is animated shows its still image where a checksum of the animation is wrong", async () => {
    const { notes } = await rotate({ angle: 90 })(damaged(animatedPng(12, 9), "fcTL"), limits);
    expect(notes?.repaired[0]).to.equal("the checksum of a chunk fcTL is wrong");
    expect(notes?.dropped).to.deep.equal(["the animation"]);
  });
});
