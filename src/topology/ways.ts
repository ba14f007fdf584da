import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { WorkerOutputs } from "../stack-outputs.ts";
import { ArgumentError } from "./argument-error.ts";
import { checkPlain } from "./checks.ts";
import { isLater } from "./later.ts";

/** Segments of letters, digits, "_", "." and "-", which policies, events and folders of this computer all take as they are. */
const PREFIX = /^(?!\.\.?(\/|$))[\w.-]+(\/(?!\.\.?(\/|$))[\w.-]+)*$/;

/** Leaves room for the keys of sources in the 1,024 bytes that a key may have. */
const MAXIMUM = 128;

/** A bucket at one end of a way. */
export interface End {
  readonly bucket: aws.s3.Bucket;
  /** What the program said it by, if by anything else than its resource. */
  readonly given?: unknown;
}

/** Workers of another stack, by name. */
export type Workers = pulumi.Input<Readonly<Record<string, unknown>>>;

/** Ways of all fan-outs of a program, for each engine that programs run in. */
const ways = new WeakMap<object, Way[]>();

/**
 * The way of images through a fan-out: from one bucket to another, each known by its resource and, once that is known, by its name.
 * Two fan-outs of a program may meet in a bucket: neither may have results of the other come back to it, write among them, or take
 * the place of its notifications.
 */
export class Way {
  readonly #fanOut: string;
  readonly #ends: Readonly<Record<"source" | "results", Set<unknown>>>;
  /** The ends whose notifications are this fan-out's. */
  readonly #told = new Set<"source" | "results">();
  /** How keys of each worker's results begin, with its class and name. */
  readonly #prefixes = new Map<string, { readonly prefix: string; readonly component: string }>();
  /** How keys of results begin that workers of another stack write into the same bucket, once they are known. */
  #theirs: ReadonlyMap<string, { readonly prefix: string }> = new Map();
  readonly #all: Way[];

