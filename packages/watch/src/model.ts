import type { Happening, Told } from "./happenings.ts";
import {
  type Decision,
  type Failed,
  type Fault,
  type Flow,
  type ImageSummary,
  type Leg,
  type LegState,
  type LogLine,
  type Second,
  type Step,
  type Story,
  station,
} from "./protocol.ts";
import type { ObjectVersion } from "./source.ts";
import { span, Tallies } from "./tallies.ts";
import { lastPart, type WiredWorker, type Wiring } from "./wiring.ts";

/** Images that are remembered; the oldest are forgotten. */
const MAX_IMAGES = 12_000;
/** Images in a snapshot. */
const MAX_SHOWN = 200;
/** Images in one tick: others follow in the next ones. */
const MAX_PER_TICK = 60;
/** Entries of each kind in one image's story: one that is tried for days must not fill the memory. */
const MAX_ENTRIES = 200;

interface MutableLeg {
  readonly worker: WiredWorker;
  state: LegState;
  receives: number;
  /** Why it was rejected or is tried again. */
  why: Pick<Leg, "code" | "reason">;
  /** When it came to this state. */
  since: number;
  result: { readonly key: string; readonly versionId: string; readonly size: number } | undefined;
}

interface Image extends ObjectVersion {
  readonly id: string;
  readonly size: number;
  readonly time: number;
  readonly legs: Map<string, MutableLeg>;
  readonly steps: Step[];
  readonly faults: Fault[];
  readonly logs: LogLine[];
  readonly decisions: Decision[];
  /** Whether anybody was told of it. */
  isTold: boolean;
}

/** What a queue is for. */
interface QueueOf {
  readonly worker: WiredWorker;
  readonly dead: boolean;
}

/** What changed since it was asked last. */
export interface Changes {
  readonly images: readonly ImageSummary[];
  readonly flow: Flow;
  readonly second: Second | undefined;
}

/**
 * Puts together what happens to each image, from what is told of buckets, topics, queues and functions. It knows neither clock
 * nor network: the same happenings give the same stories.
 */
export class Model {
  #wiring!: Wiring;
  #workers = new Map<string, WiredWorker>();
  #byQueue = new Map<string, QueueOf>();
  #byFunction = new Map<string, WiredWorker>();
  /** What is counted of each worker. */
  readonly tallies = new Tallies();

  /** The oldest first. */
  readonly #images = new Map<string, Image>();
  readonly #byVersion = new Map<string, Image>();
  readonly #newest = new Map<string, Image>();
  readonly #byNotification = new Map<string, readonly Image[]>();
  readonly #byMessage = new Map<string, readonly Image[]>();
  readonly #byRequest = new Map<string, readonly Image[]>();
  /** The last decision of each kind about what names no image; the event that follows from it says which is meant. */
  readonly #lastDecisions = new Map<string, Decision>();

  #count = 0;
  readonly #changed = new Set<Image>();
  #flow: Record<string, number> = {};

  constructor(wiring: Wiring) {
    this.rewire(wiring);
  }

