import sharp from "sharp";
import { codedPicture, encoded } from "./coefficients.ts";
import { exif, resources, xmp } from "./exif.ts";
import { animatedGif } from "./gif.ts";
import { heif, phonePhoto } from "./heif.ts";
import { cmykJpeg, exifSegment, jpeg, photoshopSegment, withSegments, xmpSegment } from "./jpeg.ts";
import { animatedPng, palettePng, pngOf } from "./png.ts";
import { photograph, picture } from "./raster.ts";
import { pageOf, tiff } from "./tiff.ts";
import { animatedWebp } from "./webp.ts";

/** Small images of every kind that is turned, by name: what tests of robustness begin with. */
export async function files(): Promise<ReadonlyMap<string, Buffer>> {
  const { data } = picture(40, 28);
  const image = sharp(data, { raw: { width: 40, height: 28, channels: 3 } });
  const { data: rgba } = picture(40, 28, 4);
  const alpha = sharp(rgba, { raw: { width: 40, height: 28, channels: 4 } });
  const thumbnail = await jpeg(picture(16, 12));
  const block = exif({
    orientation: 6,
    resolution: [300, 150],
    size: [40, 28],
    thumbnail,
    makerNote: Buffer.alloc(40),
  });
  const halved = [
    [2, 1],
    [1, 1],
    [1, 1],
  ] as const;
  const metadata = [exifSegment(block), xmpSegment(xmp(6)), photoshopSegment(resources())];
  const fields = [
    [274, 3, [8]],
    [282, 5, [300, 1]],
    [283, 5, [150, 1]],
    [700, 1, xmp(8)],
  ] as const;
  return new Map([
    ["jpeg", withSegments(await image.clone().withIccProfile("p3").jpeg().toBuffer(), metadata)],
    ["jpeg progressive", withSegments(await image.clone().jpeg({ progressive: true }).toBuffer(), metadata)],
    ["jpeg restarts", encoded(codedPicture(48, 32, halved), { restart: 2 })],
    ["jpeg exact", withSegments(await jpeg(photograph(48, 32)), metadata)],
    ["jpeg exact progressive", await jpeg(photograph(48, 32), { progressive: true })],
    ["jpeg grey", await jpeg(picture(40, 28, 1))],
    ["jpeg cmyk", await cmykJpeg(40, 28)],
    ["png", pngOf(picture(40, 28), [["eXIf", block]])],
    [
      "png alpha interlaced",
      await alpha.clone().png({ progressive: true, adaptiveFiltering: true }).toBuffer(),
    ],
    ["png 16-bit", pngOf(picture(20, 14, 4, 16))],
    ["png palette", palettePng(40, 28)],
    [
      "png palette interlaced",
      await image.clone().png({ palette: true, colours: 16, progressive: true }).toBuffer(),
    ],
    ["png animated", animatedPng(12, 9)],
    ["gif", animatedGif()],
    [
      "webp lossy",
      await alpha
        .clone()
        .withExifMerge({ IFD0: { Copyright: "A. Person" } })
        .webp()
        .toBuffer(),
    ],
    ["webp lossless", await image.clone().withIccProfile("p3").webp({ lossless: true }).toBuffer()],
    ["webp animated", await animatedWebp()],
    ["tiff", tiff([pageOf(picture(40, 28), fields), pageOf(picture(10, 12, 1, 16))])],
    ["tiff big-endian", tiff([pageOf(picture(20, 14, 4, 16), [], true)], true)],
    [
      "tiff compressed",
      await image.clone().tiff({ compression: "lzw", predictor: "horizontal", tile: true }).toBuffer(),
    ],
    ["tiff jpeg", await image.clone().tiff({ compression: "jpeg" }).toBuffer()],
    [
      "tiff fax",
      await image.clone().toColourspace("b-w").tiff({ bitdepth: 1, compression: "ccittfax4" }).toBuffer(),
    ],
    [
      "avif",
      await alpha
        .clone()
        .withExifMerge({ IFD0: { Copyright: "A. Person" } })
        .avif({ effort: 0 })
        .toBuffer(),
    ],
    ["heic", heif(phonePhoto)],
  ]);
}
