import axe from "axe-core";
import { expect } from "chai";
import { Events } from "local-aws";
import type { Browser, Locator, Page } from "playwright-core";
import sharp from "sharp";
import { wiringOf } from "../../src/cli/watch.ts";
import { type Machine, startMachine } from "../../src/machine/machine.ts";
import { tellHappenings } from "../../src/watch/happenings.ts";
import { LiveSource } from "../../src/watch/live.ts";
import { serveWatch } from "../../src/watch/server.ts";
import { withFolder } from "../support/machine.ts";
import { launch, open } from "./browser.ts";

/** A picture whose four quarters have a colour each, so that a turn shows. */
async function quarters(): Promise<Buffer> {
  const pixels = Buffer.alloc(80 * 40 * 3);
  for (let y = 0; y < 40; y++) {
    for (let x = 0; x < 80; x++) {
      const colour =
        y < 20 ? (x < 40 ? [220, 30, 30] : [30, 180, 60]) : x < 40 ? [40, 60, 220] : [240, 220, 60];
      pixels.set(colour, (y * 80 + x) * 3);
    }
  }
  return sharp(pixels, { raw: { width: 80, height: 40, channels: 3 } })
    .png()
    .toBuffer();
}

describe("the watch page", function () {
  this.timeout(60_000);

  it("shows a dropped image, and what both workers made of it, turned", async () => {
    await withFolder(async (folder) => {
      const events = new Events();
      const source = new LiveSource();
      tellHappenings(events, process.cwd(), (happening) => source.take(happening));
      const machine: Machine = await startMachine({ project: process.cwd(), folder, events });
      source.begin(wiringOf(machine, "dev"), machine);
      source.become({ state: "running" });
      const server = await serveWatch(source);
      const browser: Browser = await launch();
      try {
        const { page, complaints } = await open(browser, server.address);
        await drop(page, "quarters.png", await quarters());
        const frames = page.locator(".frame img");
        await frames.nth(1).waitFor();
        expect(await cornerOf(frames.nth(0))).to.equal("blue");
        expect(await cornerOf(frames.nth(1))).to.equal("green");
        expect(await violations(page)).to.deep.equal([]);
        expect(complaints).to.deep.equal([]);
      } finally {
        await browser.close();
        await server.close();
        await machine.stop();
      }
    });
  });
});

/** What keeps people from using the page, as axe finds it. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  return violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
  );
}

/** Drops a file on the page, as a person does. */
async function drop(page: Page, name: string, body: Buffer): Promise<void> {
  const transfer = await page.evaluateHandle(
    ([fileName, base64]) => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64 ?? ""), (character) => character.charCodeAt(0));
      data.items.add(new File([bytes], fileName ?? ""));
      return data;
    },
    [name, body.toString("base64")] as const,
  );
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}

/** The colour of the upper left quarter of a picture, as the browser shows it. */
async function cornerOf(picture: Locator): Promise<string> {
  await picture.evaluate((image: HTMLImageElement) => image.decode());
  const [red = 0, green = 0, blue = 0] = await picture.evaluate((image: HTMLImageElement) => {
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d");
    context?.drawImage(image, 0, 0);
    return [...(context?.getImageData(image.naturalWidth / 4, image.naturalHeight / 4, 1, 1).data ?? [])];
  });
  if (red > 180 && green > 180) return "yellow";
  return red > 150 ? "red" : green > 130 ? "green" : blue > 150 ? "blue" : `${red},${green},${blue}`;
}
