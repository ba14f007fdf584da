#!/usr/bin/env node
"use strict";
// The package's command. It begins as CommonJS for the sake of a Node.js that is too old, which is told so in a sentence.
require("./require-node.cjs");
const { existsSync } = require("node:fs");
const path = require("node:path");

const USAGE = `Usage: image-machine COMMAND [OPTION]...

In the folder of a Pulumi program that uses image-machine:

  start         runs the machine on this computer: puts files through it and keeps the results
  dev           keeps it running, and restarts it when the program or a handler changes
  capacity      computes when a load is processed, what it costs, and what you would have to raise
  watch         shows a stack at work, on a page on this computer
  smoke         sends one image through a stack, and checks every result
  reconcile     accounts for every image, and makes missing results
  dead-letters  lists what was rejected and why, sends it again or deletes it
  proof         compares a stack on AWS with what was predicted for it

image-machine COMMAND --help says more.`;

const [command = "--help"] = process.argv.splice(2, 1);
const known = new RegExp(`^  ${command} `, "m").test(USAGE);
if (/^[a-z-]+$/.test(command) && known && existsSync(path.join(__dirname, `${command}.js`))) {
  checkPulumi();
  import(`./${command}.js`);
} else if (["--help", "-h", "help"].includes(command)) {
  console.log(USAGE);
} else {
  console.error(`There is no command ${JSON.stringify(command)}.\n\n${USAGE}`);
  process.exitCode = 2;
}

/** Ends this where the program would be run by one @pulumi/pulumi and import another, which would know nothing of each other. */
function checkPulumi() {
  const name = "@pulumi/pulumi";
  const found = (from) => path.dirname(require.resolve(`${name}/package.json`, { paths: [from] }));
  const problem = () => {
    try {
      const [own, programs] = [found(__dirname), found(process.cwd())];
      return own === programs
        ? ""
        : `This project has ${name} in ${programs}, and image-machine has another in ${own}`;
    } catch {
      return `There is no ${name} in this project`;
    }
  };
  const sentence = problem();
  if (sentence === "") return;
  console.error(`${sentence}: install it beside image-machine, "npm install ${name} @pulumi/aws".`);
  process.exit(2);
}
