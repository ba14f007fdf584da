import { spawn } from "node:child_process";
import { findChromium } from "./browser.ts";

/**
 * Tries the watch page in a browser: `npm run check:page`. Exit code: 0 all well, 1 not, 2 there is no browser here, so that
 * nothing was tried.
 */

if (await findChromium()) {
  const mocha = [
    "node_modules/mocha/bin/mocha.js",
    "--no-parallel",
    "--forbid-pending",
    "test/page/*.test.ts",
  ];
  const child = spawn(process.execPath, [...mocha, ...process.argv.slice(2)], { stdio: "inherit" });
  child.once("exit", (code) => {
    process.exitCode = code === 0 ? 0 : 1;
  });
} else {
  console.error(
    "The page was not tried: there is no Chromium here. Install the package chromium, or name one in CHROMIUM.",
  );
  process.exitCode = 2;
}
