import type { Topology, WorkerView } from "./protocol.ts";

/** Which images a worker is told of. */
export interface ImageRule {
  /** Follows "only of". */
  readonly words: string;
  passes(image: { readonly key: string; readonly size: number }): boolean;
}

/** A worker, as a machine has it: what moves through it is known by these names. */
export interface WiredWorker {
  readonly name: string;
  readonly fanOut: string;
  readonly source: string;
  readonly results: string;
  /** First segment of the keys of its results. */
  readonly prefix: string;
  readonly function: string;
  /** URLs. */
  readonly queue: string;
  readonly deadLetterQueue: string;
  readonly angle?: number | undefined;
  /** The images that it is told of; all where it is undefined. */
  readonly told?: ImageRule | undefined;
}

export interface WiredFanOut {
  readonly source: string;
  readonly results: string;
  /** ARN. */
  readonly topic: string;
}

/** The parts of a machine, and how they hang together. */
export interface Wiring {
  readonly title: string;
  readonly place: string;
  readonly workers: readonly WiredWorker[];
  readonly fanOuts: readonly WiredFanOut[];
}

/** The graph that a program registered, as it is drawn. Fan-outs that take others' results come after those. */
export function topologyOf({ title, place, workers, fanOuts }: Wiring): Topology {
  const views = fanOuts.map(({ source, results, topic }) => {
    const own = workers.filter((worker) => worker.source === source && worker.results === results);
    const topicName = lastPart(topic);
    return { name: own[0]?.fanOut ?? topicName, source, results, topic: topicName, workers: own.map(viewOf) };
  });
  const isLater = (view: { source: string }) => views.some(({ results }) => results === view.source);
  return {
    title,
    place,
    fanOuts: [...views.filter((view) => !isLater(view)), ...views.filter(isLater)],
  };
}

function viewOf({ name, angle, told, ...worker }: WiredWorker): WorkerView {
  return {
    name,
    ...(angle !== undefined && { angle }),
    ...(told && { told: told.words }),
    queue: lastPart(worker.queue),
    deadLetterQueue: lastPart(worker.deadLetterQueue),
    function: worker.function,
  };
}

/** The name at the end of an ARN or a URL. */
export function lastPart(address: string): string {
  return address.slice(Math.max(address.lastIndexOf("/"), address.lastIndexOf(":")) + 1);
}
