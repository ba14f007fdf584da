/** 1,234,567 */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/**
 * Seconds as far as a model can know them: "35 s", "5.7 min", "27 min", "54 h", rounded up.
 */
export function about(seconds: number): string {
  if (seconds <= 90) return `${seconds > 10 ? 5 * Math.ceil(seconds / 5) : Math.ceil(seconds)} s`;
  if (seconds <= 600) return `${Math.ceil(seconds / 6) / 10} min`;
  if (seconds <= 6000) return `${Math.ceil(seconds / 60)} min`;
  return seconds <= 36_000 ? `${Math.ceil(seconds / 360) / 10} h` : `${count(Math.ceil(seconds / 3600))} h`;
}

/** $12.34, and $1,234 from a thousand on. */
export function dollars(value: number): string {
  return value < 1000 ? `$${value.toFixed(2)}` : `$${count(value)}`;
}

/** Short, for an axis: 1,500 and 2.5 million. */
export function short(value: number): string {
  return value >= 1e6 ? `${+(value / 1e6).toFixed(2)} million` : count(value);
}

/** one, two and three */
export function list(items: readonly string[]): string {
  return new Intl.ListFormat("en-GB").format(items);
}

export function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
