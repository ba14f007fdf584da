import { createHash } from "node:crypto";
import { sequencer } from "../store/events.ts";
import type { Sequencer } from "../store/model.ts";

/**
 * A fault of one request of a function or of its event source mapping: it is refused with 503 or 500,
 * or with 404 NoSuchKey as in the first minutes of a bucket's versioning
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/manage-versioning-examples.html); the connection breaks before
 * it is done, or after, so that nobody hears of it; its answer comes late, stops half-way, or breaks off; the function is killed before the request is done, meanwhile, or after.
 */
export type RequestFault =
  | "slow down"
  | "internal error"
  | "no such key"
  | "reset before"
  | "reset after"
  | "late answer"
  | "stalled answer"
  | "truncated body"
  | "kill before"
  | "kill during"
  | "kill after";

/** A request, as far as a plan looks at it. */
export interface PlannedRequest {
  /** `GET`, `HEAD` or `PUT` of S3, or the name of an action of SQS. */
  readonly operation: string;
  /** Path of the object or queue. */
  readonly path: string;
  /** Number of earlier requests for the same operation and path. */
  readonly before: number;
}

/** Says what goes wrong on a machine. What it leaves out goes well. */
export interface Plan {
  readonly request?: (request: PlannedRequest) => RequestFault | undefined;
  /** Decides whether the messages of a receive are handed out again immediately, while they are being processed. */
  readonly handedOutTwice?: (receive: number) => boolean;
  /** Decides whether a receive hands its messages out in reverse. */
  readonly reversed?: (receive: number) => boolean;
  /** Decides whether SNS delivers a message twice. */
  readonly publishedTwice?: (publish: number) => boolean;
  /** Milliseconds by which S3 is late with an event, once for each time that it sends it. @default once, at once */
  readonly event?: (event: number) => readonly number[];
  /** Decides whether an invocation is throttled: its messages come again after their visibility timeout, received once more. */
  readonly throttled?: (invocation: number) => boolean;
  /** Makes the sequencers of events. @default hexadecimal numbers of one length that grow */
  readonly sequencer?: Sequencer;
  /** Factor by which time in queues is accelerated, so that nobody waits for a visibility timeout. @default 1 */
  readonly speed?: number;
  /** Maximum time limit of functions, in seconds, for invocations that begin from now on. @default what is declared */
  readonly timeLimit?: number;
}

/**
 * Sequencers as S3 sends them, and as it or other implementations may: of several lengths, always the same, none at all
 * or the wrong way round.
 */
export const SEQUENCERS = {
  growing: sequencer,
  unequal: (sequence) => sequencer(sequence) + "0".repeat(Math.floor(sequence / 1000) % 2),
  constant: () => sequencer(1),
  missing: () => undefined,
  reversed: (sequence) => sequencer(Number.MAX_SAFE_INTEGER - sequence),
} satisfies Record<string, Sequencer>;

/** Fault probabilities of a function's requests, by operation; those of one operation sum to less than 1. */
const RATES: Record<string, Partial<Record<RequestFault, number>>> = {
  GET: {
    "slow down": 0.03,
    "internal error": 0.03,
    "no such key": 0.03,
    "reset before": 0.02,
    "reset after": 0.02,
    "late answer": 0.03,
    "stalled answer": 0.004,
    "truncated body": 0.03,
    "kill before": 0.01,
    "kill during": 0.01,
    "kill after": 0.01,
  },
  PUT: {
    "slow down": 0.03,
    "internal error": 0.03,
    "reset before": 0.02,
    "reset after": 0.03,
    "late answer": 0.03,
    "stalled answer": 0.003,
    "kill before": 0.01,
    "kill during": 0.01,
    "kill after": 0.02,
  },
  HEAD: { "slow down": 0.05, "reset before": 0.03, "kill before": 0.02, "kill after": 0.02 },
  ReceiveMessage: { "internal error": 0.02, "reset after": 0.02 },
  DeleteMessageBatch: { "internal error": 0.03, "reset before": 0.02, "reset after": 0.03 },
  ChangeMessageVisibility: { "internal error": 0.1, "kill before": 0.03, "kill after": 0.03 },
  ChangeMessageVisibilityBatch: { "internal error": 0.1, "kill before": 0.03, "kill after": 0.03 },
  SendMessage: { "internal error": 0.05, "reset after": 0.05, "kill before": 0.05, "kill after": 0.05 },
};

/** Maximum number of faults of the same request, so that every request succeeds in the end. */
const MAX_FAULTS = 3;

/**
 * A plan in which everything goes wrong at times. The same seed gives the same plan: what becomes of a request follows
 * from the seed, from what is asked for and from how often it was asked for before.
 * @param seed any text
 * @param timeLimit seconds, enough for the largest image
 */
export function chaos(seed: string, timeLimit = 3): Plan {
  const chance = (...about: unknown[]): number =>
    createHash("sha256")
      .update(JSON.stringify([seed, ...about]))
      .digest()
      .readUInt32BE() /
    2 ** 32;
  const sequencers = Object.values(SEQUENCERS);
  return {
    sequencer: sequencers[Math.floor(chance("sequencer") * sequencers.length)] ?? sequencer,
    request({ operation, path, before }) {
      if (before >= MAX_FAULTS && operation !== "ReceiveMessage") return undefined;
      let rest = chance(operation, path, before);
      for (const [fault, rate] of Object.entries(RATES[operation] ?? {})) {
        if (rest < rate) return fault as RequestFault;
        rest -= rate;
      }
      return undefined;
    },
    handedOutTwice: (receive) => chance("handed out twice", receive) < 0.05,
    reversed: (receive) => chance("reversed", receive) < 0.5,
    publishedTwice: (publish) => chance("published twice", publish) < 0.05,
    throttled: (invocation) => chance("throttled", invocation) < 0.05,
    event(number) {
      const late = chance("late", number) < 0.3 ? 1500 * chance("how late", number) : 0;
      return chance("twice", number) < 0.05 ? [late, late + 1000 * chance("later", number)] : [late];
    },
    // A visibility timeout of 12 minutes is two seconds.
    speed: 360,
    timeLimit,
  };
}
