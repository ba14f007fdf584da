/**
 * Draws the images in samples/ from the watch page's contraption.svg: `node docs/pictures/draw.ts`.
 *
 * The drawing is the machine at rest; `momentAt` says where every moving part is at a moment between 0 (the bird
 * lets go of the ball) and 1 (the picture has been turned). Nothing is left to chance, the grain of the photographs
 * is seeded: the same sharp gives the same bytes.
 *
 * The cats beside it are samples/cat.jpg at a height of 240 pixels, and what `npm start` made of that.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp, { type Sharp } from "sharp";

const samples = join(import.meta.dirname, "../../samples");
const drawing = await readFile(
  join(import.meta.dirname, "../../packages/watch/src/page/contraption.svg"),
  "utf8",
);

/** A part of the drawing: left, top, width and height in its own 1600 by 1200. */
type View = readonly [left: number, top: number, width: number, height: number];

const everything: View = [0, 0, 1600, 1200];
const behindTheMachine = ["room", "light", "cone"];
const aroundTheGears = [...behindTheMachine, "lamp", "pulley", "rope", "falling-things", "odds-and-ends"];
const aroundThePainting = [...behindTheMachine, "lamp"];

/** Every file, by its key below samples/. Widths are in pixels; the heights follow from the views. */
const files: Record<string, () => Promise<Sharp>> = {
  // A photograph as a telephone takes it: grain, Display P3, EXIF.
  "chain-reaction.jpg": async () =>
    (await photograph(0.725, everything, 1600))
      .withIccProfile("p3")
      .withExif(exif)
      .jpeg({ quality: 80, mozjpeg: true }),

  // A portrait whose pixels lie on their side, for EXIF's orientation 6 to put upright.
  "cat.jpg": async () => {
    const upright = await photograph(0.3, [30, 560, 465, 620], 900);
    return sharp(await upright.png().toBuffer())
      .rotate(270)
      .withMetadata({ orientation: 6 })
      .withExifMerge(exif)
      .jpeg({ quality: 80, mozjpeg: true });
  },

  // The machine without the wall behind it.
  "cut-out.png": async () => picture(0.5, everything, 800, behindTheMachine).png({ compressionLevel: 9 }),

  // The whole run. It holds its breath before, and looks at the result after.
  "start-to-finish.gif": async () =>
    (await animation([...moments(15, 0, 0.73), ...moments(12, 0.745, 0.97)], everything, 400)).gif({
      colours: 80,
      dither: 0,
      effort: 10,
      interFrameMaxError: 4,
      delay: delays(27, 110),
      loop: 0,
    }),

  // Only the last step, on nothing.
  "gears.webp": async () =>
    (await animation(moments(12, 0.8, 0.97), [826, 222, 750, 875], 330, aroundTheGears)).webp({
      quality: 70,
      alphaQuality: 80,
      effort: 6,
      delay: delays(12, 90),
      loop: 0,
    }),

  "turned.avif": async () => picture(1, everything, 800).avif({ quality: 60, effort: 6 }),

  "dominoes.tiff": async () =>
    picture(0.64, [70, 400, 720, 240], 480)
      .removeAlpha()
      .tiff({ compression: "deflate", predictor: "horizontal" }),

  // A name as people give them: a key that a URL, a notification and a shell each spell differently.
  "köln trip/dom + rhein 100%.png": async () =>
    picture(0, [1136, 384.7, 328, 233], 984, aroundThePainting).removeAlpha().png({ compressionLevel: 9 }),
};

const exif = {
  IFD0: { Artist: "Rube Goldberg Image Machine", ImageDescription: "A contraption that turns a picture" },
};

/** One view of one moment, without the named groups of the drawing. */
function picture(time: number, view: View, width: number, without: readonly string[] = []): Sharp {
  const [left, top, viewWidth, viewHeight] = view;
  const height = Math.round((width * viewHeight) / viewWidth);
  let svg = drawing.replace(
    /viewBox="[^"]*" width="\d+" height="\d+"/,
    `viewBox="${left} ${top} ${viewWidth} ${viewHeight}" width="${width}" height="${height}"`,
  );
  for (const [id, transform] of Object.entries(momentAt(time))) {
    svg = edit(svg, id, new RegExp(`(id="${id}" transform=")[^"]*`), `$1${transform}`);
  }
  for (const id of without) {
    svg = edit(svg, id, new RegExp(`id="${id}"`), `$& display="none"`);
  }
  return sharp(Buffer.from(svg));
}

