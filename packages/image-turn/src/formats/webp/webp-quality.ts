/** Quality of a lossy WebP, from the quantiser that its VP8 header names (RFC 6386, 9.3 to 9.6 and 19.2). */

/**
 * The quality, 0 to 100 on libwebp's scale, that a VP8 key frame was encoded with: libwebp's own formula read
 * backwards. It gives busy parts of an image, its segments, quantisers of their own, around the one that the
 * quality stands for; their mean, weighed by how often they occur, leads back to it.
 *
 * @throws {RangeError} where the frame ends within its header.
 */
export function vp8Quality(frame: Buffer): number {
  const bits = new BooleanDecoder(frame, 10);
  bits.literal(2);
  const segments = bits.literal(1) ? readSegments(bits) : undefined;
  bits.literal(10);
  if (bits.literal(1) && bits.literal(1)) {
    for (let delta = 0; delta < 8; delta += 1) {
      bits.optional(6);
    }
  }
  bits.literal(2);
  const base = bits.literal(7);
  const { quantisers, shares, absolute } = segments ?? { quantisers: [0], shares: [1], absolute: false };
  const logarithms = quantisers.map((quantiser, segment) => {
    const used = Math.min(126, Math.max(0, absolute ? quantiser : base + quantiser));
    return (shares[segment] ?? 0) * Math.log(1 - used / 127);
  });
  const linear = Math.exp(3 * logarithms.reduce((sum, share) => sum + share, 0));
  return 100 * (linear < 0.5 ? linear * 1.5 : (linear + 1) / 2);
}

/** The segments' quantisers, and how much of the image each has, from the probabilities of the map's tree. */
function readSegments(bits: BooleanDecoder) {
  const [map, features] = [bits.literal(1), bits.literal(1)];
  const absolute = features === 1 && bits.literal(1) === 1;
  const quantisers = [0, 1, 2, 3].map(() => (features ? bits.optional(7) : 0));
  for (let segment = 0; features && segment < 4; segment += 1) {
    bits.optional(6);
  }
  const probability = () => (map && bits.literal(1) ? bits.literal(8) / 255 : 1);
  const [first, left, right] = [probability(), probability(), probability()];
  const shares = [first * left, first * (1 - left), (1 - first) * right, (1 - first) * (1 - right)];
  return { quantisers, shares, absolute };
}

/** VP8's arithmetic decoder, for headers: every bit is as likely as not (RFC 6386, 7.3). */
class BooleanDecoder {
  readonly #data: Buffer;
  #at: number;
  #value: number;
  #range = 255;
  #shifted = 0;

  constructor(data: Buffer, at: number) {
    this.#data = data;
    this.#value = data.readUInt16BE(at);
    this.#at = at + 2;
  }

  literal(bits: number): number {
    let value = 0;
    for (let bit = 0; bit < bits; bit += 1) {
      value = value * 2 + this.#bit();
    }
    return value;
  }

  /** A signed number that may be absent, which means 0. */
  optional(bits: number): number {
    if (!this.literal(1)) {
      return 0;
    }
    const value = this.literal(bits);
    return this.literal(1) ? -value : value;
  }

  #bit(): number {
    const split = 1 + (((this.#range - 1) * 128) >> 8);
    const one = this.#value >= split << 8;
    if (one) {
      this.#value -= split << 8;
      this.#range -= split;
    } else {
      this.#range = split;
    }
    while (this.#range < 128) {
      this.#value <<= 1;
      this.#range <<= 1;
      this.#shifted += 1;
      if (this.#shifted === 8) {
        this.#shifted = 0;
        this.#value |= this.#data.readUInt8(this.#at);
        this.#at += 1;
      }
    }
    return one ? 1 : 0;
  }
}
