import { expect } from "chai";
import { readFilter } from "../../src/messaging/filter-policy.ts";

const passes = (policy: object, body: unknown) => readFilter(JSON.stringify(policy), "MessageBody")(body);

/** AWS's own example, shortened: https://aws.amazon.com/blogs/compute/introducing-payload-based-message-filtering-for-amazon-sns/ */
const EVENT = {
  Records: [{ eventName: "ObjectCreated:Put", s3: { object: { key: "auto-1.csv", size: 70 } } }],
};

describe("a filter policy about the body", () => {
  // What the documentation has as an example is said so; the others follow from its words.
  const cases: [string, object, unknown, boolean][] = [
    ["one of several texts", { a: ["rugby", "tennis"] }, { a: "tennis" }, true],
    ["another text", { a: ["rugby", "tennis"] }, { a: "baseball" }, false],
    ["a text in another case", { a: ["Rugby"] }, { a: "rugby" }, false],
    ["a text in any case", { a: [{ "equals-ignore-case": "TENNIS" }] }, { a: "tennis" }, true],
    ["all of two names", { a: ["x"], b: ["y"] }, { a: "x", b: "y" }, true],
    ["one of two names", { a: ["x"], b: ["y"] }, { a: "x" }, false],
    ["a prefix", { a: [{ prefix: "bas" }] }, { a: "baseball" }, true],
    ["a suffix", { a: [{ suffix: "ball" }] }, { a: "baseball" }, true],
    ["a prefix of what is no text", { a: [{ prefix: "1" }] }, { a: 12 }, false],
    ["anything but two", { a: [{ "anything-but": ["rugby", "tennis"] }] }, { a: "baseball" }, true],
    ["one of what is excluded", { a: [{ "anything-but": ["rugby", "tennis"] }] }, { a: "rugby" }, false],
    [
      "a list with one more than what is excluded",
      { a: [{ "anything-but": ["rugby"] }] },
      { a: ["rugby", "golf"] },
      true,
    ],
    ["anything but a prefix", { a: [{ "anything-but": { prefix: "order-" } }] }, { a: "data-entry" }, true],
    [
      "what has an excluded prefix",
      { a: [{ "anything-but": { prefix: "order-" } }] },
      { a: "order-cancelled" },
      false,
    ],
    ["anything but a number", { a: [{ "anything-but": [100, 500] }] }, { a: 101 }, true],
    ["a number", { a: [{ numeric: ["=", 301.5] }] }, { a: 3.015e2 }, true],
    ["a number in a range", { a: [{ numeric: [">", 0, "<=", 150] }] }, { a: 150 }, true],
    ["a number below a range", { a: [{ numeric: [">", 0, "<=", 150] }] }, { a: 0 }, false],
    ["a number that is a text", { a: [{ numeric: [">", 0] }] }, { a: "1" }, false],
    ["what is there", { a: [{ exists: true }] }, { a: "x" }, true],
    ["what is there and empty", { a: [{ exists: true }] }, { a: "" }, false],
    ["what is not there", { a: [{ exists: false }] }, { b: "x" }, true],
    ["what should not be there", { a: [{ exists: false }] }, { a: "x" }, false],
    ["null", { a: [null] }, { a: null }, true],
    ["true", { a: [true] }, { a: true }, true],
    ["an address in a network", { a: [{ cidr: "10.0.0.0/24" }] }, { a: "10.0.0.255" }, true],
    ["an address in another", { a: [{ cidr: "10.0.0.0/24" }] }, { a: "10.1.1.0" }, false],
    ["one of two ways", { $or: [{ a: ["x"] }, { b: [{ numeric: [">", 1] }] }] }, { b: 2 }, true],
    ["neither of two ways", { $or: [{ a: ["x"] }, { b: ["y"] }], c: ["z"] }, { c: "z" }, false],
    ["what is called $or", { $or: ["x"] }, { $or: "x" }, true],
    [
      "a prefix in S3's records",
      {
        Records: {
          s3: { object: { key: [{ prefix: "auto-" }] } },
          eventName: [{ prefix: "ObjectCreated:" }],
        },
      },
      EVENT,
      true,
    ],
    [
      "another prefix in S3's records",
      { Records: { s3: { object: { key: [{ prefix: "home-" }] } } } },
      EVENT,
      false,
    ],
    ["one of several records", { Records: { key: ["b"] } }, { Records: [{ key: "a" }, { key: "b" }] }, true],
    ["S3's test event", { Records: { key: [{ prefix: "a" }] } }, { Event: "s3:TestEvent" }, false],
    ["no JSON", { a: [{ exists: false }] }, undefined, false],
    ["a list", { a: [{ exists: false }] }, [], false],
    ["everything, where it says nothing", {}, undefined, true],
  ];
  for (const [what, policy, body, expected] of cases) {
    it(`${expected ? "takes" : "leaves out"} ${what}`, () => {
      expect(passes(policy, body)).to.equal(expected);
    });
  }

  const many = (count: number) => Array.from({ length: count }, (_, index) => `${index}`);
  const refused: [string, unknown, RegExp][] = [
    ["no JSON", "{", /^Invalid parameter: FilterPolicy: failed to parse JSON$/],
    ["a list", [], /failed to parse JSON/],
    ["a bare text", { a: "b" }, /"a" must be an object or an array/],
    ["an empty list", { a: [] }, /Empty arrays are not allowed/],
    ["a list in a list", { a: [["b"]] }, /must be String, number, true, false, or null/],
    ["an unknown operator", { a: [{ begins: "b" }] }, /Unrecognized match type begins/],
    [
      "an operator that is not known here",
      { a: [{ wildcard: "a*" }] },
      /wildcard is not known on this computer/,
    ],
    ["two operators at once", { a: [{ prefix: "b", suffix: "c" }] }, /Only one key allowed/],
    ["anything but a suffix", { a: [{ "anything-but": { suffix: "b" } }] }, /Unsupported anything-but/],
    ["a range upside down", { a: [{ numeric: ["<", 1, ">", 0] }] }, /Value of numeric/],
    ["half a comparison", { a: [{ numeric: [">"] }] }, /Value of numeric/],
    [
      "a number that SNS cannot compare",
      { a: [{ numeric: [">", 1e9 + 1] }] },
      /Value of numeric must be a number/,
    ],
    ["a network that is none", { a: [{ cidr: "10.0.0.0" }] }, /cidr/],
    ["six names", Object.fromEntries(many(6).map((name) => [name, ["x"]])), /more than 5 keys/],
    ["too many combinations", { a: many(151) }, /too complex/],
    ["too many for how deep they are", { a: { b: { c: { d: many(38) } } } }, /too complex/],
    ["what is too long", { a: ["x".repeat(256 * 1024)] }, /too long/],
  ];
  for (const [what, policy, sentence] of refused) {
    it(`is refused where it is ${what}`, () => {
      const json = typeof policy === "string" ? policy : JSON.stringify(policy);
      expect(() => readFilter(json, "MessageBody")).to.throw(sentence);
    });
  }

  it("may not be nested where it is about attributes", () => {
    expect(() => readFilter('{"a":{"b":["c"]}}')).to.throw(/does not support nested/);
    expect(() => readFilter('{"a":["c"]}')).to.not.throw();
  });
});