  /** Goes on with a machine that was built anew, whose parts may be others: what was being worked on is taken again. */
  rewire(wiring: Wiring): void {
    this.#wiring = wiring;
    const { workers } = wiring;
    this.#workers = new Map(workers.map((worker) => [worker.name, worker]));
    this.#byQueue = new Map<string, QueueOf>([
      ...workers.map((worker) => [lastPart(worker.queue), { worker, dead: false }] as const),
      ...workers.map((worker) => [lastPart(worker.deadLetterQueue), { worker, dead: true }] as const),
    ]);
    this.#byFunction = new Map(workers.map((worker) => [worker.function, worker]));
    this.tallies.keep([...this.#workers.keys()]);
    for (const image of this.#images.values()) {
      for (const [name, leg] of image.legs) {
        if (!this.#workers.has(name)) image.legs.delete(name);
        else if (leg.state === "working") this.#to(image, leg, "waiting", leg.since);
      }
    }
  }

  /** The newest images, the newest last. */
  get images(): ImageSummary[] {
    return [...this.#images.values()].slice(-MAX_SHOWN).map(summaryOf);
  }

  /** What changed since it was asked last. @param now milliseconds since 1970 */
  changes(now: number): Changes {
    this.tallies.roll(now);
    // Those that are known already go on first, so that they do not seem to stand.
    const images = [...this.#changed]
      .sort((a, b) => Number(b.isTold) - Number(a.isTold))
      .slice(0, MAX_PER_TICK);
    for (const image of images) {
      this.#changed.delete(image);
      image.isTold = true;
    }
    const flow = this.#flow;
    this.#flow = {};
    return { images: images.map(summaryOf), flow, second: this.tallies.takeFinished() };
  }

  /** Forgets what `changes` would tell: whoever asks next has all of it from the images and counts. */
  settle(): void {
    this.#changed.clear();
    this.#flow = {};
    this.tallies.takeFinished();
  }

  story(id: string): Story | undefined {
    const image = this.#images.get(id);
    if (!image) return undefined;
    const { faults, logs, decisions } = image;
    const results = [...image.legs.values()].flatMap(({ worker, result }) =>
      result ? [{ worker: worker.name, key: result.key, size: result.size }] : [],
    );
    const steps = image.steps.toSorted((a, b) => a.time - b.time);
    return { image: summaryOf(image), steps, faults, logs, decisions, results };
  }

  /** Where the bytes are of an image, or of what a worker made of it. */
  object(id: string, worker: string | undefined): ObjectVersion | undefined {
    const image = this.#images.get(id);
    if (!image || worker === undefined) return image;
    const leg = image.legs.get(worker);
    return leg?.result && { bucket: leg.worker.results, ...leg.result };
  }

  take(happening: Happening): void {
    this.tallies.roll(happening.time);
    this.#takers[happening.kind](happening as never);
  }

  /** What each kind of happening says of images, in the order in which they come about. */
  readonly #takers: {
    [Kind in Happening["kind"]]: (happening: Extract<Happening, { readonly kind: Kind }>) => void;
  } = {
    put: ({ time, bucket, key, versionId, size }) => {
      const made = this.#made(bucket, key);
      if (made?.image) this.#done(made.image, made.worker, { key, versionId, size }, time);
      // What takes results of others has them for images.
      if (!this.#wiring.fanOuts.some(({ source }) => source === bucket)) return;
      const isKnown = this.#byVersion.has(versionOf({ bucket, key, versionId }));
      const image = this.#image({ bucket, key, versionId, size }, time);
      if (!image || isKnown) return;
      this.tallies.uploaded();
      this.#step(image, { time, what: "uploaded", text: `Uploaded to ${bucket}: ${bytes(size)}.` });
      this.#takeDecision(image, `s3:PutObject ${bucket}/${key}`);
    },

    undelivered: ({ time, objects, lost, error, attempt }) => {
      for (const object of objects) {
        const image = this.#byVersion.get(versionOf(object));
        if (!image) continue;
        const again = lost ? "It is lost." : "S3 tries again.";
        const text = `S3 could not publish the event (try ${attempt}): ${error}. ${again}`;
        this.#step(image, { time, what: "failed", text });
        if (lost) for (const leg of image.legs.values()) this.#to(image, leg, "lost", time);
      }
    },

    published: ({ time, topicArn, notificationId, objects }) => {
      const images = this.#imagesOf(objects, time);
      if (images.length > 0) this.#byNotification.set(notificationId, images);
      for (const image of images) {
        const text = `S3 published its event to the topic ${lastPart(topicArn)}.`;
        this.#step(image, { time, what: "event", text, ms: span(image.time, time) });
        this.#takeDecision(image, `sns:Publish ${topicArn}`);
        const fanOut = this.#wiring.workers.find(({ source }) => source === image.bucket)?.fanOut;
        if (fanOut !== undefined) this.#flowed(station.source(fanOut), station.topic(fanOut));
      }
    },

    delivered: ({ time, notificationId, queueArn, messageId }) => {
      const worker = this.#byQueue.get(lastPart(queueArn))?.worker;
      const images = this.#byNotification.get(notificationId);
      if (!worker || !images) return;
      this.#byMessage.set(messageId, images);
      for (const image of images) {
        const leg = this.#leg(image, worker);
        const text = `The topic put it into the queue ${lastPart(queueArn)}.`;
        const published = image.steps.findLast(({ what }) => what === "event")?.time ?? time;
        const ms = span(published, time);
        this.#step(image, { time, what: "delivered", worker: worker.name, text, ms });
        this.#takeDecision(image, `sqs:SendMessage ${queueArn}`);
        this.#flowed(station.topic(worker.fanOut), station.queue(worker.name));
        // It may come twice, the second time after all is done.
        if (leg.state === "on-its-way" || leg.state === "not-told") this.#to(image, leg, "waiting", time);
      }
    },

    received: ({ time, queueArn, messageId, receiveCount }) => {
      const at = this.#byQueue.get(lastPart(queueArn));
      if (!at || at.dead) return;
      this.tallies.seen(at.worker.name, time);
      for (const image of this.#byMessage.get(messageId) ?? []) {
        this.#leg(image, at.worker).receives = receiveCount;
      }
    },

    begun: ({ time, requestId, functionName, messages }) => {
      const worker = this.#byFunction.get(functionName);
      if (!worker) return;
      const all: Image[] = [];
      for (const { messageId, objects } of messages) {
        const images = this.#byMessage.get(messageId) ?? this.#imagesOf(objects, time);
        this.#byMessage.set(messageId, images);
        all.push(...images);
        for (const image of images) {
          const leg = this.#leg(image, worker);
          const times = leg.receives > 1 ? `, after the queue handed it out ${timesOf(leg.receives)}` : "";
          const text = `The function began to work on it${times}.`;
          const ms = leg.state === "waiting" || leg.state === "again" ? span(leg.since, time) : 0;
          this.#step(image, { time, what: "begun", worker: worker.name, text, ms });
          this.#flowed(station.queue(worker.name), station.function(worker.name));
          if (leg.state !== "done") this.#to(image, leg, "working", time);
        }
      }
      this.#byRequest.set(requestId, all);
      trim(this.#byRequest, MAX_ENTRIES);
    },

    logged: ({ time, functionName, requestId, line, failed }) => {
      const worker = this.#byFunction.get(functionName);
      if (!worker) return;
      const { message, key, versionId, code, reason } = recordOf(line);
      for (const image of this.#byRequest.get(requestId) ?? []) {
        const isMeant =
          key === undefined || (key === image.key && (versionId ?? image.versionId) === image.versionId);
        if (!isMeant) continue;
        add(image.logs, { time, worker: worker.name, line });
        const leg = this.#leg(image, worker);
        if (failed) {
          this.#fault(image, leg, time, failed);
        } else if (message === "rejected") {
          leg.why = { code, reason };
          this.#changed.add(image);
        } else if (message === "superseded") {
          if (leg.state !== "done") this.#to(image, leg, "superseded", time);
          const text = `Nothing to do: ${reason ?? "there is a newer version."}`;
          this.#step(image, { time, what: "other", worker: worker.name, text });
        }
      }
    },

    sent: ({ time, queueArn, messageId, objects }) => {
      const at = this.#byQueue.get(lastPart(queueArn));
      if (!at) return;
      const { worker, dead } = at;
      const images = this.#imagesOf(objects, time);
      this.#byMessage.set(messageId, images);
      for (const image of images) {
        const leg = this.#leg(image, worker);
        if (dead) {
          this.#rejected(image, leg, time, "The function put it into the dead-letter queue.");
          this.#flowed(station.function(worker.name), station.dead(worker.name));
          continue;
        }
        leg.why = {};
        leg.receives = 0;
        if (leg.state === "done") continue;
        this.#step(image, { time, what: "again", worker: worker.name, text: "Sent to the queue again." });
        this.#flowed(station.dead(worker.name), station.queue(worker.name));
        this.#to(image, leg, "waiting", time);
      }
    },

    ended: ({ time, functionName, messageIds, failedMessages, failed }) => {
      const worker = this.#byFunction.get(functionName);
      if (!worker) return;
      for (const messageId of messageIds) {
        for (const image of this.#byMessage.get(messageId) ?? []) {
          const leg = this.#leg(image, worker);
          if (failed) this.#fault(image, leg, time, failed);
          if (failedMessages.includes(messageId)) {
            const text = `It failed, and will be tried again${leg.why.reason ? `: ${leg.why.reason}` : ""}.`;
            this.#step(image, { time, what: "failed", worker: worker.name, text, ms: worked(leg, time) });
            this.#flowed(station.function(worker.name), station.queue(worker.name));
            if (leg.state !== "done") this.#to(image, leg, "again", time);
          } else {
            this.#finish(image, leg, time);
          }
        }
      }
    },

    deleted: ({ time, queueArn, messageId }) => {
      const at = this.#byQueue.get(lastPart(queueArn));
      if (!at) return;
      const { worker, dead } = at;
      const images = this.#byMessage.get(messageId) ?? [];
      // What becomes of the rest of its batch is nothing to a message that its function deleted before.
      if (!dead) this.#byMessage.delete(messageId);
      for (const image of images) {
        const leg = image.legs.get(worker.name);
        if (leg && !dead) this.#finish(image, leg, time);
        if (!dead || leg?.state !== "rejected") continue;
        this.#to(image, leg, "dropped", time);
        const text = "Removed from the dead-letter queue.";
        this.#step(image, { time, what: "other", worker: worker.name, text });
      }
    },

    deadLettered: ({ time, queueArn, messageId, reason }) => {
      const worker = this.#byQueue.get(lastPart(queueArn))?.worker;
      if (!worker) return;
      for (const image of this.#byMessage.get(messageId) ?? []) {
        const leg = this.#leg(image, worker);
        const last = leg.why.reason ? ` The last time: ${leg.why.reason}` : "";
        leg.why =
          reason === undefined
            ? { code: "failed-too-often", reason: `It failed ${timesOf(leg.receives)}.${last}` }
            : { code: "undelivered", reason };
        this.#rejected(image, leg, time, `SQS put it into the dead-letter queue: ${leg.why.reason}`);
        this.#flowed(station.queue(worker.name), station.dead(worker.name));
      }
    },

    decided: ({ kind: _, ...decision }) => {
      const object = /^arn:[^:]+:s3:::([^/]+)\/(.+)$/s.exec(decision.resource);
      const [, bucket = "", key = ""] = object ?? [];
      const image = this.#newest.get(objectOf({ bucket, key })) ?? this.#made(bucket, key)?.image;
      if (image) add(image.decisions, decision);
      // A version is put, a message is published or sent just after that is decided.
      if (/^(s3:Put|sns:|sqs:)/.test(decision.action)) {
        const about = object ? objectOf({ bucket, key }) : decision.resource;
        this.#lastDecisions.set(`${decision.action} ${about}`, decision);
      }
      if (decision.allowed || image) return;
      // A function that is refused something is refused it for what it works on.
      for (const each of [...this.#byRequest.values()].flat()) {
        if ([...each.legs.values()].some(({ state }) => state === "working")) add(each.decisions, decision);
      }
    },
  };

  /** The worker whose result an object is, and the image that it was made of: the one that is being worked on, and else the newest of that key. */
  #made(bucket: string, key: string): { worker: WiredWorker; image: Image | undefined } | undefined {
    const worker = this.#wiring.workers.find(
      ({ results, prefix }) => results === bucket && key.startsWith(`${prefix}/`),
    );
    if (!worker) return undefined;
    const source = objectOf({ bucket: worker.source, key: key.slice(worker.prefix.length + 1) });
    const isMeant = (image: Image) =>
      objectOf(image) === source && image.legs.get(worker.name)?.state === "working";
    for (const images of this.#byRequest.values()) {
      const image = images.find(isMeant);
      if (image) return { worker, image };
    }
    return { worker, image: this.#newest.get(source) };
  }

  #imagesOf(objects: readonly (ObjectVersion | Told)[], time: number): Image[] {
    return objects.flatMap((told) => this.#image(told, time) ?? []);
  }

  /** Finds an image, or takes note of one that is new here. */
  #image(told: Pick<Told, "bucket" | "key"> & Partial<Told>, time: number): Image | undefined {
    const { bucket, key, versionId = "null", size = 0, created } = told;
    const known = this.#byVersion.get(versionOf({ bucket, key, versionId }));
    if (known) return known;
    const workers = this.#wiring.workers.filter(({ source }) => source === bucket);
    if (workers.length === 0 || (key.endsWith("/") && size === 0)) return undefined;
    const image: Image = {
      ...{ id: (++this.#count).toString(36), bucket, key, versionId, size, time: created ?? time },
      ...{ legs: new Map(), steps: [], faults: [], logs: [], decisions: [], isTold: false },
    };
    this.#images.set(image.id, image);
    this.#byVersion.set(versionOf(image), image);
    this.#newest.set(objectOf(image), image);
    for (const worker of workers) {
      const leg = this.#leg(image, worker);
      if (worker.told?.passes({ key, size }) === false) leg.state = "not-told";
    }
    if (created !== undefined) {
      const text = `Uploaded to ${bucket}, before this watch began.`;
      this.#step(image, { time: created, what: "uploaded", text });
    }
    this.#forget();
    return image;
  }

  /** Forgets the oldest images where there are too many. */
  #forget(): void {
    for (const image of this.#images.values()) {
      if (this.#images.size <= MAX_IMAGES) break;
      this.#images.delete(image.id);
      this.#byVersion.delete(versionOf(image));
      if (this.#newest.get(objectOf(image)) === image) this.#newest.delete(objectOf(image));
      this.#changed.delete(image);
      for (const leg of image.legs.values()) this.tallies.forget(leg.worker.name, leg);
    }
    trim(this.#byNotification, MAX_IMAGES);
    trim(this.#byMessage, MAX_IMAGES * Math.max(1, this.#workers.size));
    trim(this.#lastDecisions, MAX_ENTRIES);
  }

  #done(image: Image, worker: WiredWorker, result: NonNullable<MutableLeg["result"]>, time: number): void {
    const leg = this.#leg(image, worker);
    leg.result = result;
    const text = `The result is written to ${result.key}.`;
    this.#step(image, { time, what: "written", worker: worker.name, text, ms: worked(leg, time) });
    if (leg.state === "done") return;
    this.tallies.done(worker.name);
    leg.why = {};
    this.#to(image, leg, "done", time);
    this.#flowed(station.function(worker.name), station.results(worker.name));
  }

  #rejected(image: Image, leg: MutableLeg, time: number, text: string): void {
    const { name } = leg.worker;
    this.#step(image, { time, what: "rejected", worker: name, text, ms: worked(leg, time) });
    if (leg.state === "rejected") return;
    this.tallies.rejected(name);
    this.#to(image, leg, "rejected", time);
  }

  /** Takes note that a function is done with an image. What it did is told by its log, which is read later. */
  #finish(image: Image, leg: MutableLeg, time: number): void {
    if (leg.state === "working") this.#to(image, leg, leg.result ? "done" : "superseded", time);
  }

  #fault(image: Image, leg: MutableLeg, time: number, failed: Failed): void {
    leg.why = { reason: failed.what };
    add(image.faults, { time, worker: leg.worker.name, ...failed });
    this.#changed.add(image);
  }

  #takeDecision(image: Image, about: string): void {
    const decision = this.#lastDecisions.get(about);
    if (decision && !image.decisions.includes(decision)) add(image.decisions, decision);
  }

  #leg(image: Image, worker: WiredWorker): MutableLeg {
    const known = image.legs.get(worker.name);
    if (known) return known;
    const since = image.time;
    const leg: MutableLeg = { worker, state: "on-its-way", receives: 0, why: {}, since, result: undefined };
    image.legs.set(worker.name, leg);
    return leg;
  }

  #to(image: Image, leg: MutableLeg, state: LegState, time: number): void {
    const from = leg.state;
    leg.state = state;
    leg.since = time;
    this.tallies.moved(leg.worker.name, leg, from);
    this.#changed.add(image);
  }

  #step(image: Image, step: Step): void {
    add(image.steps, step);
    this.#changed.add(image);
  }

  #flowed(from: string, to: string): void {
    const link = `${from}>${to}`;
    this.#flow[link] = (this.#flow[link] ?? 0) + 1;
  }
}

