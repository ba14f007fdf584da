import path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { ImageWorker, type ImageWorkerArgs } from "./image-worker.ts";

export interface RotationWorkerArgs extends Omit<ImageWorkerArgs, "handler" | "environment" | "permissions"> {
  /** Degrees by which every image is turned, clockwise; negative is counter-clockwise. Not a multiple of 360. */
  readonly angle: number;
}

/**
 * A worker that turns images by an angle.
 *
 * @example
 * new RotationWorker("half-turn", { fanOut, angle: 180 });
 */
export class RotationWorker extends ImageWorker {
  /** Degrees clockwise, above 0 and below 360. */
  readonly angle: number;

  constructor(name: string, args: RotationWorkerArgs, opts?: pulumi.ComponentResourceOptions) {
    const { angle: given, ...rest } = args;
    const angle = normalisedAngle(name, given);
    super(
      name,
      {
        ...rest,
        handler: path.join(import.meta.dirname, "../../handlers/rotate.ts"),
        environment: { ANGLE: String(angle) },
      },
      opts,
      "image-machine:index:RotationWorker",
    );
    this.angle = angle;
    const { workers } = rest.fanOut;
    // Whoever tries the deployed machine judges results by it.
    if (workers[name]) workers[name] = { ...workers[name], angle };
  }
}

/** The same turn in degrees clockwise, above 0 and below 360. */
function normalisedAngle(name: string, angle: number): number {
  const normalised = ((angle % 360) + 360) % 360;
  if (Number.isFinite(angle) && normalised !== 0) return normalised;
  throw new RangeError(
    `RotationWorker "${name}": angle is ${angle}, but must be a finite number of degrees that turns the image: not a multiple of 360.`,
  );
}
