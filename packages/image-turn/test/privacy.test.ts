import { expect } from "chai";
import sharp, { type Sharp } from "sharp";
import { exifUnder, type MetadataPolicy, textStays, xmpUnder } from "../src/privacy.ts";
import { rotate } from "../src/rotate.ts";
import { exif, resources, xmp } from "./corpus/exif.ts";
import { gif, palette } from "./corpus/gif.ts";
import { heif, phonePhoto } from "./corpus/heif.ts";
import { exifSegment, jpeg, photoshopSegment, withSegments, xmpSegment } from "./corpus/jpeg.ts";
import { chunksOf, pngOf } from "./corpus/png.ts";
import { picture } from "./corpus/raster.ts";
import { pageOf, tiff } from "./corpus/tiff.ts";
import { decode, decodeFrames, limits } from "./tools.ts";

/** Where and when a picture was taken, in words that are found in bytes. */
const gpsDate = "1999:12:31";
const places = [gpsDate, "51,30.5N", "Nowhereville", "Outer Nowhere", "Back yard"];
const packet = `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 exif:GPSLatitude="51,30.5N" photoshop:City='Nowhereville' dc:rights="A. Person"
><e:LocationShown><rdf:Bag><rdf:li e:City="Nowhereville"><e:Sublocation>Back yard</e:Sublocation></rdf:li></rdf:Bag
></e:LocationShown><photoshop:State>Outer Nowhere</photoshop:State></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`;

/** As a camera, an editor and libexif would write it: Exif with GPS, and XMP. */
function described(image: Sharp): Sharp {
  return image
    .withExif({ IFD0: { Copyright: "A. Person" }, IFD3: { GPSDateStamp: gpsDate, GPSLatitudeRef: "N" } })
    .withXmp(packet)
    .withIccProfile("p3");
}

function raw(): Sharp {
  return sharp(picture(48, 32).data, { raw: { width: 48, height: 32, channels: 3 } });
}

async function under(metadata: MetadataPolicy, source: Buffer, angle = 90): Promise<Buffer> {
  return (await rotate({ angle, metadata })(source, limits)).body;
}

function textOf(body: Buffer): string {
  return body.toString("latin1");
}

