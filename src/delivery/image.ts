import { MetricUnit } from "@aws-lambda-powertools/metrics";
import { type ImageOperation, ImageRejected, type Notes } from "image-turn";
import { BYTES_OF_LIMIT } from "image-turn/weights";
import { type Along, along } from "./carry.ts";
import { type CreatedObject, identity, isFolderMarker } from "./envelope.ts";
import type { Pipeline, Place } from "./pipeline.ts";
import { type Rejection, rejectionOf } from "./rejection.ts";
import { ownMetadata, type Written, writeResult } from "./result.ts";
import type { Within } from "./send.ts";
import type { Share, Shares } from "./share.ts";
import { currentSource, readSource, type Source, SourceGone, SourceRejected, tagsOf } from "./source.ts";
import { named, resultKey, type Worker } from "./worker.ts";

/** Others left an image less time than it was promised, and it needs more: the message comes again. */
export class OutOfTime extends Error {
  override readonly name = "OutOfTime";
}

/** Uploads kept coming in the middle of writing: the message comes again, and begins with the version that is there then. */
export class Overtaken extends Error {
  override readonly name = "Overtaken";
}

/** An image has more pixels than there is memory for beside what else is in hand. */
class NeedsAllMemory extends Error {}

/**
 * Maximum number of superseding versions that are made in one delivery because of one record. The second needs an upload
 * just while the first one's result was written, and so on.
 */
const MAX_SUPERSEDING = 3;

/** The receive from which on a key that may not be used is taken to be a fault of the image. */
const KEY_DENIED_FROM = 3;

/** Milliseconds by which an image may miss its promise: clocks have fractions. */
const SLACK = 1;

/** What is to be done where an image was too slow. */
const LONGER =
  "Raise the worker's timeout or memorySize, or lower its batchSize, and send the dead letter again.";

/** The same where it may have been another's fault. */
const LESS =
  "Its download, or another image, left it less than it was promised: if that happens time and again, raise the worker's timeout or lower its batchSize.";

/** What the images of one invocation share. */
export interface Batch {
  readonly worker: Worker;
  readonly shares: Shares;
  readonly pipeline: Pipeline;
}

/** The contract of an image: its source, the operation, its result. */
export class Image {
  readonly #batch: Batch;
  readonly #source: CreatedObject;
  /** How often its message was received. */
  readonly #receives: number;
  readonly #place: Place;
  /** Gives what was read before its turn; nothing where that failed. */
  #ahead: ((within: Within) => Promise<Read | undefined>) | undefined;
  /** The version that is made: the event's first, and then what is seen to be current instead of it. */
  #version: CreatedObject;
  #superseding = 0;
  /** Whether the result that stands may have been written here. */
  #wrote = false;

  /** @param alone whether nothing else may be in hand meanwhile */
  constructor(batch: Batch, source: CreatedObject, receives: number, alone: boolean) {
    this.#batch = batch;
    this.#source = source;
    this.#version = source;
    this.#receives = receives;
    // While a file is read, it may take its bytes twice.
    this.#place = { alone, bytes: 2 * (source.size ?? Number.POSITIVE_INFINITY) };
  }

