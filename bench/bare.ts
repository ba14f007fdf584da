/** `node bench/bare.ts FOLDER OUT`: turns all files of a folder both ways with bare sharp, as a script of a few lines would. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";

const [folder = "", out = ""] = process.argv.slice(2);
sharp.concurrency(1);
sharp.cache(false);
for (const file of readdirSync(folder)) {
  const source = readFileSync(join(folder, file));
  for (const angle of [90, 270]) {
    const turned = sharp(source, { limitInputPixels: false }).autoOrient().rotate(angle).keepMetadata();
    writeFileSync(join(out, String(angle), file), await turned.jpeg({ quality: 85 }).toBuffer());
  }
}
