import * as pulumi from "@pulumi/pulumi";
import {
  ImageFanOut,
  type ImageFanOutArgs,
  ImageWorker,
  type ImageWorkerArgs,
  RotationWorker,
  ThumbnailWorker,
  type ThumbnailWorkerArgs,
} from "../src/exports/index.ts";
import type { ImageMachineArgs, Processor } from "./index.ts";
import type { AlarmThreshold, FanOutSettings } from "./settings.ts";

/** Declares a machine below a component. @returns what the component shows */
export function declare(parent: pulumi.ComponentResource, name: string, args: ImageMachineArgs) {
  const { rotations = [], thumbnails = [], processors = [], ...settings } = args;
  const fanOut = new ImageFanOut(name, fanOutArgs(settings), { parent });
  for (const { name: worker, angle, prefix, ...own } of rotations) {
    new RotationWorker(worker, { fanOut, angle, ...workerArgs({ prefix, ...own }) });
  }
  for (const { name: worker, longestSide, format, prefix, ...own } of thumbnails) {
    const thumbnail = given({ longestSide, format }) as Pick<ThumbnailWorkerArgs, "longestSide" | "format">;
    new ThumbnailWorker(worker, { fanOut, ...thumbnail, ...workerArgs({ prefix, ...own }) });
  }
  for (const { name: worker, handler, environment, permissions, prefix, ...own } of processors) {
    const processor = { prefix, environment, permissions: permissions?.map(statement), ...own };
    new ImageWorker(worker, { fanOut, handler, ...workerArgs(processor) });
  }
  return {
    sourceBucket: fanOut.source.bucket,
    resultsBucket: fanOut.results.bucket,
    topic: fanOut.topic.arn,
    alarmTopic: fanOut.alarmTopic.arn,
    workers: pulumi.output(fanOut.workers),
  };
}

/** Arguments as the fan-out has them, which checks them. */
function fanOutArgs({ workers, alarms, ...others }: FanOutSettings): ImageFanOutArgs {
  const known = alarms && Object.entries(alarms).map(([kind, alarm]) => [kind, alarmOf(alarm)]);
  const all = {
    ...others,
    workers: workers && workerArgs(workers),
    alarms: known && Object.fromEntries(known),
  };
  return given(all) as ImageFanOutArgs;
}

/** A kind of alarm that is left out is `false` in place of its map. */
function alarmOf(alarm: AlarmThreshold | unknown): unknown {
  if (typeof alarm !== "object" || alarm === null || !("enabled" in alarm || "threshold" in alarm))
    return alarm;
  const { enabled = true, ...threshold } = alarm as AlarmThreshold;
  return enabled ? threshold : false;
}

/** Arguments as a worker has them, which checks them. */
function workerArgs(args: object): Partial<Omit<ImageWorkerArgs, "fanOut" | "handler">> {
  return given(args);
}

function statement({ sid, actions, resources }: NonNullable<Processor["permissions"]>[number]) {
  return { Sid: sid, Effect: "Allow", Action: actions, Resource: resources };
}

/** What is there, as an argument that is undefined is none. */
function given(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
