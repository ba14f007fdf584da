interface SourceMap {
  readonly sources: readonly string[];
  readonly mappings: string;
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const COMMA = 44;
const SEMICOLON = 59;
const VALUES = new Uint8Array(128);
[...DIGITS].forEach((digit, value) => {
  VALUES[digit.charCodeAt(0)] = value;
});

/**
 * Reduces a source map to the files that are not of node_modules. A bundle is libraries for its larger part, and a map of all
 * of it would be larger than the bundle; and where npm put them is no part of what was written.
 * @param json a source map as esbuild writes it: https://tc39.es/ecma426/
 */
export function ownSourceMap(json: string): string {
  const { sources, mappings } = JSON.parse(json) as SourceMap;
  const own = sources.filter((source) => !isLibrary(source));
  const indexes = sources.map((source) => own.indexOf(source));
  return `${JSON.stringify({ version: 3, sources: own, names: [], mappings: reduced(mappings, indexes) })}\n`;
}

function isLibrary(source: string): boolean {
  return source.split("/").includes("node_modules");
}

/**
 * Keeps of each run of segments without an own source only the first, as a position that comes from nowhere: it ends the
 * segment before it, on an earlier line perhaps, which readers take to go on.
 * @param indexes the new index of each source, -1 for those that are left out
 */
function reduced(mappings: string, indexes: readonly number[]): string {
  // Column, source, line and column in it; all but the first go on from line to line.
  const read = new Int32Array(5);
  const written = new Int32Array(4);
  let reduced = "";
  let separator = "";
  let nowhere = true;
  let field = 0;
  let value = 0;
  let shift = 0;
  const endSegment = () => {
    if (field === 0) return;
    const index = field < 4 ? -1 : (indexes[read[1] as number] as number);
    field = 0;
    if (index < 0 && nowhere) return;
    nowhere = index < 0;
    reduced += separator;
    separator = ",";
    const next = nowhere ? [read[0]] : [read[0], index, read[2], read[3]];
    for (const [at, number] of (next as number[]).entries()) {
      reduced += encoded(number - (written[at] as number));
      written[at] = number;
    }
  };
  for (let at = 0; at < mappings.length; at++) {
    const character = mappings.charCodeAt(at);
    if (character === COMMA) endSegment();
    else if (character === SEMICOLON) {
      endSegment();
      reduced += ";";
      separator = "";
      read[0] = 0;
      written[0] = 0;
    } else {
      // Base 64, five bits a digit, the lowest first; the lowest bit of all is the sign.
      const digit = VALUES[character] as number;
      value |= (digit & 31) << shift;
      shift += 5;
      if (digit & 32) continue;
      read[field] = (read[field] as number) + (value & 1 ? -(value >> 1) : value >> 1);
      field++;
      value = 0;
      shift = 0;
    }
  }
  endSegment();
  return reduced;
}

function encoded(number: number): string {
  let rest = number < 0 ? (-number << 1) | 1 : number << 1;
  let text = "";
  do {
    text += DIGITS[(rest & 31) | (rest > 31 ? 32 : 0)];
    rest >>= 5;
  } while (rest > 0);
  return text;
}
