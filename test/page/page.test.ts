import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import axe from "axe-core";
import { expect } from "chai";
import type { Locator, Page } from "playwright-core";
import sharp from "sharp";
import { accessWith } from "../../src/cli/watch-access.ts";
import { graphOf, wiringOf } from "../../src/cli/watch-page.ts";
import { withFolder } from "../support/machine.ts";
import { projectIn } from "../support/project.ts";
import { drop, type Watched, withCommand, withDev, withWatched } from "./machine.ts";

/** A picture whose quarters have a colour each, so that a turn shows. */
async function quarters(): Promise<Buffer> {
  const pixels = Buffer.alloc(80 * 40 * 3);
  for (let y = 0; y < 40; y++) {
    for (let x = 0; x < 80; x++) {
      const [left, right] =
        y < 20
          ? [
              [220, 30, 30],
              [30, 180, 60],
            ]
          : [
              [40, 60, 220],
              [240, 220, 60],
            ];
      pixels.set((x < 40 ? left : right) ?? [], (y * 80 + x) * 3);
    }
  }
  return sharp(pixels, { raw: { width: 80, height: 40, channels: 3 } })
    .png()
    .toBuffer();
}

/** What would run if anybody took it for markup, or for a drawing. */
const HOSTILE_NAME = `<img src=x onerror="document.title='taken'">\u202e&quot;.png`;
const HOSTILE_SVG = Buffer.from(
  `<svg xmlns="http://www.w3.org/2000/svg" onload="document.title='taken'"><script>document.title='taken'</script></svg>`,
);

describe("the watch page of a machine", function () {
  this.timeout(120_000);

  it("shows a dropped image on its way, and what both workers made of it, turned", async () => {
    await withWatched(async (watched) => {
      const { page, complaints } = await watched.open();
      expect(await page.locator(".start").textContent()).to.include("Start here");
      await drop(page, { "quarters.png": await quarters() });
      const frames = page.locator(".frame img");
      await frames.nth(1).waitFor();
      expect([await cornerOf(frames.nth(0)), await cornerOf(frames.nth(1))]).to.deep.equal(["blue", "green"]);
      await openStory(page, "quarters.png");
      const pictures = page.locator("dialog figure img");
      await pictures.nth(2).waitFor();
      const corners = [0, 1, 2].map((index) => cornerOf(pictures.nth(index)));
      expect(await Promise.all(corners)).to.deep.equal(["red", "blue", "green"]);
      const steps = await page.locator(".timeline li").allTextContents();
      for (const what of [
        /Uploaded to/,
        /to the topic/,
        /into the queue/,
        /began to work on it/,
        /is written to/,
      ]) {
        expect(steps.filter((step) => what.test(step)).length, String(what)).to.be.within(1, 2);
      }
      await closeStory(page);
      await judgedByAxe(page);
      await otherWays(page);
      await rejection(watched, page);
      await hostile(watched, page);
      await page.locator(".tag.dead", { hasText: "The file is text" }).nth(1).waitFor();
      await page.locator(".tag", { hasText: "<img src=x" }).nth(1).waitFor();
      expect(await misplaced(page)).to.deep.equal([]);
      await elsewhere(watched);
      await restarted(watched);
      expect(complaints).to.deep.equal([]);
    });
  });

  it("goes on where npm run dev starts the machine anew, with a handler that is mended and a worker more", async () => {
    await withFolder(async (folder) => {
      const project = await projectIn(folder, { broken: BROKEN });
      await withDev(project, folder, async (open) => {
        const { page, complaints } = await open();
        expect(await readFile(path.join(folder, "opened"), "utf8")).to.equal(`${page.url()}\n`);
        // What the program registers is drawn, be it ever so new.
        await page.locator(".tag.up", { hasText: "broken" }).waitFor();
        await drop(page, { "quarters.png": await quarters(), "notes.txt": Buffer.from("words") });
        await openStory(page, "quarters.png");
        const fault = page.locator(".fault", { hasText: "broken" });
        await fault.waitFor();
        const told = (await fault.textContent()) ?? "";
        expect(told).to.include("turn is not a function").and.include("handlers/broken.ts:6:");
        expect(await fault.locator("pre").first().textContent()).to.include("turn(): never");
        await closeStory(page);
        await page.getByText("3 dead letters", { exact: true }).waitFor();

        await page.getByRole("button", { name: "Send again" }).click();
        await page
          .locator("[role=status]", { hasText: "3 dead letters are sent to the queue again." })
          .waitFor();
        await openStory(page, "notes.txt");
        await page.locator(".timeline .again").nth(2).waitFor();
        await page.locator(".timeline .rejected").nth(5).waitFor();
        await closeStory(page);

        const handler = path.join(project, "handlers/broken.ts");
        await writeFile(handler, BROKEN.replace("(source as unknown as { turn(): never }).turn()", MENDED));
        const program = path.join(project, "index.ts");
        const more = `new RotationWorker("half-turn", { fanOut, angle: 180 });\nexport const sourceBucket`;
        await writeFile(
          program,
          (await readFile(program, "utf8")).replace("export const sourceBucket", more),
        );
        await page.locator(".tag.up", { hasText: "half-turn" }).waitFor();
        await page.locator(".status.good", { hasText: "running" }).waitFor();
        // What had failed is done now, and everything is there once.
        await page
          .locator(".tile", { hasText: "quarters.png" })
          .getByText(/broken.*: done/)
          .waitFor();
        expect(await page.locator(".tile").count()).to.equal(2);
        await page.locator(".frame img").nth(2).waitFor();
        expect(await counter(page, "Images in")).to.equal("2");
        expect(await counter(page, "Results")).to.equal("3");

        await page.getByRole("button", { name: "Break things" }).click();
        await page.locator(".status", { hasText: "things go wrong on purpose (seed 7)" }).waitFor();
        await drop(page, { "again.png": await quarters() });
        await page.locator(".frame img").nth(3).waitFor();
        expect(await page.locator(".tile").count()).to.equal(3);

        await page.getByRole("button", { name: "Delete", exact: true }).click();
        await page.getByRole("button", { name: "Delete them for good?" }).click();
        await page.getByText("0 dead letters", { exact: true }).waitFor();
        expect(complaints).to.deep.equal([]);
      });
    });
  });
});