describe("metadata that is not to go along", () => {
  const formats: Record<string, (image: Sharp) => Sharp> = {
    JPEG: (image) => image.jpeg(),
    PNG: (image) => image.png(),
    WebP: (image) => image.webp({ lossless: true }),
    TIFF: (image) => image.tiff(),
    AVIF: (image) => image.avif({ effort: 0 }),
  };
  for (const [format, encode] of Object.entries(formats)) {
    it(`is not in a ${format}; its pixels, profile and everything else are`, async () => {
      const source = await described(encode(raw())).toBuffer();
      for (const angle of [90, 20]) {
        const [keep, located, none] = await Promise.all(
          (["keep", "no-location", "none"] as const).map((policy) => under(policy, source, angle)),
        );
        const stated = places.filter((place) => textOf(keep as Buffer).includes(place));
        // libvips writes no GPS into a TIFF.
        expect(stated).to.deep.equal(format === "TIFF" ? places.slice(1) : places);
        for (const place of stated) {
          expect(textOf(located as Buffer), place).to.not.include(place);
          expect(textOf(none as Buffer), place).to.not.include(place);
        }
        const [with_, without] = [await sharp(located).metadata(), await sharp(none).metadata()];
        expect(textOf(located as Buffer)).to.include("A. Person");
        expect(textOf(with_.xmp as Buffer)).to.include('dc:rights="A. Person"');
        expect(textOf(none as Buffer)).to.not.include("A. Person");
        expect(with_.icc?.equals(without.icc as Buffer)).to.equal(true);
        for (const result of [located, none]) {
          expect(await decode(result as Buffer)).to.deep.equal(await decode(keep as Buffer));
        }
      }
    });
  }

  it("leaves a JPEG's caption and copyright, but neither places, maker notes nor private segments", async () => {
    const makerNote = Buffer.from("taken in the Back yard");
    const iptc = Buffer.from("\x1c\x02\x5a\0\x0cNowhereville\x1c\x02\x78\0\x06A cat.", "latin1");
    const resource = Buffer.concat([
      Buffer.from("8BIM\x04\x04\0\0\0\0\0", "latin1"),
      Buffer.from([iptc.length]),
      iptc,
    ]);
    const source = withSegments(await jpeg(picture(64, 48)), [
      exifSegment(
        exif({ orientation: 6, makerNote, copyright: "A. Person", thumbnail: await jpeg(picture(16, 8)) }),
      ),
      photoshopSegment(Buffer.concat([resource, resources()])),
      { marker: 0xe5, data: Buffer.from("Samsung: Back yard") },
      { marker: 0xe1, data: Buffer.from("http://ns.adobe.com/xmp/extension/\0 Outer Nowhere") },
      { marker: 0xfe, data: Buffer.from("a comment") },
    ]);
    const located = await under("no-location", source);
    const text = textOf(located);
    for (const kept of ["A. Person", "A cat", "A corner that is dark", "a comment"])
      expect(text).to.include(kept);
    for (const place of places) expect(text).to.not.include(place);
    expect((await sharp(located).metadata()).orientation).to.equal(1);
    const none = await under("none", source);
    expect(none.includes("Exif")).to.equal(false);
    for (const gone of ["A. Person", "A cat", "A corner", "a comment"])
      expect(textOf(none)).to.not.include(gone);
    expect(await decode(none)).to.deep.equal(await decode(await under("keep", source)));
  });

  it("leaves the orientation that only some viewers follow, and was not applied", async () => {
    const source = pngOf(picture(8, 6), [
      ["iTXt", Buffer.concat([Buffer.from("XML:com.adobe.xmp\0\0\0\0\0", "latin1"), xmp(6)])],
      ["tEXt", Buffer.from("Author\0A. Person")],
      ["tEXt", Buffer.from("exif:GPSLatitude\x0051,30.5N")],
      ["zTXt", Buffer.from("Raw profile type iptc\0\0Nowhereville")],
      ["tIME", Buffer.alloc(7, 1)],
      ["prVt", Buffer.from("Back yard")],
    ]);
    const typesOf = async (policy: MetadataPolicy) =>
      chunksOf(await under(policy, source)).flatMap(([type]) =>
        /^I(HDR|DAT|END)$/.test(type) ? [] : [type],
      );
    expect(await typesOf("keep")).to.deep.equal(["iTXt", "tEXt", "tEXt", "zTXt", "tIME", "prVt"]);
    expect(await typesOf("no-location")).to.deep.equal(["iTXt", "tEXt", "tIME"]);
    expect(await typesOf("none")).to.deep.equal(["iTXt"]);
    const text = textOf(await under("none", source));
    expect(text).to.include('tiff:Orientation="6"');
    expect(text).to.not.include("drawn");
  });

  it("goes where it lies in a HEIC, so that everything else stays where it is", async () => {
    const data = Buffer.from(packet);
    const source = heif({
      ...phonePhoto,
      items: { ...phonePhoto.items, 8: { ...phonePhoto.items[8], type: "application/rdf+xml", data } },
    });
    for (const policy of ["no-location", "none"] as const) {
      const result = await under(policy, source);
      expect(result.length).to.equal((await under("keep", source)).length);
      for (const place of places) expect(textOf(result)).to.not.include(place);
      expect(result.includes("A. Person")).to.equal(policy === "no-location");
    }
  });

  it("leaves what a gain map needs, in JPEG's XMP", async () => {
    const text = xmp(1)
      .toString()
      .replace("<xmp:Thumb", "<hdrgm:GainMapMax>1.5</hdrgm:GainMapMax><xmp:Thumb")
      .replace(
        "dc:source",
        'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:GainMapMin="0.5" dc:source',
      );
    const source = withSegments(await jpeg(picture(64, 48)), [xmpSegment(Buffer.from(text))]);
    const result = textOf(await under("none", source));
    expect(result)
      .to.include('hdrgm:GainMapMin="0.5"')
      .and.to.include("<hdrgm:GainMapMax>1.5</hdrgm:GainMapMax>");
    expect(result).to.not.include("drawn");
  });

  it("is a GIF's comments and XMP, and a TIFF's directories and private places", async () => {
    const indices = Uint8Array.from({ length: 64 }, (_, index) => index % 16);
    const frame = { left: 0, top: 0, width: 8, height: 8, indices, delay: 5 };
    const animated = gif({
      width: 8,
      height: 8,
      palette,
      frames: [frame, frame],
      loop: 0,
      comment: "Back yard",
    });
    const none = await under("none", animated);
    expect(none.includes("Back yard")).to.equal(false);
    expect(await decodeFrames(none)).to.deep.equal(await decodeFrames(await under("keep", animated)));
    expect((await sharp(none).metadata()).loop).to.equal(0);

    const geo = tiff([
      pageOf(picture(8, 6), [
        [270, 2, "A cat"],
        [33922, 12, Buffer.from("Nowhereville    ")],
      ]),
    ]);
    expect(textOf(await under("no-location", geo)))
      .to.include("A cat")
      .and.to.not.include("Nowhere");
    expect(textOf(await under("none", geo))).to.not.include("A cat");
  });

  it("that cannot be looked into does not go along either", async () => {
    const broken = exif({ orientation: 6, makerNote: Buffer.alloc(40) });
    broken.writeUInt32LE(0xffff, broken.length - 40 - 4 - 4);
    const utf16 = Buffer.from(`<x:xmpmeta>${places[2]}</x:xmpmeta>`, "utf16le");
    const source = withSegments(await jpeg(picture(64, 48)), [exifSegment(broken), xmpSegment(utf16)]);
    const result = await under("no-location", source);
    expect(result.includes("Exif\0")).to.equal(false);
    expect(result.includes(utf16)).to.equal(false);
  });

  it("goes with a thumbnail that cannot be turned, which has metadata of its own", async () => {
    const small = withSegments(await jpeg(picture(16, 8)), [
      { marker: 0xfe, data: Buffer.from("Back yard") },
    ]);
    // Without its scan it is a thumbnail to nobody.
    const thumbnail = small.subarray(0, small.lastIndexOf(Buffer.from([0xff, 0xda])));
    const source = withSegments(await jpeg(picture(64, 48)), [
      exifSegment(exif({ orientation: 1, thumbnail })),
    ]);
    const result = await under("no-location", source);
    expect(source.includes("Back yard")).to.equal(true);
    expect(result.includes("Back yard")).to.equal(false);
  });

  it("is what W3C's vocabulary says of a place, too", async () => {
    const text = packet.replace("exif:GPSLatitude=", 'geo:lat="51.51" geo:long="0.13" exif:GPSLatitude=');
    const source = withSegments(await jpeg(picture(64, 48)), [xmpSegment(Buffer.from(text))]);
    expect(textOf(await under("no-location", source))).to.not.match(/51\.51|0\.13/);
  });

  it("is named by one of three words", () => {
    expect(() => rotate({ angle: 90, metadata: "some" as MetadataPolicy })).to.throw(
      'rotate: metadata is "some"; it must be "keep", "no-location" or "none".',
    );
  });

  const packetOf = (attributes: string, elements: string) =>
    Buffer.from(
      `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><rdf:Description ${attributes}>${elements}</rdf:Description></rdf:RDF></x:xmpmeta>`,
    );
  for (const [what, attributes, elements] of [
    ["has no prefix", "", '<City xmlns="p">Nowhereville</City>'],
    ["ends with a space", "", "<p:City>Nowhereville</p:City >"],
    ["is far from its value", `p:City${" ".repeat(20)}="Nowhereville"`, ""],
    ["is long", `p:City="${"Nowhereville ".repeat(400)}"`, ""],
    ["has much to say in itself", "", `<p:City a="${"Nowhereville ".repeat(400)}"/>`],
    ["has a prefix with a dot", 'p.q:City="Nowhereville"', "<p.q:State>Nowhereville</p.q:State>"],
    ["is a sublocation on its own", "", "<p:Sublocation>Nowhereville</p:Sublocation>"],
  ] as const) {
    it(`is not in XMP where the property ${what}`, () => {
      const packet = packetOf(attributes, elements);
      const text = xmpUnder("no-location", packet, true)?.toString() ?? "";

      expect(text).to.not.include("Nowhereville").and.not.include("</p:City");
      expect(text).to.include("</rdf:Description>").and.have.lengthOf(packet.length);
    });
  }

  it("leaves a prefix declared that is named like a place", () => {
    const text = xmpUnder("no-location", packetOf('xmlns:GPano="g" GPano:PoseHeadingDegrees="1"', ""), true);

    expect(text?.toString()).to.include('xmlns:GPano="g"');
    const lower = packetOf('xmlns:location="g" location:other="1"', "");
    expect(xmpUnder("no-location", lower, true)?.toString()).to.include('xmlns:location="g"');
  });

  it("says each attribute and each element of a gain map once", () => {
    const twice = packetOf('hdrgm:Version="1.0"', '<rdf:li hdrgm:Version="1.0"/>');
    expect(
      xmpUnder("none", twice, true)
        ?.toString()
        .match(/hdrgm:Version/g),
    ).to.have.length(1);
    const nested = packetOf("", `${"<hdrgm:a>".repeat(2000)}</hdrgm:a>`);
    expect(xmpUnder("none", nested, true)?.length).to.be.lessThan(2 * nested.length);
  });

  it("is not in Exif whose directories are pointed at by offsets of their own type", () => {
    const block = exif({ makerNote: Buffer.from("Nowhereville") });
    const at = block.indexOf(Buffer.from([0x69, 0x87, 4, 0]));
    block[at + 2] = 13;

    expect(at).to.be.greaterThan(0);
    expect(textOf(exifUnder("no-location", block) as Buffer)).to.not.include("Nowhereville");
  });

  it("is not in the directory of Exif's thumbnail", () => {
    const block = Buffer.alloc(64);
    // No field in the first directory; a second one with a maker note.
    block.set(Buffer.from("II*\0\x08\0\0\0\0\0\x0e\0\0\0", "latin1"));
    block.set([1, 0, 0x7c, 0x92, 7, 0, 12, 0, 0, 0, 40, 0, 0, 0], 14);
    block.write("Nowhereville", 40);

    expect(textOf(exifUnder("no-location", block) as Buffer)).to.not.include("Nowhereville");
  });

  it("is not in a text of a PNG whose keyword has spaces", () => {
    expect(textStays("no-location", "GPS Latitude")).to.equal(false);
    expect(textStays("no-location", "Creation Time")).to.equal(true);
  });

  it("is not in words of Photoshop's resources, of which the resolution stays", async () => {
    const caption = Buffer.from("8BIM\x03\xf0\0\0\0\0\0\x0a\x09Back yard", "latin1");
    const profile = [photoshopSegment(Buffer.concat([caption, resources()]))];
    const result = await under("none", withSegments(await jpeg(picture(64, 48)), profile));

    expect(textOf(result)).to.include("8BIM\x03\xed").and.not.include("Back yard");
  });

  it("is neither in a GIF's private blocks nor in comments that name a profile", async () => {
    const indices = new Uint8Array(64);
    const frames = [{ left: 0, top: 0, width: 8, height: 8, indices, delay: 5 }];
    const named = gif({ width: 8, height: 8, palette, frames, comment: "ICCRGBG1 Back yard" });
    const own = Buffer.from("\x21\xff\x0bSOMECAMERA1\x09Back yard\0", "latin1");
    const at = named.indexOf(Buffer.from([0x21, 0xfe]));
    const both = Buffer.concat([named.subarray(0, at), own, named.subarray(at)]);

    expect(textOf(await under("none", both))).to.not.include("Back yard");
    expect(textOf(await under("no-location", both)))
      .to.include("ICCRGBG1 Back yard")
      .and.not.include("SOMECAMERA");
  });

  it("is not in a HEIC's items that cannot be looked into", async () => {
    const data = Buffer.from("Back yard");
    const items = { ...phonePhoto.items, 19: { type: "text/plain", data } };
    const source = heif({ ...phonePhoto, items });

    expect(textOf(await under("keep", source))).to.include("Back yard");
    for (const policy of ["no-location", "none"] as const) {
      expect(textOf(await under(policy, source))).to.not.include("Back yard");
    }
  });
});
