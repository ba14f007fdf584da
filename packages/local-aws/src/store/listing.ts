/** The page of a listing that is asked for. */
export interface PageRequest {
  readonly prefix?: string | undefined;
  /** Keys that share what stands before it, behind the prefix, are one entry. */
  readonly delimiter?: string | undefined;
  /** Maximum number of entries, keys and common prefixes together. */
  readonly limit: number;
}

/** Where a listing begins: at a key, or behind one of its versions. */
export interface Position {
  readonly key: string;
  readonly before?: number | undefined;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly commonPrefixes: readonly string[];
  /** The last entry, if the page was cut. */
  readonly last: Row | { readonly commonPrefix: string } | undefined;
  /** The first key that the page was cut before. */
  readonly next: string | undefined;
}

/**
 * Reads a page of a sorted listing, row by row and no further than needed. A common prefix is skipped as a whole,
 * so that a folder with a million keys costs one step.
 */
export function readPage<Row extends { readonly key: string }>(
  rowsFrom: (position: Position) => Iterable<Row>,
  start: Position,
  { prefix = "", delimiter, limit }: PageRequest,
): Page<Row> {
  const rows: Row[] = [];
  const commonPrefixes: string[] = [];
  let last: Page<Row>["last"];
  let position: Position | undefined = compareKeys(start.key, prefix) < 0 ? { key: prefix } : start;
  while (position) {
    const from: Position = position;
    position = undefined;
    for (const row of rowsFrom(from)) {
      if (!row.key.startsWith(prefix)) break;
      if (rows.length + commonPrefixes.length >= limit) {
        return {
          rows,
          commonPrefixes,
          last: limit > 0 ? last : undefined,
          next: limit > 0 ? row.key : undefined,
        };
      }
      const commonPrefix = commonPrefixOf(row.key, { prefix, delimiter });
      if (commonPrefix === undefined) {
        rows.push(row);
        last = row;
        continue;
      }
      commonPrefixes.push(commonPrefix);
      last = { commonPrefix };
      const behind = keyBehind(commonPrefix);
      position = behind === undefined ? undefined : { key: behind };
      break;
    }
  }
  return { rows, commonPrefixes, last: undefined, next: undefined };
}

/** Returns the common prefix of a key up to the delimiter, if the key has one behind the prefix. */
export function commonPrefixOf(
  key: string,
  { prefix = "", delimiter = "" }: Omit<PageRequest, "limit">,
): string | undefined {
  const cut = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
  return cut < 0 ? undefined : key.slice(0, cut + delimiter.length);
}

/** The first key in order behind every key with this prefix; undefined if there is none. */
export function keyBehind(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) as number);
  while (points.length > 0) {
    const point = points.pop() as number;
    if (point === 0x10ffff) continue;
    const following = point === 0xd7ff ? 0xe000 : point + 1; // there are no characters between the two
    return String.fromCodePoint(...points, following);
  }
  return undefined;
}

/** S3 orders keys by their UTF-8 bytes, JavaScript by UTF-16 units. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