function edit(svg: string, id: string, what: RegExp, by: string): string {
  if (!what.test(svg)) throw new Error(`contraption.svg has nothing to edit at "${id}"`);
  return svg.replace(what, by);
}

/** A picture with the grain of a film. */
async function photograph(time: number, view: View, width: number): Promise<Sharp> {
  const { data, info } = await picture(time, view, width)
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const random = randomNumbers(1931);
  let grain = 0;
  const grainy = Uint8ClampedArray.from(data, (value, i) => {
    if (i % 3 === 0) grain = (random() + random() + random() - 1.5) * 9;
    return value + grain;
  });
  return sharp(grainy, { raw: { width: info.width, height: info.height, channels: 3 } });
}

async function animation(
  times: readonly number[],
  view: View,
  width: number,
  without: readonly string[] = [],
): Promise<Sharp> {
  const images: Buffer[] = [];
  for (const time of times) {
    images.push(await picture(time, view, width, without).png().toBuffer());
  }
  return sharp(images, { join: { animated: true } });
}

/** So many moments from the first to the last. */
function moments(count: number, first: number, last: number): number[] {
  return Array.from({ length: count }, (_, i) => first + ((last - first) * i) / (count - 1));
}

/** Milliseconds that each frame is shown. */
function delays(frames: number, each: number): number[] {
  return Array.from({ length: frames }, (_, i) => (i === 0 ? 600 : i === frames - 1 ? 1800 : each));
}

/** The transform of every moving part. */
function momentAt(time: number): Record<string, string> {
  const ball = along(ballsWay, time);
  const falling = dominoesAt(time);
  const lowered = bucketDrop * smooth(time, 0.8, 0.97);
  const drum = degrees(lowered / drumRadius);
  const iron = along(ironBallsWay, time);
  iron.y += lowered;
  const turned = (drum * teeth.drum) / teeth.picture;
  const watched = time < 0.56 ? ball : time < 0.7 ? { x: 340 + (time - 0.56) * 2400, y: 560 } : iron;
  const gaze = Math.atan2(watched.y - 826, watched.x - 251);

  return {
    ball: `translate(${n(ball.x)} ${n(ball.y)}) rotate(${n(degrees(ball.rolled / ballRadius))})`,
    ...Object.fromEntries(
      falling.map((angle, i) => [`domino-${i + 1}`, `translate(${foot(i)} 600) rotate(${n(angle)})`]),
    ),
    "iron-ball": `translate(${n(iron.x)} ${n(iron.y)})`,
    bucket: `translate(820 ${n(lowered)})`,
    "bucket-inside": `translate(820 ${n(lowered)})`,
    "rope-left": `translate(820 ${n(lowered)})`,
    "rope-right": `translate(920 ${n(-lowered)})`,
    "pulley-wheel": `translate(870 200) rotate(${n(-degrees(lowered / pulleyRadius))})`,
    drum: `translate(970 830) rotate(${n(drum)})`,
    "gear-1": `translate(970 830) rotate(${n(drum)})`,
    "gear-2": `translate(1180 830) rotate(${n((-turned * teeth.picture) / teeth.between)})`,
    "gear-3": `translate(1300 501.2) rotate(${n(turned)})`,
    picture: `translate(1300 501.2) rotate(${n(turned)})`,
    pendulum: `translate(690 205) rotate(${n(16 * Math.sin(8 * Math.PI * time))})`,
    tail: `translate(318 1056) rotate(${n(5 * Math.sin(6 * Math.PI * time))})`,
    pupils: `translate(${n(8 * Math.cos(gaze))} ${n(8 * Math.sin(gaze))})`,
  };
}

/** A way is its corners: when, where, and how the leg to it is travelled (1: evenly, 2: like a fall). */
type Way = readonly [Corner, ...Corner[]];
type Corner = readonly [time: number, x: number, y: number, paceX?: number, paceY?: number];

