/** What somebody wants of something that is shared, and has of it already. */
export interface Share {
  readonly wants: number;
  /** Given back only when it is done with. */
  readonly has: number;
}

/**
 * Divides something fairly: who wants less than an equal part gets it all, and the others get equal parts of what is
 * then left. Who has more than that keeps it until it is done with, and the others have to wait for it.
 * @returns what each may have
 */
export function divide(amount: number, shares: readonly Share[]): number[] {
  const parts = shares.map(() => 0);
  let open = shares.map((_, index) => index);
  let left = amount;
  for (;;) {
    const fair = equalParts(left, open, shares);
    const over = open.filter((index) => (shares[index]?.has ?? 0) > (fair.get(index) ?? 0));
    for (const index of open) parts[index] = fair.get(index) ?? 0;
    if (over.length === 0 || over.length === open.length) return parts;
    // They get no more than their part; what they have above it is not there for the others.
    for (const index of over) left -= shares[index]?.has ?? 0;
    open = open.filter((index) => !over.includes(index));
    left = Math.max(0, left);
  }
}

function equalParts(amount: number, open: readonly number[], shares: readonly Share[]): Map<number, number> {
  const wants = (index: number) => shares[index]?.wants ?? 0;
  const parts = new Map<number, number>();
  let left = amount;
  for (const [position, index] of [...open].sort((a, b) => wants(a) - wants(b)).entries()) {
    const part = Math.min(wants(index), left / (open.length - position));
    parts.set(index, part);
    left -= part;
  }
  return parts;
}
