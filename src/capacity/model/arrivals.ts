import { sum } from "../format.ts";
import { rng } from "./rng.ts";

/** Shapes of the arrivals: as many in every second, more and more of them, or all at the beginning. */
export const PROFILES = ["constant", "ramp", "burst"] as const;

type Profile = (typeof PROFILES)[number];

/** Seconds in which a burst arrives. */
const BURST_SECONDS = 10;

/**
 * Images that arrive in each second. Chance spreads them as it does customers; their sum is exactly what was asked for.
 * @param seconds whole, 1 or more
 */
export function arrivals(profile: Profile, images: number, seconds: number, seed: number): number[] {
  const weights = Array.from({ length: seconds }, (_, second) => {
    if (profile === "ramp") return second + 0.5;
    return profile === "constant" || second < BURST_SECONDS ? 1 : 0;
  });
  const { binomial } = rng(seed);
  let left = images;
  let weightLeft = sum(weights, (weight) => weight);
  return weights.map((weight) => {
    const here = weightLeft > 0 ? binomial(left, Math.min(1, weight / weightLeft)) : 0;
    left -= here;
    weightLeft -= weight;
    return here;
  });
}

/**
 * Reads a profile of one's own: lines of `second,images`, seconds from 0 and in any order, a heading allowed.
 * @throws Error naming the line that is not of that form
 */
export function arrivalsFromCsv(text: string): number[] {
  const found: number[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || (index === 0 && /^[^\d]/.test(line))) continue;
    const match = /^\s*(\d{1,7})\s*[,;]\s*(\d{1,12})\s*$/.exec(line);
    if (!match) {
      throw new Error(`line ${index + 1} is "${line}", but must be two whole numbers: second,images`);
    }
    const second = Number(match[1]);
    found[second] = (found[second] ?? 0) + Number(match[2]);
  }
  return Array.from(found, (images) => images ?? 0);
}
