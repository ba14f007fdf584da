import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { ResourceError, RunError } from "@pulumi/pulumi/errors.js";

/** A mistake in the program or its configuration. The message is all that its author needs. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
}

/**
 * What a program threw, as its author needs it: the message after the place in the project's own files, and nothing
 * of the stack.
 * @param file the program
 */
export function programError(error: unknown, file: string): Error {
  if (error instanceof ProgramError) return error;
  const root = path.dirname(file);
  const program = path.basename(file);
  const calledIn = (places: string[]) => places.find((place) => place.startsWith(`${program}:`));
  // Pulumi's own way to say that the message is enough. One that begins with a file is about that, and no place in the program.
  if (RunError.isInstance(error) || ResourceError.isInstance(error)) {
    const { message, stack, trace = stack ?? "" } = error as Error & { trace?: string };
    const called = /^\S+\.\w+(:\d+)*: /.test(message) ? undefined : calledIn(placesIn(trace, root));
    return new ProgramError([called, message].filter(Boolean).join(": "), { cause: error });
  }
  if (!(error instanceof Error)) {
    return new ProgramError(`${path.basename(file)} threw ${inspect(error)}, which is not an Error.`);
  }
  const unresolved = /^Cannot find (module|package) '(.+?)' imported from (.+?)(?:\?.*)?$/.exec(
    error.message,
  );
  if (unresolved) {
    const [, what = "", name = "", importer = ""] = unresolved;
    return new ProgramError(importMessage(root, what, name, importer), { cause: error });
  }
  const places = placesIn(error.stack ?? "", root);
  const called = calledIn(places);
  const thrown = places[0];
  // Thrown by what runs the program, not by the program: Node's loader has codes for what is wrong with a file.
  if (!thrown && !(error as NodeJS.ErrnoException).code?.startsWith("ERR_")) return error;
  const message = error.name === "Error" ? error.message : `${error.name}: ${error.message}`;
  const inside = called && thrown !== called ? ` (thrown at ${thrown})` : "";
  return new ProgramError(`${called ?? thrown ?? program}: ${message}${inside}`, { cause: error });
}

/** Says which import is meant: Node's loader knows the file that it is in, and not the line. */
function importMessage(root: string, what: string, name: string, importer: string): string {
  const file = importer.startsWith("file:") ? fileURLToPath(importer) : importer;
  const last = name.split(/[\\/]/).at(-1) ?? name;
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  const at = lines.findIndex((line) =>
    [`${last}"`, `${last}'`, `${last}/`].some(
      (end) => /\b(?:from|import)\b/.test(line) && line.includes(end),
    ),
  );
  const shown = path.isAbsolute(name) ? path.relative(root, name) : name;
  return `${path.relative(root, file)}${at < 0 ? "" : `:${at + 1}`}: Cannot find ${what} '${shown}'`;
}

/** `FILE:LINE:COLUMN` of the lines of a stack that are in the project's own files, the innermost first. */
function placesIn(stack: string, root: string): string[] {
  return stack.split("\n").flatMap((line, index) => {
    // The first line says where a syntax error is.
    const pattern =
      index === 0 ? /^()(\S.*?)(?:\?[^:]*)?:(\d+)$/ : /^ +at (.*\()?(\S+?)(?:\?[^:)]*)?:(\d+:\d+)\)?$/;
    const [, , where = "", position = ""] = pattern.exec(line.replace(/ at async /, " at ")) ?? [];
    if (!where || where.startsWith("node:")) return [];
    const relative = path.relative(root, where.startsWith("file:") ? fileURLToPath(where) : where);
    const own = !path.isAbsolute(relative) && !/^\.\.|node_modules|^src.local./.test(relative);
    return own ? [`${relative}:${position}`] : [];
  });
}
