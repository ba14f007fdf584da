/**
 * How the time of one invocation is shared among the images of its batch. Pure: topology checks settings with the
 * same numbers before anything is deployed.
 */

import { type Request, type Within, within } from "./send.ts";

/** Milliseconds kept back for telling the queue what failed: some for whatever the batch, and some for each image. */
const RESERVE = { always: 2000, perImage: 10 };

/**
 * Maximum number of milliseconds of an image's share that are kept for reading its source, and as many for writing its
 * result; of a short share, a part.
 */
const REQUESTS = 5000;
const PART = 1 / 5;

/** Minimum number of milliseconds of a request, and what remains behind the last one. */
const MIN_REQUEST = 100;
const MARGIN = 200;

/**
 * Milliseconds at the end of an invocation in which no image is worked on: what failed is given back in batches of
 * ten, one after the other, which take up to 100 ms each.
 */
export function reserve(images: number, milliseconds: number): number {
  return Math.min(milliseconds / 2, RESERVE.always + RESERVE.perImage * images);
}

/** Milliseconds of a share that are for requests before the work, and as many behind it. */
export function requestTime(share: number): number {
  return Math.min(REQUESTS, share * PART);
}

/**
 * Milliseconds of work that every image of a batch is promised, whatever the others need: an equal share of the
 * invocation, less what requests may take.
 */
export function promisedWork(milliseconds: number, images: number): number {
  const share = (milliseconds - reserve(images, milliseconds)) / images;
  return share - 2 * requestTime(share);
}

/** Seconds of a share in which so many seconds of work are promised. */
function shareFor(work: number): number {
  return Math.min(work / (1 - 2 * PART), work + (2 * REQUESTS) / 1000);
}

/** Seconds that an invocation must have, so that each of so many images is promised so many seconds of work. */
export function secondsFor(work: number, images: number): number {
  return Math.ceil(images * (shareFor(work) + RESERVE.perImage / 1000) + RESERVE.always / 1000);
}

/** How many images may share an invocation of so many seconds, so that each is promised so many seconds of work. */
export function imagesFor(work: number, seconds: number): number {
  return Math.max(
    0,
    Math.floor((seconds - RESERVE.always / 1000) / (shareFor(work) + RESERVE.perImage / 1000)),
  );
}

/**
 * One invocation's time. Each image gets an equal share of what is left, so that what the earlier ones did not need
 * goes to the later ones, and none gets less than was promised at the beginning.
 */
export class Shares {
  readonly #remaining: () => number;
  readonly #reserve: number;
  /** Milliseconds that each image had at the beginning. */
  readonly #first: number;
  #left: number;

  /** @param remaining milliseconds until the invocation is ended */
  constructor(remaining: () => number, images: number) {
    const whole = remaining();
    this.#remaining = remaining;
    this.#left = images;
    this.#reserve = reserve(images, whole);
    this.#first = (whole - this.#reserve) / Math.max(1, images);
  }

  /** Milliseconds of work that each image was promised. */
  get promised(): number {
    return this.#first - 2 * requestTime(this.#first);
  }

  /** The next image's share begins. */
  next(): Share {
    const share = new Share(this.#remaining, this.#open / Math.max(1, this.#left));
    this.#left = Math.max(0, this.#left - 1);
    return share;
  }

  /** An image that had its share has another one later, as it cannot be worked on yet. */
  again(): void {
    this.#left++;
  }

  /** For an image that the batch did not name: all that the images still to come were not promised. */
  extra(): Share {
    return new Share(this.#remaining, this.#open - this.#left * this.#first);
  }

  /** Milliseconds until the invocation is ended. */
  get remaining(): number {
    return this.#remaining();
  }

  /** Whether there is no time for any request. */
  get over(): boolean {
    return this.#remaining() - MARGIN < MIN_REQUEST;
  }

  /** Makes one of the last requests. */
  readonly within: Within = (request) => inTime(Math.min(REQUESTS, this.#remaining() - MARGIN), request);

  get #open(): number {
    return this.#remaining() - this.#reserve;
  }
}

/** The time of one image. */
export class Share {
  readonly #remaining: () => number;
  readonly #requests: number;
  #until: number;

  constructor(remaining: () => number, milliseconds: number) {
    this.#remaining = remaining;
    this.#until = remaining() - milliseconds;
    this.#requests = requestTime(milliseconds);
  }

  /** Milliseconds that the work may take now, so that there is time to write its result. */
  get work(): number {
    return this.#left - this.#requests;
  }

  /** Leaves time to write what came of the work, also where it could not be stopped in time. */
  worked(): void {
    this.#until = Math.min(this.#until, this.#remaining() - this.#requests);
  }

  /** Makes a request, and ends it when the share is over. */
  readonly within: Within = (request) => inTime(this.#left, request);

  get #left(): number {
    return this.#remaining() - this.#until;
  }
}

function inTime<T>(milliseconds: number, request: Request<T>): Promise<T> {
  return within(Math.max(MIN_REQUEST, Math.round(milliseconds)), REQUESTS, request);
}
