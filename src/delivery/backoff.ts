/** Maximum time before a failed message is tried again, in seconds. */
const MAX_SECONDS = 900;

/**
 * Seconds until the next try: 30 after the first failure, then twice as many each time, of which chance takes up
 * to half, so that what failed together does not come back together.
 */
export function backoff(receives: number, random: number): number {
  const max = Math.min(MAX_SECONDS, 15 * 2 ** Math.max(1, receives));
  return Math.round(max * (1 - 0.5 * random));
}
