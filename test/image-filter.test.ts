import { expect } from "chai";
import fc from "fast-check";
import { readFilter } from "../packages/local-aws/src/messaging/filter-policy.ts";
import { eventMessage, matching, newOrigin } from "../packages/local-aws/src/store/events.ts";
import { type ImageFilter, inWords, keyThatPasses, passes } from "../src/image-filter.ts";
import { notificationFilter, subscriptionFilter } from "../src/topology/filters.ts";

/** Whether S3 and SNS pass an image on, by what is declared. */
function isTold({ prefix, suffix, only }: ImageFilter, key: string, size: number): boolean {
  const topic = { id: "created", topicArn: "topic", events: ["s3:ObjectCreated:*"] };
  const configuration = { topics: [{ ...topic, ...notificationFilter({ prefix, suffix }) }] };
  if (matching(configuration, "ObjectCreated:Put", key).length === 0) return false;
  const { filterPolicy = "", filterPolicyScope } = subscriptionFilter(only) as Record<string, string>;
  const event = { name: "ObjectCreated:Put", time: new Date(0), bucket: "source", sequence: 1, key, size };
  const message = eventMessage(event, "created", newOrigin("somebody"), "eu-west-1", "123456789012");
  return readFilter(filterPolicy, filterPolicyScope)(JSON.parse(message));
}

/** Short, so that they often agree; with what is written in another way in events. */
const text = fc.string({
  unit: fc.constantFrom("a", "A", "9", " ", "+", "%", "/", "ü", "🐈", "="),
  maxLength: 4,
});
const part = text.filter((given) => given !== "");
const texts = fc.array(part, { minLength: 1, maxLength: 3 });
const bytes = fc.option(fc.nat(20), { nil: undefined });
const filters: fc.Arbitrary<ImageFilter> = fc.record({
  prefix: fc.option(part, { nil: undefined }),
  suffix: fc.option(part, { nil: undefined }),
  only: fc.option(
    fc.oneof(
      fc.record({ prefix: texts, minimumBytes: bytes, maximumBytes: bytes }),
      fc.record({ suffix: texts, minimumBytes: bytes, maximumBytes: bytes }),
      fc.record({ minimumBytes: fc.nat(20) }),
    ),
    { nil: undefined },
  ),
});

describe("a filter of images", () => {
  it("lets pass what S3 and SNS pass on, whatever is in the key", () => {
    fc.assert(
      fc.property(filters, text, fc.nat(25), (filter, key, size) => {
        expect(passes(filter, { key, size })).to.equal(isTold(filter, key, size));
      }),
      { numRuns: 2000 },
    );
  });

  it("takes the last digits of what is percent-encoded for the end of a key, as AWS does", () => {
    const filter = { only: { suffix: ["9x.jpg"] } };

    expect([passes(filter, { key: "éx.jpg", size: 1 }), isTold(filter, "éx.jpg", 1)]).to.deep.equal([
      true,
      true,
    ]);
  });

  for (const [filter, key, words] of [
    [{ prefix: "in/" }, "in/k.jpg", 'keys that begin with "in/"'],
    [
      { prefix: "in/", only: { suffix: [".png", ".PNG"], minimumBytes: 1000 } },
      "in/k.png",
      'keys that begin with "in/" and end with ".png" or ".PNG", of 1,000 bytes or more',
    ],
    [
      { prefix: "in/", suffix: "g", only: { prefix: ["in/a/"], maximumBytes: 9 } },
      "in/a/kg",
      'keys that begin with "in/" and begin with "in/a/" and end with "g", of up to 9 bytes',
    ],
    [{ only: { minimumBytes: 1, maximumBytes: 2000 } }, "k.jpg", "images of 1 to 2,000 bytes"],
  ] as const) {
    it(`is said in words, and a key is found for it: ${words}`, () => {
      expect(inWords(filter)).to.equal(words);
      expect(keyThatPasses(filter, "k", ".jpg")).to.equal(key);
    });
  }
});
