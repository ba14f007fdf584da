import type { WriteStream } from "node:tty";
import { SingleBar } from "cli-progress";
import type { Progress } from "./run.ts";

/** Milliseconds between two lines where there is no terminal. */
const LINE_EVERY_MS = 2000;

/** Shows how far a run is: a bar on a terminal, a line now and then elsewhere. */
export function progressDisplay(stream: WriteStream): {
  /** @param images how many there are in all */
  update(progress: Progress, images: number): void;
  /** Shows something that went wrong behind the scenes and is tried again. */
  report(error: unknown): void;
  stop(): void;
} {
  const bar = new SingleBar({
    stream,
    format: "{bar} {value} of {total} results, {uploaded} images uploaded",
    barCompleteChar: "━",
    barIncompleteChar: "─",
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
  });
  let lastLine = performance.now();
  return {
    update({ uploaded, done, perImage }, images) {
      const expected = images * perImage;
      if (stream.isTTY) {
        if (!bar.isActive) bar.start(expected, done, { uploaded });
        bar.update(done, { uploaded });
      } else if (performance.now() - lastLine > LINE_EVERY_MS) {
        lastLine = performance.now();
        stream.write(`${uploaded} of ${images} images uploaded, ${done} of ${expected} results\n`);
      }
    },
    report(error) {
      stream.write(`${error instanceof Error ? error.message : JSON.stringify(error)}\n`);
    },
    stop() {
      if (bar.isActive) bar.stop();
    },
  };
}
