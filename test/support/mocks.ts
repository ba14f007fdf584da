import { HERE, registered } from "../../src/exports/testing.ts";
import { ImageFanOut, type ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";

export * from "../../src/exports/testing.ts";

/** What a fan-out "images" registers with workers that turn, by their angles. */
export const machine = (args: ImageFanOutArgs = {}, workers: Record<string, number> = {}, place = HERE) =>
  registered(() => {
    const fanOut = new ImageFanOut("images", args);
    for (const [name, angle] of Object.entries(workers)) new RotationWorker(name, { fanOut, angle });
  }, place);

/** The error that a program ends with, in words. */
export const refusal = (program: () => unknown) =>
  registered(program).then(
    () => "not refused",
    (error: Error) => `${error.name}: ${error.message}`,
  );
