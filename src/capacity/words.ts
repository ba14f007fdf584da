/** How numbers are said. */

/** 1,234,567 */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Seconds as a moment of a run: 5:03, or 1:02:03 from an hour on. */
export function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${count(hours)}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
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
