import type { Readable } from "node:stream";
import type { Selection, Snapshot, Story, Tick } from "./protocol.ts";

/** A file of the machine's: an image, or what a worker made of it. */
export interface SourceFile {
  readonly key: string;
  /** Identifies the bytes, so that a picture of them is made once. */
  readonly etag: string;
  readonly size: number;
  readonly body: Readable;
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
  redrive?(selection: Selection): Promise<string>;
  drop?(selection: Selection): Promise<string>;
  /** Lets things go wrong on purpose, or ends that where there is no seed. */
  chaos?(seed: string | undefined): Promise<string>;
}
