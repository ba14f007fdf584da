import { sum } from "../format.ts";

/** Demand of one party for something shared, and what it has of it already, if anything, and gives back only when done. */
export interface Share {
  readonly wants: number;
  readonly has?: number;
}

/**
 * Divides something fairly: who wants less than an equal part gets it all, and the others get equal parts of what is
 * then left. Who has more than that keeps it until it is done with, and the others have to wait for it.
 * @returns what each may have
 */
export function maxMinFairShare(amount: number, shares: readonly Share[]): number[] {
  const parts = equalParts(amount, shares);
  const holds = shares.map(({ has = 0 }, index) => has > (parts[index] ?? 0));
  if (!holds.includes(true) || !holds.includes(false)) return parts;
  const held = sum(
    shares.filter((_, index) => holds[index]),
    ({ has = 0 }) => has,
  );
  const others = shares.filter((_, index) => !holds[index]);
  const rest = maxMinFairShare(Math.max(0, amount - held), others);
  return parts.map((part, index) => (holds[index] ? part : (rest.shift() ?? 0)));
}

function equalParts(amount: number, shares: readonly Share[]): number[] {
  if (sum(shares, ({ wants }) => wants) <= amount) return shares.map(({ wants }) => wants);
  const parts: number[] = [];
  let left = amount;
  for (const [position, [index, { wants }]] of [...shares.entries()]
    .sort(([, a], [, b]) => a.wants - b.wants)
    .entries()) {
    const part = Math.min(wants, left / (shares.length - position));
    parts[index] = part;
    left -= part;
  }
  return parts;
}