  /**
   * Waits until there is room, and does what the event asks for. Where the image needs all of the memory, it is begun anew when
   * nothing else is in hand.
   * @returns why it can never be processed, where that is so
   * @throws what may pass when the message comes again
   */
  async deliver(): Promise<Rejection | undefined> {
    const { pipeline, shares } = this.#batch;
    await pipeline.enter(this.#place);
    try {
      return await this.#makeAndWrite();
    } catch (error) {
      if (!(error instanceof NeedsAllMemory)) throw error;
    } finally {
      pipeline.leave(this.#place);
    }
    if (this.#superseding === 0) shares.again();
    this.#place.alone = true;
    return this.deliver();
  }

  /**
   * Makes and writes the event's version, and then those that are seen to be current instead. One that is seen after it was
   * uploaded later than that, so that its own message comes later, too, and finds whatever stands by then: it must be made
   * here only if something was written since, which it may have come before. docs/delivery.md has the proof.
   */
  async #makeAndWrite(): Promise<Rejection | undefined> {
    const { pipeline } = this.#batch;
    if (!this.#place.alone) this.#readAhead();
    for (; this.#superseding <= MAX_SUPERSEDING; this.#superseding++) {
      const making = pipeline.turn(this.#place, () => this.#make());
      const made = await making.catch((error) => this.#leaveToItsOwnMessage(error));
      if (!made) return undefined;
      const isOfEvent = this.#version === this.#source;
      // If another version must be rejected, its own event's message does so.
      if ("code" in made) return isOfEvent ? made : undefined;
      const { wrote, superseding } = await this.#write(made);
      this.#wrote ||= wrote;
      if (!superseding || !(isOfEvent || wrote)) return undefined;
      this.#version = superseding;
    }
    throw new Overtaken(`${this.#source.key} was overwritten each time that a result was written for it.`);
  }

  /** @throws what failed, unless it is a superseding version's own message that makes it, as nothing was written here */
  #leaveToItsOwnMessage(error: Error): undefined {
    const isOwn = this.#superseding === 0 || this.#wrote || this.#receives > 1;
    if (isOwn || error instanceof NeedsAllMemory) throw error;
    this.#batch.worker.logger.warn("left to its own message", { ...named(this.#version), error });
  }

  /**
   * Reads the version, and has the operation done.
   * @returns why that can never be done, where that is so; undefined where there is nothing to do
   */
  async #make(): Promise<Made | Rejection | undefined> {
    const { worker, shares, pipeline } = this.#batch;
    if (shares.over) throw new OutOfTime(`There was no time left for it. ${LESS}`);
    const isFirst = this.#superseding === 0;
    const share = isFirst ? shares.next() : shares.extra();
    if (isFirst && this.#receives > 1) await this.#beginWithCurrent(share.within);
    try {
      const read = await this.#readInTurn(share.within);
      const bytesIn = read.bytes.length;
      // An event need not say how large it is.
      if (isFolderMarker({ key: this.#version.key, size: bytesIn })) return undefined;
      const began = worker.now();
      const result = await this.#operate(read.bytes, share);
      pipeline.holds(this.#place, result.body.length);
      const { put, left } = along(read.described, read.tags, worker.carry, ownMetadata(this.#version));
      const { started, fetch } = read;
      const worked = worker.now();
      return { result, put, left, share, bytesIn, started, fetch, work: worked - began, worked };
    } catch (error) {
      return this.#judged(error);
    }
  }

  /** One that came before begins with the source's current version. Whatever fails here fails again where it matters. */
  async #beginWithCurrent(within: Within): Promise<void> {
    const { s3, now } = this.#batch.worker;
    const current = await currentSource(s3, this.#source, within, now).catch(() => undefined);
    if (!current || identity(current) === identity(this.#source)) return;
    this.#superseded("A newer version is there.");
    this.#version = current;
  }

  /**
   * Begins to read the source before its turn, and no more of it than there is room for: an event need not be right. Nothing
   * of that counts: it has no deadline, and what fails is read again in its turn.
   */
  #readAhead(): void {
    const controller = new AbortController();
    const reading = this.#read(
      (request) => request({ abortSignal: controller.signal }),
      this.#version.size,
    ).then(
      (read) => {
        this.#batch.pipeline.holds(this.#place, read.bytes.length);
        return read;
      },
      () => undefined,
    );
    this.#ahead = (within) =>
      within(() => reading).catch((error) => {
        controller.abort();
        throw error;
      });
  }

  async #readInTurn(within: Within): Promise<Read> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return (await ahead?.(within)) ?? this.#read(within);
  }

  async #read(within: Within, limit = this.#batch.worker.byteLimit): Promise<Read> {
    const { s3, carry, byteLimit, now } = this.#batch.worker;
    const started = now();
    const read = await readSource(s3, this.#version, Math.min(limit, byteLimit), within, now);
    const tags = carry.includes("tags") ? await tagsOf(s3, this.#version, within, now) : [];
    return { ...read, tags, started, fetch: now() - started };
  }

  /** Has the operation done within the limits, which leave room for what else may be in hand. */
  async #operate(bytes: Buffer, share: Share): Promise<Result> {
    const { worker, shares } = this.#batch;
    const { operation, pixelLimit, byteLimit } = worker;
    const beside = this.#place.alone ? 0 : Math.ceil(byteLimit / BYTES_OF_LIMIT);
    const work = share.work;
    const seconds = Math.max(100, Math.floor(work / 100) * 100) / 1000;
    try {
      const result = await operation(bytes, { pixels: Math.max(0, pixelLimit - beside), seconds });
      checkResult(result);
      return result;
    } catch (error) {
      if (!(error instanceof ImageRejected)) throw error;
      if (error.code === "too-many-pixels" && beside > 0) throw new NeedsAllMemory();
      if (error.code !== "too-slow") throw error;
      // Less than it was promised, because its download or another image took longer: it is not at fault.
      if (work < shares.promised - SLACK) throw new OutOfTime(`${error.message} ${LESS}`, { cause: error });
      throw new ImageRejected(error.code, `${error.message} ${LONGER}`, { cause: error });
    } finally {
      share.worked();
    }
  }

  /**
   * Tells what a failure of `#make` means.
   * @throws what may pass when it is tried again
   */
  #judged(error: unknown): Rejection | undefined {
    if (error instanceof SourceGone) {
      this.#superseded(error.message);
      return undefined;
    }
    const isFinal = error instanceof SourceRejected || error instanceof ImageRejected;
    // Grants take seconds until they hold everywhere.
    if (!isFinal || (error.code === "key-denied" && this.#receives < KEY_DENIED_FROM)) throw error;
    return rejectionOf(this.#version, error.code, error.message);
  }

  /** Writes what was made, and says in log and metrics what became of it. */
  async #write(made: Made): Promise<Written> {
    const { worker, pipeline } = this.#batch;
    const { s3, resultsBucket, logger, metrics, now } = worker;
    const { result, put, left, share, bytesIn, started, fetch, work, worked } = made;
    const target = { bucket: resultsBucket, key: resultKey(worker, this.#version) };
    const whole = { ...result, along: put };
    const written = await writeResult(s3, target, this.#version, whole, share.within, now);
    pipeline.holds(this.#place, 0);
    const { outcome } = written;
    const [ms, write] = [now() - started, now() - worked];
    const times = { ms, fetch, wait: ms - fetch - work - write, work, write };
    const notes = { ...told(result.notes), ...(left.length > 0 && { leftBehind: left }) };
    logger.info(outcome, {
      ...named(this.#version),
      ...times,
      bytesIn,
      bytesOut: result.body.length,
      ...notes,
    });
    metrics.addMetric(outcome, MetricUnit.Count, 1);
    for (const what of ["repaired", "dropped"] as const) {
      if (outcome === "processed" && notes[what]) metrics.addMetric(what, MetricUnit.Count, 1);
    }
    metrics.addMetric("bytes", MetricUnit.Bytes, bytesIn);
    for (const [part, value] of Object.entries(times)) {
      metrics.addMetric(part, MetricUnit.Milliseconds, value);
    }
    return written;
  }

  #superseded(reason: string): void {
    const { logger, metrics } = this.#batch.worker;
    logger.info("superseded", { ...named(this.#version), reason });
    metrics.addMetric("superseded", MetricUnit.Count, 1);
  }
}

/** A source as it was read, and when. */
interface Read extends Source {
  readonly tags: Awaited<ReturnType<typeof tagsOf>>;
  /** Milliseconds since 1970. */
  readonly started: number;
  /** Milliseconds. */
  readonly fetch: number;
}

type Result = Awaited<ReturnType<ImageOperation>>;

/** What came of a version before it is written. */
interface Made extends Along {
  readonly result: Result;
  /** What is left of it is for writing. */
  readonly share: Share;
  readonly bytesIn: number;
  /** When reading began, in milliseconds since 1970. */
  readonly started: number;
  /** Milliseconds of reading. */
  readonly fetch: number;
  /** Milliseconds of the operation. */
  readonly work: number;
  /** When the operation ended, in milliseconds since 1970. */
  readonly worked: number;
}

/** Of the notes on an image, those that say something. */
function told({ exact, repaired = [], dropped = [] }: Partial<Notes> = {}): Partial<Notes> {
  return {
    ...(exact !== undefined && { exact }),
    ...(repaired.length > 0 && { repaired }),
    ...(dropped.length > 0 && { dropped }),
  };
}

/** @throws TypeError unless it is what an operation has to return: not every handler is compiled with its types */
function checkResult(result: unknown): void {
  const { body, contentType } = (result ?? {}) as Record<string, unknown>;
  if (body instanceof Uint8Array && typeof contentType === "string") return;
  const fields =
    body === undefined && contentType === undefined
      ? kindOf(result)
      : `{ body: ${kindOf(body)}, contentType: ${kindOf(contentType)} }`;
  throw new TypeError(`The processor returned ${fields}, not { body: Buffer, contentType: string }.`);
}

/** A value's class, or its type where it has none. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;
}
