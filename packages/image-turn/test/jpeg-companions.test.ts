import { expect } from "chai";
import { rotate } from "../src/rotate.ts";
import { coefficients, movedPicture } from "./corpus/coefficients.ts";
import { exif, resources, xmp } from "./corpus/exif.ts";
import {
  exifSegment,
  jpeg,
  metadataOf,
  photoshopSegment,
  type Segment,
  segments,
  withSegments,
  xmpSegment,
} from "./corpus/jpeg.ts";
import { difference, picture, quarters } from "./corpus/raster.ts";
import { decode, limits, turned } from "./tools.ts";

const iso = Buffer.from("urn:iso:std:iso:ts:21496:-1\0\0\0\0\0", "latin1");
const packet = (attributes: string, content = "") =>
  xmpSegment(
    Buffer.from(
      `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description ${attributes}>${content}</rdf:Description></rdf:RDF></x:xmpmeta>`,
    ),
  );
const item = (semantic: string, length?: number) =>
  `<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="${semantic}"` +
  `${length === undefined ? "" : ` Item:Length="${length}"`}/></rdf:li>`;

/** A list of pictures: of the first its length, of the others their lengths and offsets. */
function list(pictures: readonly (readonly [length: number, offset: number])[]): Segment {
  const data = Buffer.alloc(4 + 8 + 2 + 12 + 4 + 16 * pictures.length);
  data.write("MPF\0II*\0\x08\0\0\0\x01\0\x02\xb0\x07\0", "latin1");
  data.writeUInt32LE(16 * pictures.length, 18);
  data.writeUInt32LE(26, 22);
  for (const [index, [length, offset]] of pictures.entries()) {
    data.writeUInt32LE(length, 30 + 16 * index + 4);
    data.writeUInt32LE(offset, 30 + 16 * index + 8);
  }
  return { marker: 0xe2, data };
}

interface Parts {
  readonly primary: Buffer;
  readonly gainMap: Buffer;
  readonly file: Buffer;
}

/** A photograph with a gain map behind it, as phones write it. */
async function ultraHdr(width = 64, height = 48): Promise<Parts> {
  const primary = await jpeg(picture(width, height), { chromaSubsampling: "4:4:4" });
  const gainMap = withSegments(await jpeg(picture(width / 2, height / 2, 1)), [
    packet('hdrgm:Version="1.0" hdrgm:GainMapMax="3"'),
    { marker: 0xe2, data: iso },
  ]);
  const claims = packet(
    'hdrgm:Version="1.0"',
    `<Container:Directory><rdf:Seq>${item("Primary")}${item("GainMap", gainMap.length)}</rdf:Seq></Container:Directory>`,
  );
  const others = [claims, { marker: 0xe2, data: iso.subarray(0, 28) }];
  const withList = (length: number, offset: number) =>
    withSegments(primary, [
      ...others,
      list([
        [length, 0],
        [gainMap.length, offset],
      ]),
    ]);
  const { length } = withList(0, 0);
  const place = withList(0, 0).indexOf("MPF\0") + 4;
  return { primary, gainMap, file: Buffer.concat([withList(length, length - place), gainMap]) };
}

/** The pictures of a file by its list: the first one's length, and the second one by its length and place. */
function listed(file: Buffer): { first: Buffer; second: Buffer } {
  const place = file.indexOf("MPF\0MM") + 4;
  const entries = place + file.readUInt32BE(place + 42);
  const [length, size, offset] = [4, 20, 24].map((at) => file.readUInt32BE(entries + at)) as [
    number,
    number,
    number,
  ];
  return { first: file.subarray(0, length), second: file.subarray(place + offset, place + offset + size) };
}

