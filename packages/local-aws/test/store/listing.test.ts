import { expect } from "chai";
import fc from "fast-check";
import { compareKeys, keyBehind, type Page, readPage } from "../../src/store/listing.ts";

/** Keys that share prefixes and delimiters, in ASCII and beyond. */
const keys = fc.uniqueArray(
  fc.string({
    unit: fc.constantFrom("a", "b", "/", "é", "\uffff", "\u{10ffff}"),
    minLength: 1,
    maxLength: 5,
  }),
);

/** The same, slowly: all entries at once. */
function entries(sorted: readonly string[], prefix: string, delimiter: string | undefined): string[] {
  const listed = sorted
    .filter((key) => key.startsWith(prefix))
    .map((key) => {
      const cut = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
      return cut < 0 ? key : key.slice(0, cut + 1);
    });
  return [...new Set(listed)];
}

describe("a page of a listing", () => {
  it("is the next piece of the whole, whatever the prefix, delimiter and size", () => {
    const prefixes = fc.constantFrom("", "a", "a/", "\uffff");
    const delimiters = fc.constantFrom(undefined, "/");
    fc.assert(
      fc.property(
        keys,
        prefixes,
        delimiters,
        fc.integer({ min: 1, max: 4 }),
        (unsorted, prefix, delimiter, limit) => {
          const sorted = unsorted.toSorted(compareKeys);
          const rowsFrom = ({ key }: { key: string }) =>
            sorted
              .filter((candidate) => compareKeys(candidate, key) >= 0)
              .map((candidate) => ({ key: candidate }));
          const listed: string[] = [];
          for (let from: string | undefined = ""; from !== undefined; ) {
            const page: Page<{ key: string }> = readPage(
              rowsFrom,
              { key: from },
              { prefix, delimiter, limit },
            );
            listed.push(...page.rows.map(({ key }) => key), ...page.commonPrefixes);
            from = page.next;
          }
          expect(listed.toSorted(compareKeys)).to.deep.equal(entries(sorted, prefix, delimiter));
        },
      ),
    );
  });

  it("of no entries is not cut", () => {
    const page = readPage(() => [{ key: "a" }], { key: "" }, { limit: 0 });
    expect(page).to.deep.include({ rows: [], next: undefined });
  });
});

describe("the key behind a prefix", () => {
  it("is greater than all keys with it, and no greater than any other that follows", () => {
    fc.assert(
      fc.property(keys, fc.string({ unit: "binary", minLength: 1, maxLength: 3 }), (all, prefix) => {
        const behind = keyBehind(prefix);
        for (const key of [...all, `${prefix}x`, `${prefix}\u{10ffff}`]) {
          const follows = compareKeys(key, prefix) > 0 && !key.startsWith(prefix);
          const isBehind = behind !== undefined && compareKeys(key, behind) >= 0;
          expect(isBehind).to.equal(follows && compareKeys(key, prefix) > 0);
        }
      }),
    );
  });
});
