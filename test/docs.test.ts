import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { judge } from "../src/operations/smoke.ts";

const PAGES = [
  "README.md",
  ...readdirSync("docs").flatMap((file) => (file.endsWith(".md") ? `docs/${file}` : [])),
];

describe("what a reader gets", () => {
  for (const page of PAGES) {
    const text = readFileSync(page, "utf8");

    it(`in ${page} links to what is there`, () => {
      const links = [...text.matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)].map(
        ([, link, src]) => link ?? src ?? "",
      );
      const headings = (file: string) =>
        [...readFileSync(file, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
          heading
            .toLowerCase()
            .replaceAll(/[^\w\- ]/g, "")
            .replaceAll(" ", "-"),
        );
      for (const link of links.filter((each) => !each.startsWith("https:"))) {
        const [file = "", anchor] = link.split("#");
        const target = file === "" ? page : path.join(path.dirname(page), file);
        expect(existsSync(target), link).to.equal(true);
        if (anchor !== undefined) expect(headings(target), link).to.include(anchor);
      }
    });

    it(`in ${page} names scripts that there are`, () => {
      const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
      for (const [command, name = ""] of text.matchAll(/npm run ([\w:-]+)/g)) {
        expect(scripts, command).to.have.property(name);
      }
    });

    it(`in ${page} is written in plain words`, () => {
      expect(text).to.not.match(/\bcan not\b|\bits most\b|\bthe least (?!privilege)|\| Most /);
    });
  }

  it("of the cat is what the machine makes of it", async () => {
    const picture = (name: string) => readFileSync(`docs/pictures/${name}.jpg`);

    for (const [name, angle] of [
      ["cat-clockwise", 90],
      ["cat-counter-clockwise", 270],
    ] as const) {
      expect(await judge(picture("cat"), picture(name), angle), name).to.include({ ok: true });
    }
  });
});