const ballsWay: Way = [
  [0, 181, 219],
  [0.16, 524, 281, 1.6, 1.6],
  [0.21, 586, 369, 1, 2],
  [0.36, 236, 431, 1.4, 1.4],
  [0.41, 134, 470, 1, 2],
  [0.43, 134, 500],
  [0.455, 144, 538],
  [0.475, 172, 566],
  [0.495, 210, 576],
  [0.56, 316, 576],
];

const ironBallsWay: Way = [
  [0.736, 742, 574],
  [0.745, 772, 574],
  [0.79, 812, 700, 1, 2],
  [0.8, 820, 745],
];

function along(way: Way, time: number): { x: number; y: number; rolled: number } {
  const [start, ...corners] = way;
  let [started, x, y] = start;
  let rolled = 0;
  for (const [end, toX, toY, paceX = 1, paceY = 1] of corners) {
    const part = Math.min(1, Math.max(0, (time - started) / (end - started)));
    const nextX = x + (toX - x) * part ** paceX;
    const nextY = y + (toY - y) * part ** paceY;
    rolled += Math.hypot(nextX - x, nextY - y) * Math.sign(toX - x);
    if (part < 1) return { x: nextX, y: nextY, rolled };
    [x, y, started] = [toX, toY, end];
  }
  return { x, y, rolled };
}

const dominoes = { count: 8, apart: 46, thick: 16, high: 84 };
const teeth = { drum: 16, between: 14, picture: 36 };
const ballRadius = 24;
const drumRadius = 50;
const pulleyRadius = 50;
/** As far as the bucket must go for a quarter turn of the picture. */
const bucketDrop = (drumRadius * (Math.PI / 2) * teeth.picture) / teeth.drum;

/** Where domino i stands: its lower right corner, about which it falls. */
function foot(i: number): number {
  return 356 + dominoes.apart * i;
}

/** How far each domino has fallen, in degrees: each as far as the next one lets it. */
function dominoesAt(time: number): number[] {
  const angles: number[] = [];
  let next = 0;
  for (let i = dominoes.count - 1; i >= 0; i--) {
    const free = 90 * Math.min(1, Math.max(0, (time - 0.56 - 0.018 * i) / 0.07)) ** 2;
    let angle = 0;
    while (angle < free && (i === dominoes.count - 1 || !touches(angle, next))) angle += 0.25;
    angles.unshift(angle);
    next = angle;
  }
  return angles;
}

/** Whether a domino at this angle touches its neighbour on the right at that one. */
function touches(angle: number, neighbour: number): boolean {
  const [a, b] = [(angle * Math.PI) / 180, (neighbour * Math.PI) / 180];
  const { apart, thick, high } = dominoes;
  const [backX, backY] = [apart - thick * Math.cos(b), thick * Math.sin(b)]; // the neighbour's lower left corner
  const [topX, topY] = [high * Math.sin(a) - backX, high * Math.cos(a) - backY]; // our upper right one, seen from it
  const pastItsBack = topX * Math.cos(b) - topY * Math.sin(b) >= 0;
  const besideItsBack = topX * Math.sin(b) + topY * Math.cos(b) >= 0;
  const overItsCorner = backX * Math.cos(a) - backY * Math.sin(a) <= 0;
  const reachesItsCorner = backX * Math.sin(a) + backY * Math.cos(a) <= high;
  return (pastItsBack && besideItsBack) || (overItsCorner && reachesItsCorner);
}

function smooth(time: number, from: number, to: number): number {
  const part = Math.min(1, Math.max(0, (time - from) / (to - from)));
  return part * part * (3 - 2 * part);
}

function degrees(radians: number): number {
  return (radians * 180) / Math.PI;
}

/** A coordinate as the drawing writes it. */
function n(value: number): string {
  return value.toFixed(2);
}

/** Seeded random numbers from 0 to 1 (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

for (const [key, draw] of Object.entries(files)) {
  const file = join(samples, key);
  const image = await (await draw()).toBuffer();
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, image);
  console.log(`${String(image.length).padStart(7)}  ${key}`);
}