describe("npm start -- --watch", function () {
  this.timeout(120_000);

  it("shows a run, and keeps the machine for whoever watches it until Ctrl-C", async () => {
    await withFolder(async (folder) => {
      const images = path.join(folder, "images");
      await mkdir(images);
      await writeFile(path.join(images, "quarters.png"), await quarters());
      await writeFile(path.join(images, "notes.txt"), "words");
      const args = ["--watch", "--out", path.join(folder, "out"), images];
      const command = [path.resolve("src/cli/start.ts"), ...args];
      // As npm runs it.
      const env = { ...process.env, npm_lifecycle_event: "start" };
      const show = async (open: Watched["open"]) => {
        const { page, complaints } = await open();
        await page.locator(".frame img").nth(1).waitFor();
        // The run takes dead letters out itself; their reason stays.
        await page.locator(".tag.dead", { hasText: "Taken out: The file is text" }).nth(1).waitFor();
        // It is over, and a person may go on.
        await page.getByRole("button", { name: "Put images in…" }).waitFor();
        await drop(page, { "another.png": await quarters() });
        await page
          .locator(".tile", { hasText: "another.png" })
          .getByText("clockwise, counter-clockwise: done")
          .waitFor();
        expect(complaints).to.deep.equal([]);
      };
      const [, exitCode] = await withCommand(command, show, { env });
      expect(exitCode).to.equal(1);
    });
  });
});

/** A handler with a mistake in it. */
const BROKEN = `import { ImageRejected } from "image-turn";
import { createHandler } from "../src/delivery/handler.ts";

export const handler = createHandler(async (source) => {
  if (source.length < 10) throw new ImageRejected("corrupt", "It is too short.");
  return (source as unknown as { turn(): never }).turn();
});
`;
const MENDED = `{ body: source, contentType: "image/png" }`;

async function counter(page: Page, name: string): Promise<string> {
  const value = page.locator(".counter", { has: page.getByText(name, { exact: true }) }).locator(".value");
  return (await value.textContent())?.trim() ?? "";
}

/** Pastes an image, and has a burst of small ones. */
async function otherWays(page: Page): Promise<void> {
  await page.evaluate(
    async (base64) => {
      const data = new DataTransfer();
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      data.items.add(new File([bytes], "pasted.png"));
      document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    },
    (await quarters()).toString("base64"),
  );
  await page
    .locator(".tile", { hasText: "pasted.png" })
    .getByText("clockwise, counter-clockwise: done")
    .waitFor();
  await page.getByLabel("A burst of").fill("3");
  await page.getByRole("button", { name: "Send small images" }).click();
  await page
    .locator(".tile", { hasText: "burst-1/3.png" })
    .getByText("clockwise, counter-clockwise: done")
    .waitFor();
  expect(await page.locator(".tile").count()).to.equal(5);
  expect(await counter(page, "Images in")).to.equal("5");
}

/** Drops what is no image, and finds the reason without having to look for it. */
async function rejection({ source }: Watched, page: Page): Promise<void> {
  await drop(page, { "notes.txt": Buffer.from("These are words.") });
  const tag = page.locator(".tag.dead.full").first();
  await tag.waitFor();
  expect(await tag.textContent()).to.include("The file is text");
  expect(source.snapshot().counts.workers.clockwise).to.include({ rejected: 1 });
  await tag.click();
  await page.getByRole("heading", { name: "Rejected by clockwise" }).waitFor();
  expect(await page.locator(".tile").count()).to.equal(1);
  await openStory(page, "notes.txt");
  expect(await page.locator("dialog .no-result").first().textContent()).to.include(
    "rejected: The file is text",
  );
  expect(await page.locator(".decisions li").first().textContent()).to.match(/allowed/);
  await judgedByAxe(page);
  await closeStory(page);
  await page.getByRole("button", { name: "Show all images" }).click();
}

