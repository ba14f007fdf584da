"use strict";
// Loaded before anything else, and so written for any Node.js: on one that is too old nothing else would load.
const { existsSync } = require("node:fs");
const path = require("node:path");

const wanted = 24;
/** Where what is loaded from here is looked for. */
const folders = require.resolve.paths("node-24") || [];
const running = Number(process.versions.node.split(".")[0]);
if (running < wanted) {
  // npm's scripts run on the project's own Node.js; the Pulumi CLI, and whoever says "node", on the first of the PATH.
  const { realpathSync } = require("node:fs");
  const name = process.platform === "win32" ? "node.exe" : "node";
  const own = folders.map((folder) => path.join(folder, "node/bin", name)).find(existsSync);
  if (own && realpathSync(own) !== realpathSync(process.execPath)) {
    const args = [...process.execArgv, ...process.argv.slice(1)];
    const { status } = require("node:child_process").spawnSync(own, args, { stdio: "inherit" });
    process.exit(status === null ? 1 : status);
  }
  process.stderr.write(
    `This needs Node.js ${wanted}, and ${process.version} is running: run "npm ci" with install scripts allowed, which installs Node.js ${wanted} for this project, or install it yourself.\n`,
  );
  process.exit(1);
}

// What Node.js made of the sources at the last start, it need not make again: that is a quarter of the time until a
// machine is up. Processes that this one starts find it by the variable.
const { enableCompileCache } = require("node:module");
const modules = folders.find(existsSync);
const { directory } = enableCompileCache(modules && path.join(modules, ".cache/node"));
if (directory) process.env.NODE_COMPILE_CACHE ??= path.dirname(directory);

require("./defer.cjs");
