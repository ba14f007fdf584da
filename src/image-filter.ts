/** Which of a fan-out's images its workers are told of: what S3 passes on to the topic, and the topic to a worker's queue. */

/** How keys must begin and end. What is left out, each does. */
interface KeyFilter {
  readonly prefix?: string | undefined;
  readonly suffix?: string | undefined;
}

/** What a subscription passes on: of each list one must be met. */
export interface SubscriptionFilter {
  readonly prefix?: readonly string[] | undefined;
  readonly suffix?: readonly string[] | undefined;
  readonly minimumBytes?: number | undefined;
  readonly maximumBytes?: number | undefined;
}

/** What a worker is told of: all that both the bucket's notification and its own subscription pass on. */
export interface ImageFilter extends KeyFilter {
  readonly only?: SubscriptionFilter | undefined;
}

/** As S3 writes a key in its events, where both filters look at it: `a b/ü.jpg` is `a+b/%C3%BC.jpg`. */
export function encodedKey(key: string): string {
  return encodeURIComponent(key).replaceAll("%20", "+").replaceAll("%2F", "/");
}

/** Whether a worker is told of an image; as on AWS, case matters, and a key is compared as events have it. */
export function passes(filter: ImageFilter | undefined, image: { key: string; size: number }): boolean {
  if (!filter) return true;
  const { prefix = "", suffix = "", only = {} } = filter;
  const key = encodedKey(image.key);
  const begins = (text: string) => key.startsWith(encodedKey(text));
  const ends = (text: string) => key.endsWith(encodedKey(text));
  return (
    begins(prefix) &&
    ends(suffix) &&
    (only.prefix?.some(begins) ?? true) &&
    (only.suffix?.some(ends) ?? true) &&
    image.size >= (only.minimumBytes ?? 0) &&
    image.size <= (only.maximumBytes ?? Number.POSITIVE_INFINITY)
  );
}

/** A key with some text in it that passes. @param extension ends it, where the filter asks for no end of its own */
export function keyThatPasses(filter: ImageFilter | undefined, text: string, extension: string): string {
  const { prefix = "", suffix = "", only = {} } = filter ?? {};
  // Where both ask for something, one is part of the other.
  const longer = (all: string, own = "") => (own.length > all.length ? own : all);
  return `${longer(prefix, only.prefix?.[0])}${text}${longer(suffix, only.suffix?.[0]) || extension}`;
}

/** Says what passes: `keys that begin with "in/" and end with ".jpg" or ".JPG", of 1,000 bytes or more`. */
export function inWords({ prefix, suffix, only = {} }: ImageFilter): string {
  const { minimumBytes: min, maximumBytes: max } = only;
  const oneOf = (texts: readonly string[]) => texts.map((text) => JSON.stringify(text)).join(" or ");
  const either = (verb: string, all: string | undefined, own: readonly string[] | undefined) =>
    [all === undefined ? [] : [all], own ?? []]
      .filter((texts) => texts.length > 0)
      .map((texts) => `${verb} with ${oneOf(texts)}`);
  const ways = [...either("begin", prefix, only.prefix), ...either("end", suffix, only.suffix)].join(" and ");
  const bytes = (count: number) => `${count.toLocaleString("en")} bytes`;
  const sizes =
    min !== undefined && max !== undefined
      ? `${min.toLocaleString("en")} to ${bytes(max)}`
      : min !== undefined
        ? `${bytes(min)} or more`
        : max !== undefined
          ? `up to ${bytes(max)}`
          : "";
  return [ways && `keys that ${ways}`, sizes && (ways ? `of ${sizes}` : `images of ${sizes}`)]
    .filter(Boolean)
    .join(", ");
}
