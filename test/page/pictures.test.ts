import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { withFolder } from "../support/machine.ts";
import { drop, type Watched, withWatched } from "./machine.ts";

/** Milliseconds of the page's time between two frames, and their number: from the bucket to the frames on the wall. */
const FRAME_MS = 100;
const FRAMES = 46;
const WIDTH = 760;
/** Bytes of a picture that a reader downloads. */
const MAX_BYTES = 500_000;

describe("pictures of the watch page", function () {
  this.timeout(240_000);

  it("show what it shows, and are small", async () => {
    await withFolder(async (folder) => {
      // Asked for by `npm run check:page -- --pictures`; else they are made, and looked at by nobody.
      const to = process.env.WATCH_PICTURES ?? folder;
      await mkdir(to, { recursive: true });
      const pictures = await withWatched(async (watched) => ({
        "watch-run.webp": await animation(watched),
        "watch.webp": await still(watched),
      }));
      for (const [name, picture] of Object.entries(pictures)) {
        console.log(`      ${name}: ${(picture.length / 1000).toFixed(0)} kB`);
        expect(picture.length, name).to.be.within(5_000, MAX_BYTES);
        await writeFile(path.join(to, name), picture);
      }
    });
  });
});

/** An image on its way from the bucket to both frames. */
async function animation(watched: Watched): Promise<Buffer> {
  const { page } = await watched.open({ colorScheme: "light" });
  await page.clock.install({ time: 0 });
  await page.reload();
  await page.locator(".stage").waitFor();
  // From here on the page's time goes on when it is told to.
  await page.clock.pauseAt(3_600_000);
  await drop(page, { "cat.jpg": await readFile("docs/pictures/cat.jpg") });
  await done(watched, 2);
  await setTimeout(300);
  const frames: Buffer[] = [];
  for (let frame = 0; frame < FRAMES; frame++) {
    await page.clock.runFor(FRAME_MS);
    frames.push(await stage(page, WIDTH));
  }
  await page.context().close();
  const delay = frames.map((_, index) => (index === FRAMES - 1 ? 2500 : FRAME_MS));
  return sharp(frames, { join: { animated: true } })
    .webp({ quality: 62, effort: 4, delay, loop: 0, minSize: true })
    .toBuffer();
}

/** The page as it is with one image done and another one rejected. */
async function still(watched: Watched): Promise<Buffer> {
  const { page } = await watched.open({ colorScheme: "light", viewport: { width: 1280, height: 1100 } });
  await drop(page, { "notes.txt": Buffer.from("These are words.") });
  await page.locator(".tag.dead.full").nth(1).waitFor();
  await page.locator(".frame img").nth(1).waitFor();
  await page.locator(".toast p").waitFor({ state: "detached" });
  const picture = await page.screenshot();
  await page.context().close();
  return sharp(picture).resize({ width: 1100 }).webp({ quality: 80, effort: 6 }).toBuffer();
}

async function stage(page: Page, width: number): Promise<Buffer> {
  const picture = await page.locator(".stage").screenshot();
  return sharp(picture).resize({ width }).png().toBuffer();
}

/** Waits until the machine has made so many results. */
async function done({ source }: Watched, results: number): Promise<void> {
  const made = () =>
    Object.values(source.snapshot().counts.workers).reduce((all, each) => all + (each.done ?? 0), 0);
  while (made() < results) await setTimeout(50);
}
