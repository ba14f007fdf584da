import type * as pulumi from "@pulumi/pulumi";
import { builtInHandler } from "../packaging/built-in.ts";
import { ArgumentError } from "./argument-error.ts";
import { checkInteger, checkPlain } from "./checks.ts";
import { ImageWorker, type ImageWorkerArgs } from "./image-worker.ts";

export interface ThumbnailWorkerArgs
  extends Omit<ImageWorkerArgs, "handler" | "environment" | "permissions"> {
  /** Pixels, 16 to 4,096, of the longer side. A smaller image stays as small as it is. @default 256 */
  readonly longestSide?: number;

  /** What every thumbnail is encoded in: jpeg, png, webp or avif. @default "webp" */
  readonly format?: (typeof FORMATS)[number];
}

const FORMATS = ["jpeg", "png", "webp", "avif"] as const;

/**
 * A worker that makes thumbnails: an example of a processor of another kind, which docs/own-processor.md explains.
 *
 * @example
 * new ThumbnailWorker("thumbnail", { fanOut, longestSide: 320, format: "avif" });
 */
export class ThumbnailWorker extends ImageWorker {
  protected static override readonly type = "image-machine:index:ThumbnailWorker";

  constructor(name: string, args: ThumbnailWorkerArgs, opts?: pulumi.ComponentResourceOptions) {
    const { longestSide = 256, format = "webp", ...rest } = args;
    const worker = `ThumbnailWorker "${name}"`;
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
