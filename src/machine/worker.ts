import type { WorkerOutputs } from "../stack-outputs.ts";

/** A worker of any of the program's fan-outs: what its component registers. */
export interface Worker extends WorkerOutputs {
  /** Its own, after its fan-out's and a slash where there are several: each may have a worker of that name. */
  readonly name: string;
  readonly fanOut: string;
  /** The bucket whose images it is told of. */
  readonly source: string;
  /** The bucket that its results are in. */
  readonly results: string;
}

/** The workers that take what is uploaded; all others take results of these. */
export function takingUploads(workers: readonly Worker[]): Worker[] {
  const results = new Set(workers.map((worker) => worker.results));
  return workers.filter(({ source }) => !results.has(source));
}

/** The worker that an object is a result of, and the key of its image; undefined where it is none. */
export function resultIn(
  workers: readonly Worker[],
  { bucket, key }: { readonly bucket: string; readonly key: string },
): { worker: Worker; key: string } | undefined {
  const worker = workers.find(({ results, prefix }) => bucket === results && key.startsWith(`${prefix}/`));
  return worker && { worker, key: key.slice(worker.prefix.length + 1) };
}

/** Tells a worker from other components. */
export function isWorker(outputs: object): outputs is Worker {
  return ["name", "fanOut", "source", "results", "queue", "deadLetterQueue", "function", "prefix"].every(
    (name) => name in outputs,
  );
}

/** Puts the fan-out in front of workers' names where there are several. */
export function withOwnNames(workers: readonly Worker[]): Worker[] {
  const several = new Set(workers.map(({ fanOut }) => fanOut)).size > 1;
  return workers.map((worker) => (several ? { ...worker, name: `${worker.fanOut}/${worker.name}` } : worker));
}
