"use strict";
// Loaded before anything else, and so written for any Node.js: on one that is too old nothing else would load.
const wanted = 24;
const running = Number(process.versions.node.split(".")[0]);
if (running < wanted) {
  process.stderr.write(
    `This needs Node.js ${wanted}, and ${process.version} is running: run "npm ci" with install scripts allowed, which installs Node.js ${wanted} for this project, or install it yourself.\n`,
  );
  process.exit(1);
}
