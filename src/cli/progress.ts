import { SingleBar } from "cli-progress";
import type { Progress } from "../machine/tally.ts";
import { counted } from "./words.ts";

/**
 * Shows how far a run is: a bar on a terminal, elsewhere a line now and then where there is something new.
 * @param lineEvery milliseconds between two lines where there is no terminal
 */
export function progressDisplay(
  stream: NodeJS.WritableStream & { readonly isTTY?: boolean },
  lineEvery = 2000,
): {
  /** @param images how many there are in all */
  update(progress: Progress, images: number): void;
  /** Shows a text of one or more lines, whatever stands there. */
  say(text: string): void;
  stop(): void;
} {
  const bar = new SingleBar({
    stream,
    format: "{bar} {value} of {total} results, {uploaded} uploaded",
    barCompleteChar: "━",
    barIncompleteChar: "─",
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
  });
  let lastLine = performance.now();
  let lastText = "";
  return {
    update({ uploaded, done, perImage, filtered }, images) {
      const expected = images * perImage - filtered;
      if (stream.isTTY) {
        if (!bar.isActive) bar.start(expected, done, { uploaded });
        bar.update(done, { uploaded });
      } else if (performance.now() - lastLine >= lineEvery) {
        lastLine = performance.now();
        const text = `${uploaded} of ${counted(images, "image", "images")} uploaded, ${done} of ${counted(expected, "result", "results")}\n`;
        if (text !== lastText && uploaded + done > 0) stream.write(text);
        lastText = text;
      }
    },
    say(text) {
      // The bar comes again below it with the next update.
      if (bar.isActive) bar.stop();
      stream.write(`${text}\n`);
    },
    stop() {
      if (bar.isActive) bar.stop();
    },
  };
}
