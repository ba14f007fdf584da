"use strict";
// Loaded before anything else, and so written for any Node.js: on one that is too old nothing else would load.
const wanted = 24;
const running = Number(process.versions.node.split(".")[0]);
if (running < wanted) {
  // Pulumi runs whatever is installed; npm what this project installs.
  const advice = /@pulumi.pulumi/.test(process.argv[1] ?? "")
    ? 'put npx -c before it, as in npx -c "pulumi up", which takes the Node.js that "npm ci" installs for this project'
    : `run "npm ci" with install scripts allowed, which installs Node.js ${wanted} for this project`;
  process.stderr.write(
    `This needs Node.js ${wanted}, and ${process.version} is running: ${advice}, or install it yourself.\n`,
  );
  process.exit(1);
}

// What Node.js made of the sources at the last start, it need not make again: that is a quarter of the time until a
// machine is up. Processes that this one starts find it by the variable.
const { enableCompileCache } = require("node:module");
const { directory } = enableCompileCache(
  require("node:path").join(__dirname, "../../node_modules/.cache/node"),
);
if (directory) process.env.NODE_COMPILE_CACHE ??= require("node:path").dirname(directory);
