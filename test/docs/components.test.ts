import { readFileSync } from "node:fs";
import { expect } from "chai";
import { componentsPage } from "../../docs/components.ts";

describe("the page of components", () => {
  it("has every argument as it is in the code and its comments", () => {
    const page = readFileSync("docs/components.md", "utf8");

    expect(page, "npm run docs").to.equal(componentsPage());
    expect(page).to.match(/^\| `angle` \| `number` \| required \| Degrees /m);
    expect(page).to.not.match(/^\| `#/m);
  }).timeout(120_000);
});
