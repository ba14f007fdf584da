import { openSync } from "node:fs";
import { createInterface } from "node:readline";
import { ReadStream } from "node:tty";
import { UsageError } from "../machine/inputs.ts";

/**
 * Where a person answers: standard input, or the terminal itself where that is taken.
 * @param signal ends the waiting for an answer, with its reason
 * @throws {UsageError} where there is no terminal
 */
export function answersFrom(
  taken: boolean,
  signal: AbortSignal,
): Disposable & { confirms(question: string): Promise<boolean> } {
  const input = taken ? openTerminal() : process.stdin;
  let answers: AsyncIterator<string> | undefined;
  return {
    async confirms(question) {
      // All answers may come at once, and one that is not asked for yet must not be lost.
      answers ??= createInterface({ input, signal })[Symbol.asyncIterator]();
      process.stderr.write(question);
      const { value, done } = await answers.next();
      signal.throwIfAborted();
      // Where there is nobody to answer, the input just ends.
      if (done)
        throw new UsageError(
          "Nobody answered, so nothing was changed. To go on without being asked, pass --yes.",
        );
      return value.trim().toLowerCase() === "yes";
    },
    [Symbol.dispose]() {
      input.destroy();
    },
  };
}

function openTerminal(): ReadStream {
  try {
    return new ReadStream(openSync(process.platform === "win32" ? "\\\\.\\CONIN$" : "/dev/tty", "r"));
  } catch {
    throw new UsageError(
      "The outputs come from standard input, and there is no terminal to ask for confirmation. To go on without being asked, pass --yes.",
    );
  }
}