describe("an Ultra HDR JPEG", () => {
  for (const angle of [0, 90, 180, 270]) {
    it(`by ${angle} keeps its gain map, turned alike, with offsets and lengths that are right`, async () => {
      const { primary, gainMap, file } = await ultraHdr();

      const { body, notes } = await rotate({ angle })(file, limits);

      expect(notes).to.deep.equal({ repaired: [], dropped: [], exact: true });
      const { first, second } = listed(body);
      expect(first.length + second.length).to.equal(body.length);
      for (const [result, source] of [
        [first, primary],
        [second, gainMap],
      ] as const) {
        const expected = movedPicture(await coefficients(source), false, angle / 90);
        expect(await coefficients(result)).to.deep.equal(expected);
      }
      const claims = metadataOf(first, "http://ns.adobe.com/xap/1.0/\0")?.toString();
      expect(claims).to.include('hdrgm:Version="1.0"').and.include(item("GainMap", second.length));
      const parameters = metadataOf(second, "http://ns.adobe.com/xap/1.0/\0")?.toString();
      expect(parameters).to.include('hdrgm:Version="1.0" hdrgm:GainMapMax="3"');
      expect(metadataOf(first, "urn:iso:std:iso:ts:21496:-1\0")?.length).to.equal(0);
      expect(metadataOf(second, "urn:iso:std:iso:ts:21496:-1\0")?.length).to.equal(4);
    });
  }

  it("comes upright with its gain map, which has no orientation of its own", async () => {
    const { primary, gainMap, file } = await ultraHdr();
    const source = withSegments(file, [exifSegment(exif({ orientation: 6 }))]);
    // The list's offset counts from the list, which the new segment has moved with all else.
    const { first, second } = listed(await turned(source, 90));
    expect(await coefficients(first)).to.deep.equal(movedPicture(await coefficients(primary), false, 2));
    expect(await coefficients(second)).to.deep.equal(movedPicture(await coefficients(gainMap), false, 2));
  });

  it("has its gain map encoded anew where that alone cannot be turned exactly", async () => {
    const { primary, gainMap, file } = await ultraHdr(64, 40); // 20 rows in the gain map
    const { body, notes } = await rotate({ angle: 90 })(file, limits);
    expect(notes?.exact).to.equal(false);
    const { first, second } = listed(body);
    expect(await coefficients(first)).to.deep.equal(movedPicture(await coefficients(primary), false, 1));
    const expected = quarters(await decode(gainMap), 1);
    expect(difference(await decode(second), expected).mean).to.be.below(2);
  });

  it("loses its gain map and every word of it at other angles, and where it is damaged", async () => {
    const { file } = await ultraHdr();
    const broken = Buffer.from(file);
    broken.fill(0, file.lastIndexOf(Buffer.from([0xff, 0xda])) + 10);
    for (const [source, angle] of [
      [file, 33],
      [broken, 90],
    ] as const) {
      const { body, notes } = await rotate({ angle })(source, limits);
      const text = body.toString("latin1");
      expect(/hdrgm:Version|GainMap|MPF\0|urn:iso/.exec(text), `${angle}`).to.equal(null);
      expect([notes?.dropped, notes?.repaired]).to.deep.equal([["the gain map"], []]);
    }
  });
});

describe("what a turned JPEG does not carry over", () => {
  it("takes its claims along: the film of a motion photo, and a list of further pictures", async () => {
    const stored = await jpeg(picture(64, 48));
    const motion = packet(
      'GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion=\'1\' GCamera:MicroVideoOffset="40" dc:source="drawn"',
      `<GCamera:MicroVideo>1</GCamera:MicroVideo><Container:Directory>${item("Primary")}${item("MotionPhoto", 40)}</Container:Directory>`,
    );
    const film = Buffer.concat([Buffer.from("\0\0\0\x18ftypmp42", "latin1"), Buffer.alloc(28)]);
    const { body, notes } = await rotate({ angle: 90 })(
      Buffer.concat([withSegments(stored, [motion]), film]),
      limits,
    );
    expect([notes?.dropped, notes?.repaired]).to.deep.equal([["the film of a motion photo"], []]);
    const text = body.toString("latin1");
    expect(text).not.to.match(/MotionPhoto|MicroVideo|ftyp/);
    expect(text).to.include('dc:source="drawn"').and.include(item("Primary"));

    const preview = await jpeg(picture(16, 16));
    const place = 2 + 4 + 4;
    const listing = (offset: number) =>
      withSegments(stored, [
        list([
          [0, 0],
          [preview.length, offset],
        ]),
      ]);
    const file = Buffer.concat([listing(listing(0).length - place), preview]);
    const result = await rotate({ angle: 90 })(file, limits);
    expect([result.notes?.dropped, result.notes?.repaired]).to.deep.equal([["1 further picture"], []]);
    expect(segments(result.body).some(({ data }) => data.includes("MPF\0"))).to.equal(false);
  });

  it("is named: thumbnails that cannot be turned, and content credentials", async () => {
    const damaged = exif({ orientation: 1, thumbnail: Buffer.from("\xff\xd8\xff no JPEG", "latin1") });
    const source = withSegments(await jpeg(picture(64, 48)), [
      exifSegment(damaged),
      photoshopSegment(resources()),
      { marker: 0xeb, data: Buffer.from("JP, a signature over all bytes") },
    ]);
    const { notes } = await rotate({ angle: 90 })(source, limits);
    expect(notes?.dropped).to.deep.equal([
      "the Exif thumbnail",
      "Photoshop's thumbnail",
      "content credentials, or others' data in APP11",
    ]);
  });

  it("does not leave sizes behind that XMP states", async () => {
    const sizes =
      'tiff:ImageWidth="64" tiff:ImageLength="48" exif:PixelXDimension="64" exif:PixelYDimension="48"';
    const source = withSegments(await jpeg(picture(64, 48)), [packet(sizes)]);
    const result = metadataOf(await turned(source, 90), "http://ns.adobe.com/xap/1.0/\0")?.toString();
    expect(result).to.include('ImageWidth="48" tiff:ImageLength="64" exif:PixelXDimension="48"');
    expect(result).to.include('exif:PixelYDimension="64"');
    expect(
      await rotate({ angle: 90 })(withSegments(await jpeg(picture(64, 48)), [xmpSegment(xmp(1))]), limits),
    )
      .to.have.nested.property("notes.dropped")
      .that.deep.equals(["XMP's thumbnails"]);
  });
});
