#!/usr/bin/env node
"use strict";
// The package's command. It begins as CommonJS for the sake of a Node.js that is too old, which is told so in a sentence.
require("./require-node.cjs");
const { existsSync } = require("node:fs");
const path = require("node:path");

const USAGE = `Usage: image-machine COMMAND [OPTION]...

In the folder of a Pulumi program that uses image-machine:

  start         runs the machine on this computer: puts files through it and keeps what comes back
  dev           keeps it running, and starts it anew when the program or a handler changes
  capacity      by when a load is processed, what it costs, and what would have to be raised
  smoke         sends one image through a stack, and judges what comes back
  reconcile     accounts for every image, and mends what is missing
  dead-letters  shows what was rejected and why, sends it again or drops it
  proof         holds a stack on AWS to what was computed for it

image-machine COMMAND --help says more.`;

const [command = "--help"] = process.argv.splice(2, 1);
const known = new RegExp(`^  ${command} `, "m").test(USAGE);
if (/^[a-z-]+$/.test(command) && known && existsSync(path.join(__dirname, `${command}.js`))) {
  import(`./${command}.js`);
} else if (["--help", "-h", "help"].includes(command)) {
  console.log(USAGE);
} else {
  console.error(`There is no command ${JSON.stringify(command)}.\n\n${USAGE}`);
  process.exitCode = 2;
}
