import { expect } from "chai";
import { Omitted, unknownInputs } from "../../../src/machine/provision/provider.ts";

describe("the inputs of a resource that are not known", () => {
  it("are named with their path, once each, wherever they are in lists", () => {
    const inputs = {
      name: "a",
      topics: [
        { id: "1", events: ["e"] },
        { id: "2", filterSuffix: ".jpg" },
      ],
    };

    expect(unknownInputs(inputs, ["name", "topics.id"])).to.deep.equal([
      "topics.events",
      "topics.filterSuffix",
    ]);
  });

  it("are none of a map whose names are free, of what is undefined, or below one that is known as a whole", () => {
    const inputs = { tags: { a: "1", b: "2" }, none: undefined, rule: { deep: { er: 1 } } };

    expect(unknownInputs(inputs, ["tags.*", "rule.deep"])).to.deep.equal([]);
    expect(unknownInputs(inputs, ["rule"])).to.deep.equal(["tags.a", "tags.b"]);
  });

  it("are whole where they are no plain object: an archive is one value", () => {
    class Archive {
      readonly inside = 1;
    }
    expect(unknownInputs({ code: new Archive(), empty: {} }, [])).to.deep.equal(["code"]);
  });
});

describe("what is not run here", () => {
  it("is counted, a line each in alphabetical order", () => {
    const omitted = new Omitted();
    for (const what of ["b", "a", "b"]) omitted.add(what, "refused");

    expect(omitted.lines).to.deep.equal(["not run here: a (1)", "not run here: b (2)"]);
  });

  it("is refused in its own sentence where it must not be", () => {
    expect(() => new Omitted(true).add("a", "The sentence.")).to.throw("The sentence.");
  });
});