/** Names and files of strangers are texts and pixels, never markup. */
async function hostile({ server }: Watched, page: Page): Promise<void> {
  const title = await page.title();
  const words = Buffer.from("These are words, too.");
  await drop(page, { [HOSTILE_NAME]: await quarters(), "drawing.svg": HOSTILE_SVG, "words.txt": words });
  await openStory(page, HOSTILE_NAME);
  await page.locator("dialog figure img").nth(2).waitFor();
  await closeStory(page);
  await openStory(page, "drawing.svg");
  await page.locator("dialog .no-result", { hasText: "SVG drawing" }).first().waitFor();
  expect(await page.locator("dialog figure img").count()).to.equal(0);
  const link = (await page.locator("dialog a").first().getAttribute("href")) ?? "";
  await closeStory(page);
  expect(await page.title()).to.equal(title);
  expect(await page.locator("body [onerror], body [onload]").count()).to.equal(0);

  const download = await fetch(new URL(link, server.address));
  expect(download.headers.get("content-disposition")).to.match(/^attachment; filename="drawing.svg"/);
  expect(download.headers.get("content-type")).to.equal("application/octet-stream");
  expect(download.headers.get("content-security-policy")).to.include("sandbox");
  expect(Buffer.from(await download.arrayBuffer())).to.deep.equal(HOSTILE_SVG);
  const picture = await fetch(new URL(link.replace("file/", "picture/"), server.address));
  expect(picture.status).to.equal(404);

  const whole = await fetch(server.address);
  const policy = whole.headers.get("content-security-policy") ?? "";
  expect(policy).to.include("default-src 'none'").and.not.include("unsafe").and.not.include("data:");
}

/** The same page for a dark room, a telephone, a keyboard, and whoever wants no motion. */
async function elsewhere({ open }: Watched): Promise<void> {
  const { page, complaints } = await open({
    ...{ colorScheme: "dark", reducedMotion: "reduce", viewport: { width: 360, height: 740 } },
  });
  await page.locator(".frame img").nth(1).waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(wide).to.equal(360);
  expect(await misplaced(page)).to.deep.equal([]);
  await judgedByAxe(page);
  await page.locator(".tile").first().focus();
  await page.keyboard.press("Enter");
  await page.locator("dialog[open] .timeline").waitFor();
  await judgedByAxe(page);
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  expect(complaints).to.deep.equal([]);
  await page.context().close();
}

/** A page that is opened in the seconds of a restart has its pictures afterwards. */
async function restarted({ machine, source, open }: Watched): Promise<void> {
  source.become({ state: "starting" });
  const { page } = await open();
  const tile = page.locator(".tile", { hasText: "quarters.png" });
  await tile.locator(".no-picture").waitFor();
  source.begin(wiringOf(graphOf(machine, "dev")), accessWith(machine));
  source.become({ state: "running" });
  await tile.locator("img").waitFor();
  expect(await page.locator("[aria-live]").textContent()).to.equal(
    await page.locator(".commentary").textContent(),
  );
  await page.context().close();
}

/** What is not where it should be: tags that cover each other or reach out of the stage, and words that reach out of their boxes. */
function misplaced(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const stage = document.querySelector(".stage")?.getBoundingClientRect() ?? new DOMRect();
    const tags = [...document.querySelectorAll(".tag")].map((tag) => ({
      text: tag.textContent,
      box: tag.getBoundingClientRect(),
    }));
    const out = tags.filter(({ box }) => box.left < stage.left + 3 || box.right > stage.right - 3);
    const covering = tags.filter(({ box: a }, index) =>
      tags.slice(0, index).some(({ box: b }) => {
        return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
      }),
    );
    const words = [...document.querySelectorAll(".counter dt")].filter((word) => {
      const range = document.createRange();
      range.selectNodeContents(word);
      return range.getBoundingClientRect().right > word.getBoundingClientRect().right;
    });
    return [...out, ...covering].map(({ text }) => text).concat(words.map(({ textContent }) => textContent));
  });
}

async function openStory(page: Page, key: string): Promise<void> {
  await page.locator(".tile", { hasText: key }).first().click();
  await page.locator("dialog[open] .timeline").waitFor();
}

async function closeStory(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Close" }).click();
  await page.locator("dialog").waitFor({ state: "detached" });
}

/** Has axe find what keeps people from using the page. */
async function judgedByAxe(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  const found = violations.map(({ id, nodes }) => {
    return `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`;
  });
  expect(found).to.deep.equal([]);
}

/** The colour of the upper left quarter of a picture, as the browser shows it. */
async function cornerOf(picture: Locator): Promise<string> {
  const [red = 0, green = 0, blue = 0] = await picture.evaluate(async (image: HTMLImageElement) => {
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d");
    context?.drawImage(image, 0, 0);
    return [...(context?.getImageData(image.naturalWidth / 4, image.naturalHeight / 4, 1, 1).data ?? [])];
  });
  if (red > 180 && green > 180) return "yellow";
  return red > 150 ? "red" : green > 130 ? "green" : blue > 150 ? "blue" : `${red},${green},${blue}`;
}
