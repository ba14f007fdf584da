import type * as pulumi from "@pulumi/pulumi";
import { builtInHandler } from "../packaging/built-in.ts";
import { ArgumentError } from "./argument-error.ts";
import { checkPlain, quoted } from "./checks.ts";
import { checkWorkerArgs, ImageWorker, type ImageWorkerArgs } from "./image-worker.ts";

export interface RotationWorkerArgs extends Omit<ImageWorkerArgs, "handler" | "environment"> {
  /** Degrees to turn every image clockwise; negative is counter-clockwise. Not a multiple of 360. */
  readonly angle: number;
}

/**
 * A worker that turns images by an angle.
 *
 * @example
 * new RotationWorker("half-turn", { fanOut, angle: 180 });
 */
export class RotationWorker extends ImageWorker {
  protected static override readonly type = "image-machine:index:RotationWorker";

  constructor(name: string, args: RotationWorkerArgs, opts?: pulumi.ComponentResourceOptions) {
    checkWorkerArgs(`RotationWorker "${name}"`, args, ["angle"]);
    const { angle: given, ...rest } = args;
    const angle = normalisedAngle(name, given);
    const handler = builtInHandler("rotate");
    super(name, { ...rest, handler, environment: { ANGLE: String(angle) } }, opts);
    // Whoever tries the deployed machine judges results by it.
    this.tell({ angle });
  }
}

/** The same turn in degrees clockwise, above 0 and below 360. */
function normalisedAngle(name: string, angle: number): number {
  checkPlain(`RotationWorker "${name}": angle`, angle);
  const normalised = ((angle % 360) + 360) % 360;
  if (Number.isFinite(angle) && normalised !== 0) return normalised;
  throw new ArgumentError(
    `RotationWorker "${name}": angle is ${quoted(angle)}, but must be a finite number of degrees, and not a multiple of 360.`,
  );
}
