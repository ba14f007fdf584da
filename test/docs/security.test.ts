import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";

/** A file of tests, and the titles that the page names of it. */
const NAMED = /\]\((\.\.\/[^)]+\.test\.ts)\)((?:,? "[^"]+")+)/g;

describe("a test that docs/security.md names", () => {
  const page = readFileSync("docs/security.md", "utf8");
  const named = [...page.matchAll(NAMED)].flatMap(([, file = "", titles = ""]) =>
    [...titles.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => ({ file: path.join("docs", file), title })),
  );

  it("is there, in its file, by its title", () => {
    expect(named).to.have.length.above(30);
    for (const { file, title } of named) expect(readFileSync(file, "utf8"), file).to.contain(title);
  });

  it("stands in each row of each table", () => {
    const rows = page.split("\n").filter((line) => /^\| (?!---|Control|What is tried)/.test(line));

    expect(rows).to.have.length.above(20);
    for (const row of rows) expect(row).to.match(/\.test\.ts\) "/);
  });
});
