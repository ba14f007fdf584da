import { expect } from "chai";
import { statedOrientation } from "../src/exif.ts";
import { type Container, readContainer } from "../src/formats/avif/heif.ts";
import { rotate } from "../src/rotate.ts";
import { exif } from "./corpus/exif.ts";
import {
  av1,
  box,
  exifItem,
  grid,
  type Heif,
  heif,
  hevc,
  type Image,
  imir,
  irot,
  ispe,
  phonePhoto,
} from "./corpus/heif.ts";
import { jpeg } from "./corpus/jpeg.ts";
import { difference, picture, quarters } from "./corpus/raster.ts";
import { decode, limits, rejection, turned, turnedAround } from "./tools.ts";

function read(file: Buffer): Container {
  return readContainer(file) as Container;
}

/** An item's properties in words; essential ones end with "!". */
function shownAs(file: Buffer, item: number): string[] {
  const { associations, properties } = read(file);
  return (associations.get(item) ?? []).map(({ index, essential }) => {
    const property = properties[index - 1];
    const value = property?.type === "irot" ? file.readUInt8(property.body) : "";
    const size = property?.type === "ispe" ? file.readUInt32BE(property.body + 4) : "";
    return `${property?.type}${value}${size}${essential ? "!" : ""}`;
  });
}

function dataOf(file: Buffer, item: number): Buffer {
  const extent = read(file).extents.find((extent) => extent.item === item);
  return file.subarray(extent?.offset, (extent?.offset ?? 0) + (extent?.length ?? 0));
}

async function tiles(transformations: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const [left, right] = await Promise.all([av1(picture(64, 64)), av1(quarters(picture(64, 64), 1))]);
  const properties = { av1C: left.av1C, tile: ispe(64, 64), whole: ispe(120, 60), ...transformations };
  const turns = Object.keys(transformations).map((name) => `${name}!`);
  return heif({
    properties,
    items: {
      1: {
        type: "grid",
        data: grid(1, 2, 120, 60),
        inside: true,
        properties: ["whole", ...turns],
        references: { dimg: [2, 3] },
      },
      2: { type: "av01", data: left.data, hidden: true, properties: ["tile", "av1C!"] },
      3: { type: "av01", data: right.data, hidden: true, properties: ["tile", "av1C!"] },
    },
  });
}

