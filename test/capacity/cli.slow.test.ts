import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import sharp from "sharp";
import { withFolder } from "../support/machine.ts";

/** Runs `npm run capacity`, as somebody in another folder. */
function capacityIn(INIT_CWD: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["src/cli/capacity.ts", ...args], {
    encoding: "utf8",
    env: { ...process.env, INIT_CWD },
  });
  return { status, stdout, stderr };
}

const capacity = (...args: string[]) => capacityIn(process.cwd(), ...args);

describe("npm run capacity", function () {
  // Each runs the program in a process of its own.
  this.timeout(60_000);

  it("answers in words and in a chart, as SVG and as PNG", async () => {
    await withFolder(async (folder) => {
      const file = path.join(folder, "chart");

      const { status, stdout, stderr } = capacity("--images", "50000", "--minutes", "1", "--chart", file);

      expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
      expect(stdout).to.match(/^50,000 images in 1 minute:$/m);
      expect(stdout).to.match(/^Accepted {8}in about 60 s: S3 has stored them$/m);
      expect(stdout).to.match(
        /^Counted {9}50,000 × 2 = 100,000 results \+ 0 in dead-letter queues \+ 0 lost$/m,
      );
      expect(readFileSync(`${file}.svg`, "utf8")).to.match(/^<svg [\s\S]*<\/svg>\n$/);
      expect(await sharp(`${file}.png`).metadata()).to.include({ format: "png", width: 1920 });
    });
  });

  it("says on the chart what settings are in words, and what the account allows beside the lines", async () => {
    await withFolder(async (folder) => {
      const file = path.join(folder, "chart");
      const settings = [
        ...["workers.scaling=", "workers.scaling.maximumConcurrency=300"],
        // None of the stack's, be there one or not.
        "concurrency=",
        ...["lifecycle.source.expireDays=60", "lifecycle.results.intelligentTiering=true"],
      ];

      const { status, stdout } = capacity(
        ...["--images", "50000", "--minutes", "1", "--chart", file],
        ...settings.flatMap((setting) => ["--config", setting]),
      );

      expect(status).to.equal(0);
      expect(stdout).to.match(/^ {2}clockwise: .*, up to 300 batches at once, nothing reserved$/m);
      expect(stdout).to.match(/^ {2}S3 sources, the 60 days until they expire +\$/m);
      expect(stdout).to.match(/^ {2}S3 results, moved to Intelligent-Tiering +\$/m);
      const svg = readFileSync(`${file}.svg`, "utf8");
      expect(svg).to.contain(
        ">Stack dev with other settings in us-east-1: clockwise and counter-clockwise, each with up to 300 batches at once; 12 megapixels, constant<",
      );
      expect(svg).to.not.contain("workers.scaling");
      expect(svg.match(/<line class="bound" /g)).to.have.length(1);
      expect(svg).to.contain("</tspan> 1,000 allowed in the account</text>");
    });
  });

  it("answers where no chart can be written, if nobody asked for one", async () => {
    await withFolder(async (folder) => {
      writeFileSync(path.join(folder, "out"), "");

      const { status, stdout, stderr } = capacityIn(folder, "--images", "1000", "--minutes", "1");

      expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
      expect(stdout).to.match(/^1,000 images in 1 minute:$/m);
      expect(stdout).to.match(/\nChart: left out, as out cannot be written: not a directory\.\n$/);
    });
  });

  it("says in one sentence what it does not understand", () => {
    for (const [args, sentence] of [
      ["--images=many", /^--images is many, but must be a whole number from 1 to 1000000000000\.\n$/],
      ["--images -1", /^--images is -1, but must be a whole number from 1 to 1000000000000\.\n$/],
      ["--chart package.json/x", /^--chart package\.json cannot be written: not a directory\.\n$/],
    ] as const) {
      const { status, stdout, stderr } = capacity(...args.split(" "));
      expect({ status, stdout }).to.deep.equal({ status: 2, stdout: "" });
      expect(stderr).to.match(sentence);
    }
  });
});
