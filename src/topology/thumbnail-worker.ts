import type * as pulumi from "@pulumi/pulumi";
import { builtInHandler } from "../packaging/built-in.ts";
import { ArgumentError } from "./argument-error.ts";
import { checkInteger, checkPlain } from "./checks.ts";
import { checkWorkerArgs, ImageWorker, type ImageWorkerArgs } from "./image-worker.ts";

export interface ThumbnailWorkerArgs extends Omit<ImageWorkerArgs, "handler" | "environment"> {
  /** Length of the longer side in pixels, 16 to 4,096. A smaller image keeps its size. @default 256 */
  readonly longestSide?: number;

  /** Format of every thumbnail: jpeg, png, webp or avif. @default "webp" */
  readonly format?: (typeof FORMATS)[number];
}

const FORMATS = ["jpeg", "png", "webp", "avif"] as const;

/**
 * A worker that makes thumbnails. docs/own-processor.md explains it, as an example of another kind of processor.
 *
 * @example
 * new ThumbnailWorker("thumbnail", { fanOut, longestSide: 320, format: "avif" });
 */
export class ThumbnailWorker extends ImageWorker {
  protected static override readonly type = "image-machine:index:ThumbnailWorker";

  constructor(name: string, args: ThumbnailWorkerArgs, opts?: pulumi.ComponentResourceOptions) {
    const worker = `ThumbnailWorker "${name}"`;
    checkWorkerArgs(worker, args, ["longestSide", "format"]);
    const { longestSide = 256, format = "webp", ...rest } = args;
    checkPlain(`${worker}: longestSide`, longestSide);
    checkPlain(`${worker}: format`, format);
    checkInteger(`${worker}: longestSide`, longestSide, { minimum: 16, maximum: 4096, unit: "pixels" });
    if (!FORMATS.includes(format)) {
      throw new ArgumentError(
        `${worker}: format is ${JSON.stringify(format)}, but must be one of ${FORMATS.join(", ")}.`,
      );
    }
    const handler = builtInHandler("thumbnail");
    super(
      name,
      { ...rest, handler, environment: { LONGEST_SIDE: String(longestSide), FORMAT: format } },
      opts,
    );
  }
}
