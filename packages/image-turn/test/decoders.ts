/** Decoders that are none of ours: whichever of them this computer has. */
import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { promisify } from "node:util";
import { PNG } from "pngjs";
import type { Picture } from "./judge.ts";

export interface Decoder {
  /** Its name and version. */
  readonly name: string;
  /** Whether it shows all pages and frames, or the first. */
  readonly all: boolean;
  /** The pictures in a file, upright. A file that it cannot read is an error. */
  readonly decode: (file: string) => Promise<Picture[]>;
}

const run = promisify(execFile);

async function output(command: string, args: readonly string[]): Promise<Buffer> {
  const { stdout } = await run(command, args, { encoding: "buffer", maxBuffer: 2 ** 30, timeout: 120_000 });
  return stdout;
}

/** Writes every picture as PAM. Frames beyond the hundredth are not looked at. */
const pillow = `
import sys, itertools
from PIL import Image, ImageOps, ImageSequence
Image.MAX_IMAGE_PIXELS = None
try:
    import pillow_heif
    pillow_heif.register_heif_opener()
except ImportError:
    pass
image = Image.open(sys.argv[1])
one = image.format in ("JPEG", "MPO")
for frame in itertools.islice(ImageSequence.Iterator(image), 1 if one else 100):
    frame.load()
    frame = ImageOps.exif_transpose(frame)
    if frame.mode.startswith("I"):
        frame = frame.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    frame = frame.convert("RGBA")
    head = "P7\\nWIDTH %d\\nHEIGHT %d\\nDEPTH 4\\nMAXVAL 255\\nTUPLTYPE RGB_ALPHA\\nENDHDR\\n" % frame.size
    sys.stdout.buffer.write(head.encode() + frame.tobytes())
`;

/** The first decoder that is installed, or undefined. */
export async function independentDecoder(): Promise<Decoder | undefined> {
  for (const command of ["magick", "convert"]) {
    const version = await versionOf(command, ["-version"], /^Version: (ImageMagick \S+)/);
    if (version !== undefined) {
      const flags = ["-auto-orient", "-colorspace", "sRGB", "-alpha", "on", "-type", "TrueColorAlpha"];
      const decode = async (file: string) => {
        // Frames that change a canvas are shown on it; pages have sizes of their own.
        const start = (await readFile(file)).toString("latin1", 0, 4);
        const canvas = ["GIF8", "RIFF"].includes(start) ? ["-coalesce"] : [];
        return pictures(await output(command, [file, ...canvas, ...flags, "-depth", "8", "pam:-"]));
      };
      return { name: version, all: true, decode };
    }
  }
  for (const command of ["python3", "python"]) {
    const program = "import PIL; print('Pillow ' + PIL.__version__)";
    const version = await versionOf(command, ["-c", program], /^(Pillow \S+)/);
    if (version !== undefined) {
      const decode = async (file: string) => pictures(await output(command, ["-c", pillow, file]));
      return { name: version, all: true, decode };
    }
  }
  const version = await versionOf("vips", ["--version"], /^(vips-\S+)/);
  return version === undefined ? undefined : { name: version, all: false, decode: decodeByVips };
}

async function versionOf(
  command: string,
  args: readonly string[],
  pattern: RegExp,
): Promise<string | undefined> {
  const text = await output(command, args).catch(() => Buffer.alloc(0));
  return pattern.exec(text.toString())?.[1];
}

async function decodeByVips(file: string): Promise<Picture[]> {
  const png = `${file}.judged.png`;
  try {
    await output("vips", ["autorot", file, png]);
    const { width, height, data } = PNG.sync.read(await readFile(png));
    return [{ width, height, data }];
  } finally {
    await rm(png, { force: true });
  }
}

/** Pictures in PAM, one behind the other. */
export function pictures(pam: Buffer): Picture[] {
  const found: Picture[] = [];
  for (let at = 0; at < pam.length; ) {
    const body = pam.indexOf("ENDHDR\n", at, "latin1") + 7;
    const head = pam.toString("latin1", at, body);
    const [width, height, depth] = ["WIDTH", "HEIGHT", "DEPTH"].map((name) =>
      Number(new RegExp(`^${name} (\\d+)$`, "m").exec(head)?.[1]),
    ) as [number, number, number];
    if (body < 7 || depth !== 4 || !/^MAXVAL 255$/m.test(head)) {
      throw new Error("The decoder wrote something else than red, green, blue and alpha.");
    }
    at = body + width * height * 4;
    found.push({ width, height, data: pam.subarray(body, at) });
  }
  return found;
}
