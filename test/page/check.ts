import { spawn } from "node:child_process";
import { findChromium } from "./browser.ts";

/**
 * Tries the watch page in a browser: `npm run check:page`, with `-- --pictures` also to make the pictures of it in docs/pictures.
 * Exit code: 0 all well, 1 not, 2 there is no browser here, so that nothing was tried.
 */

if (await findChromium()) {
  const mocha = [
    "node_modules/mocha/bin/mocha.js",
    "--no-parallel",
    "--forbid-pending",
    "test/page/*.test.ts",
  ];
  const args = process.argv.slice(2).filter((arg) => arg !== "--pictures");
  const pictures = process.argv.includes("--pictures") ? { WATCH_PICTURES: "docs/pictures" } : {};
  const child = spawn(process.execPath, [...mocha, ...args], {
    stdio: "inherit",
    env: { ...process.env, ...pictures },
  });
  child.once("exit", (code) => {
    process.exitCode = code === 0 ? 0 : 1;
  });
} else {
  console.error(
    "The page was not tried: there is no Chromium here. Install the package chromium, or name one in CHROMIUM.",
  );
  process.exitCode = 2;
}
