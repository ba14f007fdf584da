import { expect } from "chai";
import { picture, quarters } from "./corpus/raster.ts";
import { pictures } from "./decoders.ts";
import { judge, type Picture, toleranceOf } from "./judge.ts";

const source = picture(12, 7, 4) as Picture;

const turnedBy = (count: number, change?: (data: Uint8Array) => void): Picture => {
  const { width, height, data } = quarters(picture(12, 7, 4), count);
  const copy = Uint8Array.from(data);
  change?.(copy);
  return { width, height, data: copy };
};

describe("the judgement of a turned image", () => {
  const stored = toleranceOf("stored");

  it("is `same` for the source's samples at their places, both ways", () => {
    expect(judge([source], [turnedBy(1)], 90, stored)).to.deep.equal({
      verdict: "same",
      mean: 0,
      largest: 0,
    });
    expect(judge([source], [turnedBy(-1)], -90, stored).verdict).to.equal("same");
  });

  it("is `different` for an image that is turned the other way, mirrored or not turned", () => {
    const square = picture(9, 9, 4) as Picture;
    const { data } = quarters(picture(9, 9, 4), 1);
    for (const wrong of [quarters(picture(9, 9, 4), -1), quarters(picture(9, 9, 4), 2), square]) {
      expect(judge([square], [wrong as Picture], 90, toleranceOf("encoded")).verdict).to.equal("different");
    }
    expect(judge([square], [{ ...square, data: data as Uint8Array }], 90, stored).verdict).to.equal("same");
    expect(judge([source], [source], 90, stored).why).to.include("12 × 7");
  });

  it("is `within` up to the tolerance, and `different` above it", () => {
    const off = (by: number) =>
      turnedBy(1, (data) => {
        data[40] = (data[40] as number) + ((data[40] as number) > 127 ? -by : by);
      });
    expect(judge([source], [off(1)], 90, stored)).to.include({ verdict: "different", largest: 1 });
    expect(judge([source], [off(5)], 90, { mean: 1, largest: 5 })).to.include({
      verdict: "within",
      largest: 5,
    });
    expect(judge([source], [off(6)], 90, { mean: 1, largest: 5 }).verdict).to.equal("different");
    expect(judge([source], [off(5)], 90, { mean: 0.001, largest: 5 }).verdict).to.equal("different");
  });

  it("is `different` where a picture is missing, and looks at each", () => {
    expect(judge([source, source], [turnedBy(1)], 90, stored).why).to.equal("1 pictures instead of 2");
    expect(judge([source, source], [turnedBy(1), turnedBy(3)], 90, stored).verdict).to.equal("different");
  });

  it("does not look at colours that nobody sees", () => {
    const clear = (red: number): Picture => ({ width: 1, height: 1, data: Uint8Array.of(red, 0, 0, 0) });
    expect(judge([clear(0)], [clear(255)], 90, stored).verdict).to.equal("same");
  });

  it("reads what decoders write: pictures in PAM, one behind the other", () => {
    const head = "P7\nWIDTH 1\nHEIGHT 2\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n";
    const one = Buffer.concat([Buffer.from(head), Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])]);
    const found = pictures(Buffer.concat([one, one]));
    expect(found.map(({ width, height, data }) => [width, height, ...data])).to.deep.equal([
      [1, 2, 1, 2, 3, 4, 5, 6, 7, 8],
      [1, 2, 1, 2, 3, 4, 5, 6, 7, 8],
    ]);
    expect(() => pictures(Buffer.from("P6\n1 1\n255\n"))).to.throw("something else");
  });
});
