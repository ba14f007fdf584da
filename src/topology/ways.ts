import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./argument-error.ts";
import { refuseOverlap } from "./prefixes.ts";

/** Ways of all fan-outs of a program, for each engine that programs run in. */
const ways = new WeakMap<object, Way[]>();

/**
 * The way of images through a fan-out: from one bucket to another, each known by its resource and, once that is known, by its name.
 * Two fan-outs of a program may meet in a bucket that exists already.
 */
export class Way {
  readonly #fanOut: string;
  readonly #from: Set<unknown>;
  readonly #to: Set<unknown>;
  /** How keys of each worker's results begin. */
  readonly #prefixes: Record<string, string> = {};
  readonly #all: Way[];

  /**
   * @param named what the program has said the buckets by, if by anything else
   * @throws ArgumentError where results would come back as images; an `apply` does where the buckets' names are only known later
   */
  constructor(
    fanOut: string,
    from: aws.s3.Bucket,
    to: aws.s3.Bucket,
    named: { readonly from: unknown; readonly to: unknown },
  ) {
    this.#fanOut = fanOut;
    this.#from = new Set([from, named.from ?? from]);
    this.#to = new Set([to, named.to ?? to]);
    const monitor = pulumi.runtime.getMonitor() as object;
    this.#all = ways.get(monitor) ?? [];
    ways.set(monitor, this.#all);
    this.#all.push(this);
    this.#refuseCircle();
    pulumi.all([from.bucket, to.bucket]).apply(([source, results]) => {
      this.#from.add(source);
      this.#to.add(results);
      this.#refuseCircle();
      for (const [worker, prefix] of Object.entries(this.#prefixes)) this.#refuseOverlap(worker, prefix);
    });
  }

  /** @throws ArgumentError where a worker's results would be among those of another fan-out's in the same bucket */
  add(worker: string, prefix: string): void {
    this.#refuseOverlap(worker, prefix);
    this.#prefixes[worker] = prefix;
  }

  #refuseOverlap(worker: string, prefix: string): void {
    for (const other of this.#all) {
      if (other === this || !meet(other.#to, this.#to)) continue;
      refuseOverlap(worker, prefix, other.#prefixes, ` of ImageFanOut "${other.#fanOut}"`);
    }
  }

  #refuseCircle(): void {
    // Each way with the one before it; grows while it is gone through.
    const before = new Map<Way, Way | undefined>([[this, undefined]]);
    for (const [way] of before) {
      if (meet(way.#to, this.#from)) throw new ArgumentError(this.#circle(way, before));
      for (const next of this.#all) {
        if (!before.has(next) && meet(next.#from, way.#to)) before.set(next, way);
      }
    }
  }

  #circle(last: Way, before: ReadonlyMap<Way, Way | undefined>): string {
    const by: string[] = [];
    for (let way: Way | undefined = last; way && way !== this; way = before.get(way)) {
      by.unshift(`ImageFanOut "${way.#fanOut}"`);
    }
    const through = by.length > 0 ? ` by way of ${by.join(" and ")}` : "";
    return `ImageFanOut "${this.#fanOut}": its results would come back to it as images${through}, and theirs again, without end. Let results go into a bucket that no image of theirs comes from.`;
  }
}

function meet(some: ReadonlySet<unknown>, others: ReadonlySet<unknown>): boolean {
  return [...some].some((bucket) => others.has(bucket));
}
