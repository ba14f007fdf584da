import type { Readable } from "node:stream";
import type { Snapshot, Story, Tick } from "./protocol.ts";

/** One version of one object in a bucket. */
export interface ObjectVersion {
  readonly bucket: string;
  readonly key: string;
  /** `null` in a bucket without versioning, and where it is not known. */
  readonly versionId: string;
}

/** A file of the machine's: an image, or what a worker made of it. */
export interface SourceFile {
  readonly key: string;
  /** Identifies the bytes, so that a picture of them is made once. */
  readonly etag: string;
  readonly size: number;
  readonly body: Readable;
}

/** How a source reads a machine's buckets and queues. Each call is one request. */
export interface Access {
  /** @returns nothing for an object that is not there any more */
  open(object: ObjectVersion): Promise<SourceFile | undefined>;
  /** Counts the messages of a queue, by its URL: those that can be taken, and those that are hidden or wait for their next try. */
  count(queueUrl: string): Promise<{ readonly visible: number; readonly hidden: number }>;
}

/**
 * What the page is fed from: a machine on this computer, or a stack on AWS. What a source cannot do, it leaves out, and
 * says so in its snapshot's abilities. A refusal is an Error in a sentence, which the page shows.
 */
export interface Source {
  snapshot(): Snapshot;
  /**
   * Has somebody told of changes, each since the last one told, and of a new snapshot where nothing is as it was.
   * @returns what ends it
   */
  watch(tell: (news: Snapshot | Tick) => void): () => void;
  /** @returns nothing for an image that it does not know, or knows no longer */
  story(image: string): Promise<Story | undefined>;
  /** Opens an image, or what a worker made of it. @returns nothing where there is none */
  open(image: string, worker: string | undefined): Promise<SourceFile | undefined>;

  /** @returns what was done, in a sentence */
  upload?(key: string, body: Buffer): Promise<string>;
  /** Puts this many small images in. */
  burst?(count: number): Promise<string>;
  /** Sends dead letters to the queue again, or deletes them: all of them, or those about one image. */
  deal?(what: "redrive" | "drop", image: string | undefined): Promise<string>;
  /** Lets things go wrong on purpose, or ends that where there is no seed. */
  chaos?(seed: string | undefined): Promise<string>;
}
