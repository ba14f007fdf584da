import { expect } from "chai";
import fc from "fast-check";
import sharp from "sharp";
import { findFrame, parse, quantisationTables } from "../src/formats/jpeg/file.ts";
import { quantisation } from "../src/formats/jpeg/jpeg-quality.ts";

/** The tables of brightness and colour that sharp quantises with. */
async function tablesOf(quality: number, quantisationTable: number): Promise<[number[], number[]]> {
  const image = sharp({ create: { width: 16, height: 16, channels: 3, background: "teal" } });
  const { segments } = parse(await image.jpeg({ quality, quantisationTable }).toBuffer());
  const tables = quantisationTables(segments);
  const [first, second] = findFrame(segments).components.map(({ table }) => tables.get(table) ?? []);
  return [first ?? [], second ?? []];
}

describe("the quality of a JPEG", () => {
  it("is the one that its tables are of, on either base table", async () => {
    for (const table of [0, 3] as const) {
      for (const quality of [30, 75, 90, 100]) {
        // At 100 every step of both base tables is 1.
        const expected = { quality, table: quality === 100 ? 0 : table };
        expect(quantisation(...(await tablesOf(quality, table)))).to.deep.equal(expected);
      }
    }
  });

  it("is remembered, and is that of these tables alone", async () => {
    const [brightness, colour] = await tablesOf(82, 0);
    const found = quantisation(brightness, colour);

    expect(quantisation([...brightness], [...colour])).to.equal(found);
    expect(quantisation(brightness)).to.not.equal(found);
    expect(quantisation(brightness.map((step) => step * 2))).to.not.deep.equal(found);
  });

  it("is the same for tables that are a little off, however many are asked for", async () => {
    const [brightness, colour] = await tablesOf(75, 0);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1, max: 1 }), { minLength: 64, maxLength: 64 }), (off) => {
        const near = brightness.map((step, index) => step + (off[index] as number) * Number(step > 20));
        const { quality } = quantisation(near, colour);
        expect(quality).to.be.within(73, 77);
      }),
      { numRuns: 150 },
    );
  });
});
