import { access, constants } from "node:fs/promises";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Where systems keep the browser that Playwright drives; CHROMIUM names another one. */
const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** Finds the system's Chromium. @returns nothing where there is none */
export async function findChromium(): Promise<string | undefined> {
  for (const file of process.env.CHROMIUM ? [process.env.CHROMIUM] : PLACES) {
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return file;
  }
  return undefined;
}

export async function launch(): Promise<Browser> {
  const executablePath = await findChromium();
  if (!executablePath) throw new Error("There is no Chromium.");
  // Root may not use the sandbox; the pages are ours.
  return chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
}

/** A page that is open, and what its console has said: nothing, as everything on it is meant. */
export interface Opened {
  readonly page: Page;
  readonly complaints: string[];
}

/** Opens an address in a window of its own. */
export async function open(
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // There is no picture of what is no image, which Chromium says of every 404.
    const isMissing =
      message.text().includes("status of 404") && message.location().url.includes("/picture/");
    if (["error", "warning"].includes(message.type()) && !isMissing) complaints.push(message.text());
  });
  await page.goto(address);
  await page.locator(".stage").waitFor();
  return { page, complaints };
}
