import { mkdir, writeFile } from "node:fs/promises";
import { SourceMap } from "node:module";
import path from "node:path";
import { expect } from "chai";
import { buildSync } from "esbuild";
import { ownSourceMap } from "../../src/packaging/source-map.ts";
import { withFolder } from "../support/machine.ts";

/** A map of these segments: column, source, line and column in it, each from line to line. */
const mapOf = (mappings: string, sources: string[]) =>
  JSON.stringify({ version: 3, sources, names: ["a name"], mappings, sourcesContent: sources });

describe("the source map of a bundle", () => {
  it("keeps the project's own files, and says nothing of the places of libraries", () => {
    // own.ts 0:0, then the library from column 4 and again from 8, then own.ts 1:2 from column 12.
    const map = mapOf("AAAA,ICAA,IAAA,IDCE", ["own.ts", "node_modules/library/index.js"]);

    expect(JSON.parse(ownSourceMap(map))).to.deep.equal({
      version: 3,
      sources: ["own.ts"],
      names: [],
      // The library's first place is kept, as one that comes from nowhere: it ends the place before.
      mappings: "AAAA,I,QACE",
    });
  });

  it("says nothing at all where a bundle has libraries alone, or nothing", () => {
    const { sources, mappings } = JSON.parse(ownSourceMap(mapOf("AAAA;AACA", ["../node_modules/a/b.js"])));
    expect([sources, mappings]).to.deep.equal([[], ";"]);
    expect(JSON.parse(ownSourceMap(mapOf("", []))).mappings).to.equal("");
  });

  it("takes a folder for a library by its whole name alone", () => {
    const own = ["not_node_modules/a.ts", "node_modules.ts"];
    expect(JSON.parse(ownSourceMap(mapOf("AAAA", own))).sources).to.deep.equal(own);
  });

  it("names for every place of a bundle what the whole map names, where that is no library", async () => {
    await withFolder(async (folder) => {
      const lines = (name: string, more = "") =>
        Array.from(
          { length: 40 },
          (_, n) => `export const ${name}${n} = (x) => x + ${n} + "${"é".repeat(n)}";${more}`,
        );
      await mkdir(path.join(folder, "node_modules/library"), { recursive: true });
      await writeFile(path.join(folder, "node_modules/library/index.mjs"), lines("library").join("\n"));
      await writeFile(path.join(folder, "second.ts"), lines("second", "\n\n").join("\n"));
      await writeFile(
        path.join(folder, "first.ts"),
        `export * from "library/index.mjs";\n${lines("first").join("\n")}\nexport * from "./second.ts";`,
      );
      const { outputFiles } = buildSync({
        ...{
          entryPoints: ["first.ts"],
          absWorkingDir: folder,
          bundle: true,
          write: false,
          outfile: "index.js",
        },
        ...{ format: "cjs", platform: "node", sourcemap: "linked", logLevel: "silent" },
      });
      const [json = "", code = ""] = outputFiles.map(({ text }) => text);

      // Node's own reader of maps.
      const whole = new SourceMap(JSON.parse(json));
      const own = new SourceMap(JSON.parse(ownSourceMap(json)));

      let places = 0;
      for (const [line, text] of code.split("\n").entries()) {
        for (let column = 0; column < text.length; column++) {
          const expected = whole.findEntry(line, column);
          const found = own.findEntry(line, column);
          if (!("originalSource" in expected) || expected.originalSource.includes("node_modules")) {
            expect("originalSource" in found ? found.originalSource : undefined).to.equal(undefined);
            continue;
          }
          expect(found).to.deep.include({
            originalSource: expected.originalSource,
            originalLine: expected.originalLine,
            originalColumn: expected.originalColumn,
          });
          places++;
        }
      }
      expect(places).to.be.above(1000);
    });
  });
});