function summaryOf({ id, bucket, key, size, time, legs }: Image): ImageSummary {
  return { id, bucket, key, size, time, legs: [...legs.values()].map(legOf) };
}

function legOf({ worker, state, receives, why }: MutableLeg): Leg {
  return { worker: worker.name, state, receives, ...why };
}

function versionOf({ bucket, key, versionId }: ObjectVersion): string {
  return `${bucket}/${versionId}/${key}`;
}

function objectOf({ bucket, key }: Pick<ObjectVersion, "bucket" | "key">): string {
  return `${bucket}/${key}`;
}

/** Adds to a list that has a maximum; the beginning is kept, and what came last. */
function add<Entry>(list: Entry[], entry: Entry): void {
  list.push(entry);
  if (list.length > MAX_ENTRIES) list.splice(MAX_ENTRIES / 2, 1);
}

/** Forgets what was added first. */
function trim(map: Map<string, unknown>, size: number): void {
  for (const key of map.keys()) {
    if (map.size <= size) return;
    map.delete(key);
  }
}

/** The texts in a line that is JSON. */
function recordOf(line: string): Readonly<Record<string, string | undefined>> {
  if (!line.startsWith("{")) return {};
  try {
    return Object.fromEntries(
      Object.entries<string>(JSON.parse(line)).filter(([, value]) => typeof value === "string"),
    );
  } catch {
    return {};
  }
}

/** Milliseconds that a function has worked on it. */
function worked({ state, since }: MutableLeg, now: number): number | undefined {
  return state === "working" ? span(since, now) : undefined;
}

function bytes(size: number): string {
  return size < 10_000 ? `${size.toLocaleString("en")} bytes` : `${(size / 1000).toFixed(0)} kB`;
}

function timesOf(count: number): string {
  return count === 1 ? "once" : count === 2 ? "twice" : `${count} times`;
}