describe("a HEIC", () => {
  for (const old of [0, 1, 3]) {
    for (const [name, transformations] of [
      ["", { irot: irot(old) }],
      [", then mirrored,", { irot: irot(old), imir: imir(1) }],
      [", mirrored before,", { imir: imir(0), irot: irot(old) }],
    ] as const) {
      it(`of tiles that is turned by ${old} quarters${name} has exactly its pixels, turned on`, async () => {
        const source = await tiles(transformations);
        const pixels = await decode(source);
        for (const quarter of [1, 2, 3]) {
          const result = await decode(await turned(source, quarter * 90));
          expect(difference(result, quarters(pixels, quarter)).largest).to.equal(0);
        }
        expect(difference(await decode(await turnedAround(source)), pixels).largest).to.equal(0);
      });
    }
  }

  it("without a turn of its own is given one, is an image/heic, exact, and grows no further", async () => {
    const source = await tiles({});
    const { body, contentType, notes } = await rotate({ angle: 90 })(source, limits);
    expect(contentType).to.equal("image/heic");
    expect(notes?.exact).to.equal(true);
    expect(difference(await decode(body), quarters(await decode(source), 1)).largest).to.equal(0);
    const around = await turnedAround(body);
    expect((await turnedAround(around)).length).to.equal(around.length);
  });

  it("is turned with its thumbnail, its depth map and that one's thumbnail, but not tile by tile", async () => {
    const result = await turned(heif(phonePhoto), 90);
    expect(shownAs(result, 1)).to.deep.equal(["ispe120", "irot2!"]);
    expect(shownAs(result, 2)).to.deep.equal(["hvcC!", "ispe64"]);
    expect(shownAs(result, 3)).to.deep.equal(["ispe64", "hvcC!"]);
    expect(shownAs(result, 4)).to.deep.equal(["hvcC!", "ispe30", "irot2!"]);
    expect(shownAs(result, 5)).to.deep.equal(["hvcC!", "ispe30", "irot2!", "auxC!"]);
    expect(shownAs(result, 6)).to.deep.equal(["ispe30", "hvcC!", "irot3!"]);
  });

  it("keeps every image's data where its list of places says", async () => {
    const source = heif(phonePhoto);
    const result = await turned(source, -90);
    for (const item of [1, 2, 3, 4, 5, 6]) {
      expect(dataOf(result, item).equals(dataOf(source, item)), `item ${item}`).to.equal(true);
    }
  });

  it("has Exif's and XMP's orientation set to 1, and the size in which it is shown", async () => {
    const result = await turned(heif(phonePhoto), 180);
    const block = dataOf(result, 7).subarray(10);
    expect(statedOrientation(dataOf(heif(phonePhoto), 7).subarray(10))).to.equal(6);
    expect(statedOrientation(block)).to.equal(1);
    // 120 × 64 lies on its side by its old turn.
    expect(block.equals(exif({ orientation: 1, size: [64, 120] }))).to.equal(true);
    expect(dataOf(result, 8).toString()).to.include('tiff:Orientation="1"');
  });

  it("has its Exif thumbnail turned in its place, and a size of fewer digits in XMP", async () => {
    const thumbnail = await jpeg(picture(16, 16));
    const items = {
      ...phonePhoto.items,
      7: {
        ...phonePhoto.items[7],
        data: exifItem(exif({ orientation: 6, size: [120, 64], thumbnail })),
      } as Image,
      8: {
        ...phonePhoto.items[8],
        data: Buffer.from('<x exif:PixelXDimension="120" exif:PixelYDimension="64"/>'),
      } as Image,
    };
    const source = heif({ ...phonePhoto, items });
    const { body, notes } = await rotate({ angle: 180 })(source, limits);
    const block = dataOf(body, 7);
    const shown = await decode(block.subarray(block.indexOf(Buffer.from([0xff, 0xd8, 0xff]))));
    expect(difference(shown, quarters(await decode(thumbnail), 2)).mean).to.be.below(2);
    expect(block.length).to.equal(dataOf(source, 7).length);
    expect(dataOf(body, 8).toString()).to.equal('<x exif:PixelXDimension="64" exif:PixelYDimension="120"/>');
    expect(notes?.dropped).to.deep.equal([]);
  });

  it("keeps what lies where Exif should, but is none", async () => {
    const source = heif(phonePhoto);
    const data = dataOf(source, 7).fill(7, 4);
    const { body, notes } = await rotate({ angle: 90 })(source, limits);
    expect(dataOf(body, 7).equals(data)).to.equal(true);
    expect(notes?.dropped).to.deep.equal(["XMP's thumbnails"]);
  });

  it("of several pictures has all turned", async () => {
    const second = { type: "hvc1", data: hevc(), properties: ["hvcC!", "small"] };
    const result = await turned(heif({ ...phonePhoto, items: { ...phonePhoto.items, 9: second } }), 90);
    expect(shownAs(result, 9)).to.deep.equal(["hvcC!", "ispe30", "irot3!"]);
  });

  it("with a tone-mapped image has that follow picture and gain map", async () => {
    const gainMap = { type: "hvc1", data: hevc(), hidden: true, properties: ["hvcC!", "small", "turn!"] };
    const mapped = (properties: string[], pictures: string[]) =>
      heif({
        ...phonePhoto,
        properties: { ...phonePhoto.properties, none: irot(0) },
        items: {
          ...phonePhoto.items,
          1: { ...(phonePhoto.items[1] as Image), properties: pictures },
          9: gainMap,
          10: { type: "tmap", data: Buffer.alloc(8), properties, references: { dimg: [1, 9] } },
        },
      });
    for (const [properties, pictures, expected] of [
      [["whole"], ["whole", "turn!"], ["ispe64"]],
      [
        ["whole", "turn!"],
        ["whole", "turn!"],
        ["ispe120", "irot2!"],
      ],
      [["whole", "none!"], ["whole"], ["ispe120", "irot3!"]],
      [
        ["whole", "none!"],
        ["whole", "turn!"],
        ["ispe64", "irot0!"],
      ],
    ] as const) {
      const result = await turned(mapped([...properties], [...pictures]), 90);
      expect(shownAs(result, 9)).to.deep.equal(["hvcC!", "ispe30", "irot2!"]);
      expect(shownAs(result, 10)).to.deep.equal(expected);
    }
  });

  it("with 127 properties has them counted in two bytes", async () => {
    const many = Object.fromEntries(Array.from({ length: 121 }, (_, index) => [`p${index}`, box("free")]));
    const result = await turned(
      heif({ ...phonePhoto, properties: { ...phonePhoto.properties, ...many } }),
      90,
    );
    expect(read(result).properties.length).to.equal(128);
    expect(shownAs(result, 1)).to.deep.equal(["ispe120", "irot2!"]);
    expect(shownAs(result, 5)).to.deep.equal(["hvcC!", "ispe30", "irot2!", "auxC!"]);
  });

  it("is not limited in its pixels, of which none is decoded", async () => {
    const { body } = await rotate({ angle: 90 })(heif(phonePhoto), { ...limits, pixels: 100 });
    expect(shownAs(body, 1)).to.include("irot2!");
  });

  it("turned by 30 degrees is rejected, in words", async () => {
    for (const angle of [30, -45, 90.5]) {
      const error = await rotate({ angle })(heif(phonePhoto), limits).catch((error) => error);
      expect(error.code).to.equal("unsupported-format");
      expect(error.message).to.include("by quarter turns only");
    }
  });

  it("whose items are many and lie in one place is rejected at once", async () => {
    const file = heif(phonePhoto);
    const iloc = file.indexOf("iloc", 0, "latin1") + 12;
    // Each item's place is 16 bytes: all take the whole file.
    for (let item = 0; item < 8; item += 1) {
      file.writeUInt16BE(0, iloc + item * 16 + 2);
      file.writeUInt32BE(0, iloc + item * 16 + 8);
      file.writeUInt32BE(file.length, iloc + item * 16 + 12);
    }
    expect(await rejection(file, "unsupported-format")).to.include("many images in the same place");
  });

  it("whose structure is not one that can be turned is rejected, in words", async () => {
    const item = (id: number, changes: object) =>
      heif({
        ...phonePhoto,
        items: { ...phonePhoto.items, [id]: { ...phonePhoto.items[id], ...changes } } as Heif["items"],
      });
    const sequence = Buffer.concat([heif(phonePhoto), box("moov", Buffer.alloc(4))]);
    const twice = item(1, { properties: ["whole", "turn!", "turn!"] });
    const overlay = { type: "iden", data: Buffer.alloc(0), properties: ["whole"], references: { dimg: [1] } };
    for (const [file, words] of [
      [sequence, "a sequence of images"],
      [twice, "turns, mirrors or crops an image twice"],
      [
        heif({ ...phonePhoto, items: { ...phonePhoto.items, 9: overlay } }),
        "an image that another is made of",
      ],
      [heif({ ...phonePhoto, brands: ["hevc", "msf1"] }), "an animated HEIC image"],
    ] as const) {
      expect(await rejection(file, "unsupported-format")).to.include(words);
    }
  });

  it("that is damaged is rejected, though no pixel is decoded", async () => {
    const file = heif(phonePhoto);
    const item = (id: number, changes: object) =>
      heif({
        ...phonePhoto,
        items: { ...phonePhoto.items, [id]: { ...phonePhoto.items[id], ...changes } } as Heif["items"],
      });
    for (const [damaged, words] of [
      [file.subarray(0, file.length - 20), "longer than what it is in"],
      [item(1, { data: grid(2, 2, 120, 64) }), "not as many tiles"],
      [item(1, { properties: ["turn!"] }), "an image that has a size"],
      [item(2, { data: Buffer.concat([hevc(20), Buffer.alloc(1)]) }), "lengths are wrong"],
      [item(2, { data: hevc(20).subarray(0, 20) }), "do not fill the place"],
      [item(3, { data: Buffer.alloc(0) }), "no data"],
      [item(1, { references: { dimg: [2, 33] } }), "a part of an image is missing"],
    ] as const) {
      expect(await rejection(damaged, "corrupt")).to.include(words);
    }
    const mdat = file.indexOf("mdat", 0, "latin1");
    const short = Buffer.from(file.subarray(0, file.length - 20));
    short.writeUInt32BE(0, mdat - 4);
    expect(await rejection(short, "corrupt")).to.include("ends before its image does");
  });
});
