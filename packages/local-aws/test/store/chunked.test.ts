import { expect } from "chai";
import fc from "fast-check";
import { decodeChunked } from "../../src/rest/chunked.ts";

/** Cuts bytes at the given places, as a network would. */
async function* cut(bytes: Buffer, places: readonly number[]): AsyncIterable<Buffer> {
  let from = 0;
  for (const place of places.map((fraction) => fraction % (bytes.length + 1)).toSorted((a, b) => a - b)) {
    if (place > from) yield bytes.subarray(from, place);
    from = Math.max(from, place);
  }
  if (from < bytes.length) yield bytes.subarray(from);
}

describe("aws-chunked", () => {
  it("is decoded wherever the network cuts it", async () => {
    const chunk = fc.uint8Array({ minLength: 1, maxLength: 40 });
    const long = fc
      .uint8Array({ minLength: 1, maxLength: 40 })
      .map((bytes) => Buffer.alloc(8192 + bytes.length, bytes));
    await fc.assert(
      fc.asyncProperty(
        fc.array(long, { maxLength: 3 }),
        chunk,
        fc.array(fc.nat(), { maxLength: 8 }),
        async (whole, last, places) => {
          const chunks = [...whole, last];
          const encoded = Buffer.concat([
            ...chunks.flatMap((data) => [
              Buffer.from(`${data.length.toString(16)}\r\n`),
              data,
              Buffer.from("\r\n"),
            ]),
            Buffer.from("0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"),
          ]);
          const expected = Buffer.concat(chunks);
          const { data, trailers } = decodeChunked(cut(encoded, places), expected.length);
          const decoded: Uint8Array[] = [];
          for await (const piece of data) decoded.push(piece);
          expect(Buffer.concat(decoded).equals(expected)).to.equal(true);
          expect([...trailers]).to.deep.equal([["x-amz-checksum-crc32", "AAAAAA=="]]);
        },
      ),
    );
  });

  for (const [what, encoded] of [
    ["no size", "hello\r\n"],
    ["an end before the last chunk", "5\r\nhello\r\n"],
    ["an end within a chunk", "5\r\nhel"],
    ["a chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n"],
    ["a size without end", "1".repeat(100_000)],
  ] as const) {
    it(`is refused with ${what}`, async () => {
      const { data } = decodeChunked(cut(Buffer.from(encoded), []), 5);
      const decode = async () => {
        for await (const _ of data);
      };
      const error = await decode().catch((thrown: Error) => thrown);
      expect(error).to.include({ code: "IncompleteBody", status: 400 });
    });
  }
});
