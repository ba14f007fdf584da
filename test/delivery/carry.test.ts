import { expect } from "chai";
import { along, CARRIED, type Carried } from "../../src/delivery/carry.ts";

const OWN = { "source-version": "v1", "source-etag": "0123" };
const READ = {
  CacheControl: "max-age=60",
  ContentDisposition: 'attachment; filename="cat.jpg"',
  Metadata: { title: "Cat" },
};
const TAGS = [{ Key: "kind", Value: "holiday photo & more" }];

const all = (read: Partial<typeof READ> = READ, tags = TAGS) => along(read, tags, CARRIED, OWN);

describe("what goes along from a source to its result", () => {
  it("is all that was asked for", () => {
    expect(all()).to.deep.equal({
      put: { ...READ, Tagging: "kind=holiday%20photo%20%26%20more" },
      left: [],
    });
  });

  for (const [only, put] of [
    ["cache-control", { CacheControl: READ.CacheControl, Metadata: {} }],
    ["content-disposition", { ContentDisposition: READ.ContentDisposition, Metadata: {} }],
    ["metadata", { Metadata: READ.Metadata }],
  ] as [Carried, object][]) {
    it(`is ${only} alone where nothing else was`, () => {
      expect(along(READ, [], [only], OWN)).to.deep.equal({ put, left: [] });
    });
  }

  it("is nothing where nothing was", () => {
    expect(along(READ, [], [], OWN)).to.deep.equal({ put: { Metadata: {} }, left: [] });
  });

  it("is nothing of a source that has nothing", () => {
    expect(along({}, [], CARRIED, OWN)).to.deep.equal({ put: { Metadata: {} }, left: [] });
  });

  it("is metadata of any name, also one that every object of JavaScript has", () => {
    const Metadata = { constructor: "a builder" } as unknown as typeof READ.Metadata;
    expect(all({ Metadata }, [])).to.deep.equal({ put: { Metadata }, left: [] });
  });

  it("takes the place of no metadata of the result's own", () => {
    const Metadata = { "source-version": "mine", "source-etag": "mine", title: "Cat" };

    expect(all({ Metadata })).to.deep.equal({
      put: { Metadata: { title: "Cat" }, Tagging: all().put.Tagging },
      left: [],
    });
  });

  it("is metadata in alphabetical order, as far as there is room beside the result's own, and says which is not", () => {
    const room = 2048 - Object.entries(OWN).flat().join("").length;
    const carried = (length: number) =>
      along({ Metadata: { c: "3", b: "x".repeat(length), a: "1" } }, [], ["metadata"], OWN);

    // Two bytes for `a`, and one for the name `b`.
    expect(Object.keys(carried(room - 3).put.Metadata ?? {})).to.deep.equal(["a", "b"]);
    expect(carried(room - 3).left).to.deep.equal(["metadata c, for which there is no room"]);
    expect(Object.keys(carried(room - 2).put.Metadata ?? {})).to.deep.equal(["a", "c"]);
    expect(carried(room - 2).left).to.deep.equal(["metadata b, for which there is no room"]);
  });

  it("leaves out headers beyond ASCII, with which no signature is right, and says so", () => {
    const { put, left } = along({ ContentDisposition: 'filename="Ã¤.jpg"' }, [], CARRIED, OWN);

    expect(put).to.deep.equal({ Metadata: {} });
    expect(left).to.deep.equal(["content-disposition, which is not in ASCII"]);
  });

  it("has no tags of AWS's own, which nobody may give", () => {
    expect(along({}, [{ Key: "aws:owner", Value: "x" }], CARRIED, OWN).put).to.deep.equal({ Metadata: {} });
  });
});