  /**
   * @param theirs workers of the stack that has the results bucket, if that is another
   * @throws ArgumentError where results would come back as images; an `apply` does where the buckets' names are only known later
   */
  constructor(fanOut: string, source: End, results: End, theirs: Workers = {}) {
    this.#fanOut = fanOut;
    this.#ends = { source: knownBy(source), results: knownBy(results) };
    const monitor = pulumi.runtime.getMonitor() as object;
    this.#all = ways.get(monitor) ?? [];
    ways.set(monitor, this.#all);
    this.#all.push(this);
    const note = (workers: Readonly<Record<string, unknown>> | undefined) => {
      const known = Object.entries((workers ?? {}) as Record<string, Partial<WorkerOutputs> | undefined>);
      this.#theirs = new Map(known.map(([name, outputs]) => [name, { prefix: outputs?.prefix ?? name }]));
      this.#check();
    };
    note(isLater(theirs) ? {} : theirs);
    if (isLater(theirs)) pulumi.output(theirs).apply(note);
    pulumi.all([source.bucket.bucket, results.bucket.bucket]).apply(([sourceName, resultsName]) => {
      this.#ends.source.add(sourceName);
      this.#ends.results.add(resultsName);
      this.#check();
    });
  }

  /**
   * Adds a worker.
   * @param component its class and name
   * @throws ArgumentError where its name is taken, keys cannot begin so, or its results would be among those of another; an `apply` does
   *   where it is only known later that they are
   */
  add(component: string, worker: string, prefix: unknown): asserts prefix is string {
    checkPrefix(component, prefix);
    const same = this.#prefixes.get(worker);
    if (same) {
      throw new ArgumentError(
        `${component}: the fan-out already has a worker of that name, whose results are under "${same.prefix}/". Give one of them another name.`,
      );
    }
    refuseOverlap(component, prefix, this.#prefixes);
    this.#refuseOverlap(component, prefix);
    this.#prefixes.set(worker, { prefix, component });
  }

  /**
   * Notes that the notifications of a bucket become this fan-out's: it has one configuration, which a second one would take the place of.
   * @throws ArgumentError where they are another fan-out's already; an `apply` does where the bucket's name is only known later
   */
  tellOf(end: "source" | "results"): void {
    this.#told.add(end);
    this.#refuseSecond();
  }

  #check(): void {
    this.#refuseCircle();
    this.#refuseSecond();
    for (const { component, prefix } of this.#prefixes.values()) this.#refuseOverlap(component, prefix);
  }

  #refuseOverlap(component: string, prefix: string): void {
    refuseOverlap(component, prefix, this.#theirs, " of the fan-out's own stack");
    for (const other of this.#all) {
      if (other === this || !meet(other.#ends.results, this.#ends.results)) continue;
      refuseOverlap(component, prefix, other.#prefixes, ` of ImageFanOut "${other.#fanOut}"`);
    }
  }

  #refuseSecond(): void {
    for (const other of this.#all) {
      if (other === this) continue;
      for (const end of this.#told) {
        if (![...other.#told].some((theirs) => meet(other.#ends[theirs], this.#ends[end]))) continue;
        throw new ArgumentError(
          `ImageFanOut "${this.#fanOut}": ${end === "source" ? "source.existing is" : "completed would tell of"} a bucket whose notifications ImageFanOut "${other.#fanOut}" manages already. A bucket has only one notification configuration, so one of the two would get no images. Give all workers to one fan-out; or, if no key matches prefix and suffix of both, set notification: false and add what notificationToAdd says.`,
        );
      }
    }
  }

  #refuseCircle(): void {
    // Each way with the one before it; grows while it is gone through.
    const before = new Map<Way, Way | undefined>([[this, undefined]]);
    for (const [way] of before) {
      if (meet(way.#ends.results, this.#ends.source)) throw new ArgumentError(this.#circle(way, before));
      for (const next of this.#all) {
        if (!before.has(next) && meet(next.#ends.source, way.#ends.results)) before.set(next, way);
      }
    }
  }

  #circle(last: Way, before: ReadonlyMap<Way, Way | undefined>): string {
    const by: string[] = [];
    for (let way: Way | undefined = last; way && way !== this; way = before.get(way)) {
      by.unshift(`ImageFanOut "${way.#fanOut}"`);
    }
    const through = by.length > 0 ? ` by way of ${by.join(" and ")}` : "";
    return `ImageFanOut "${this.#fanOut}": its results would come back to it as images${through}, and so on without end. Write its results to a bucket that it gets no images from.`;
  }
}

function knownBy({ bucket, given = bucket }: End): Set<unknown> {
  return new Set([bucket, given]);
}

function meet(some: ReadonlySet<unknown>, others: ReadonlySet<unknown>): boolean {
  return [...some].some((bucket) => others.has(bucket));
}

/** @throws ArgumentError unless keys of results can begin with it */
function checkPrefix(component: string, prefix: unknown): asserts prefix is string {
  checkPlain(`${component}: prefix`, prefix);
  if (typeof prefix === "string" && prefix.length <= MAXIMUM && PREFIX.test(prefix)) return;
  throw new ArgumentError(
    `${component}: prefix is ${JSON.stringify(prefix)}, but must be 1 to ${MAXIMUM} letters, digits, "_", "." and "-", in parts separated by a single "/", without one at either end.`,
  );
}

/**
 * @param others prefixes of results in the same bucket, by worker
 * @param of says whose workers those are, behind their names: ` of the fan-out's own stack`
 * @throws ArgumentError where results of two workers would have the same keys, or one may write among the other's
 */
function refuseOverlap(
  component: string,
  prefix: string,
  others: ReadonlyMap<string, { readonly prefix: string }>,
  of = "",
): void {
  for (const [other, { prefix: taken }] of others) {
    if (!`${prefix}/`.startsWith(`${taken}/`) && !`${taken}/`.startsWith(`${prefix}/`)) continue;
    throw new ArgumentError(
      `${component}: its results would be under "${prefix}/", and those of worker "${other}"${of} are under "${taken}/". Give one of them another name or prefix.`,
    );
  }
}
