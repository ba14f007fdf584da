import path from "node:path";
import { firstLine, lines, placeIn } from "../machine/failures.ts";

/** The folder with Pulumi.yaml and the program: npm runs commands there, and so does who has the machine as a package. */
export const PROJECT = process.cwd();

/** Folder in which the person is: npm runs commands in the project's. */
const HERE = process.env.INIT_CWD ?? process.cwd();

/** A path that a person gave, as it is meant from where they are. */
export function fromHere(file: string): string {
  return path.resolve(HERE, file);
}

/** A path for a person to read: from where they are, if it is below. */
export function near(file: string): string {
  const relative = path.relative(HERE, file);
  return relative.startsWith("..") ? file : relative;
}

/** A number with its noun or verb. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The size of a file: "512 B", "12 kB", "3.4 MB". */
export function sizeOf(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 999_500 ? `${(bytes / 1000).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A line of a function's log: of one that is JSON, as delivery writes it, what became of which image and why. */
export function logLine(line: string): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) ?? {};
  } catch {
    return line;
  }
  const { level, message, key, code, reason, error, function_name: name } = record;
  if (typeof level !== "string" || typeof message !== "string") return line;
  const thrown = error as { name: string; message: string; stack?: unknown } | undefined;
  const why = thrown ? firstLine(`${thrown.name}: ${thrown.message}`) : reason;
  const stack = lines(thrown?.stack);
  const root = stack.some((each) => each.includes("/var/task/")) ? "/var/task" : `${name}`;
  const place = thrown ? placeIn(stack, root) : code;
  return [
    `${line.slice(0, line.indexOf("{"))}${level.padEnd(5)} ${message}`,
    ...(key ? [` ${key}`] : []),
    ...(why ? [`: ${why}`] : []),
    ...(place ? [` (${place})`] : []),
  ].join("");
}

/** Says something, unless it has done so in the last so many milliseconds. */
export function nowAndThen(every: number, say: (what: string) => void): (what: string) => void {
  let last = performance.now();
  return (what) => {
    if (performance.now() - last < every) return;
    last = performance.now();
    say(what);
  };
}

/** Seconds that the largest photo may take on this computer, where time runs faster. */
export const LARGE_IMAGE_SECONDS = 10;
