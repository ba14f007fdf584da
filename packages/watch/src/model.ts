import type { Happening, Told } from "./happenings.ts";
import {
  type Counts,
  type Decision,
  type Fault,
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
import { lastPart, type WiredWorker, type Wiring } from "./wiring.ts";

/** Images that are remembered; the oldest are forgotten. */
const MAX_IMAGES = 12_000;
/** Images in a snapshot. */
const MAX_SHOWN = 200;
/** Images in one tick: others follow in the next ones. */
const MAX_PER_TICK = 60;
/** Entries of each kind in one image's story: one that is tried for days must not fill the memory. */
const MAX_ENTRIES = 200;
/** Seconds of the past that are kept. */
const MAX_SECONDS = 120;
/** Milliseconds without any event after which what a queue says of itself is believed, even where it is less. */
const QUIET_MS = 2000;

interface MutableLeg {
  readonly worker: WiredWorker;
  state: LegState;
  receives: number;
  code: string | undefined;
  reason: string | undefined;
  /** When it came to this state. */
  since: number;
  result: { readonly key: string; readonly versionId: string; readonly size: number } | undefined;
}

interface Image {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string;
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

/** What is counted of one worker. */
interface Tally {
  done: number;
  rejected: number;
  /** Legs in its queue, those that have waited longest first. */
  readonly waiting: Set<MutableLeg>;
  inFlight: number;
  /** What the queues said last. */
  depth: Depth | undefined;
  /** Time of the last event. */
  last: number;
}

/** What two queues say of themselves. */
export interface Depth {
  readonly visible: number;
  /** With a function, or waiting for the next try. */
  readonly hidden: number;
  /** In the dead-letter queue. */
  readonly dead: number;
}

/** What changed since it was asked last. */
export interface Changes {
  readonly images: readonly ImageSummary[];
  readonly flow: Readonly<Record<string, number>>;
  readonly second: Second | undefined;
}

/**
 * Puts together what happens to each image, from what is told of buckets, topics, queues and functions. It knows neither clock
 * nor network: the same happenings give the same stories.
 */
export class Model {
  #wiring: Wiring;
  #workers = new Map<string, WiredWorker>();
  #byQueue = new Map<string, { worker: WiredWorker; dead: boolean }>();
  #byFunction = new Map<string, WiredWorker>();
  readonly #tallies = new Map<string, Tally>();

  /** The oldest first. */
  readonly #images = new Map<string, Image>();
  readonly #byVersion = new Map<string, Image>();
  readonly #newest = new Map<string, Image>();
  readonly #byNotification = new Map<string, readonly Image[]>();
  readonly #byMessage = new Map<string, readonly Image[]>();
  readonly #byRequest = new Map<string, { readonly images: readonly Image[]; readonly time: number }>();
  /** The last decision of each kind about what names no image; the event that follows from it says which is meant. */
  readonly #lastDecisions = new Map<string, Decision>();

  #count = 0;
  #in = 0;
  #changed = new Set<Image>();
  #flow: Record<string, number> = {};
  readonly #history: Second[] = [];
  #second: { second: number; in: number; done: number; rejected: number } | undefined;
  #finished: Second | undefined;

  constructor(wiring: Wiring) {
    this.#wiring = wiring;
    this.rewire(wiring);
  }

  /** Goes on with a machine that was built anew, whose parts may be others: what was being worked on is taken again. */
  rewire(wiring: Wiring): void {
    this.#wiring = wiring;
    const { workers } = wiring;
    this.#workers = new Map(workers.map((worker) => [worker.name, worker]));
    this.#byQueue = new Map<string, { worker: WiredWorker; dead: boolean }>(
      workers.flatMap((worker) => [
        [lastPart(worker.queue), { worker, dead: false }],
        [lastPart(worker.deadLetterQueue), { worker, dead: true }],
      ]),
    );
    this.#byFunction = new Map(workers.map((worker) => [worker.function, worker]));
    for (const name of this.#tallies.keys()) if (!this.#workers.has(name)) this.#tallies.delete(name);
    for (const image of this.#images.values()) {
      for (const [name, leg] of image.legs) {
        if (leg.state === "working") this.#to(image, leg, "waiting", leg.since);
        if (!this.#workers.has(name)) image.legs.delete(name);
      }
    }
  }

  /** Takes what a worker's queues say of themselves, which counts also what was there before. */
  measure(worker: string, depth: Depth): void {
    if (this.#workers.has(worker)) this.#tally(worker).depth = depth;
  }

  take(happening: Happening): void {
    const { time } = happening;
    this.#roll(time);
    switch (happening.kind) {
      case "put":
        this.#put(happening);
        break;
      case "undelivered":
        this.#undelivered(happening);
        break;
      case "published":
        this.#published(happening);
        break;
      case "delivered":
        this.#delivered(happening);
        break;
      case "sent":
        this.#sent(happening);
        break;
      case "received":
        this.#received(happening);
        break;
      case "begun":
        this.#begun(happening);
        break;
      case "logged":
        this.#logged(happening);
        break;
      case "ended":
        this.#ended(happening);
        break;
      case "deleted":
        this.#deleted(happening);
        break;
      case "deadLettered":
        this.#deadLettered(happening);
        break;
      case "decided":
        this.#decided(happening);
        break;
    }
  }

  get counts(): Counts {
    const workers = [...this.#workers.keys()].map((name) => {
      const { done, rejected, waiting, inFlight, depth, last } = this.#tally(name);
      const now = this.#second ? this.#second.second * 1000 : last;
      const [oldest] = waiting;
      const quiet = now - last > QUIET_MS;
      const said = depth && (quiet ? Math.max(0, depth.visible + depth.hidden - inFlight) : depth.visible);
      const counts = {
        waiting: said === undefined ? waiting.size : quiet ? said : Math.max(waiting.size, said),
        inFlight,
        oldest: oldest ? Math.max(0, Math.round((now - oldest.since) / 1000)) : 0,
        ...{ done, rejected, dead: depth?.dead ?? 0 },
      };
      return [name, counts] as const;
    });
    const last = this.#history.at(-1);
    return {
      in: this.#in,
      inPerSecond: last?.in ?? 0,
      donePerSecond: (last?.done ?? 0) + (last?.rejected ?? 0),
      workers: Object.fromEntries(workers),
    };
  }

  get history(): readonly Second[] {
    return this.#history;
  }

  /** The newest images, the newest last. */
  get images(): ImageSummary[] {
    const skip = Math.max(0, this.#images.size - MAX_SHOWN);
    return [...this.#images.values()].slice(skip).map(summaryOf);
  }

  /** What changed since it was asked last. @param now milliseconds since 1970 */
  changes(now: number): Changes {
    this.#roll(now);
    const images = this.#chosen().map((image) => {
      this.#changed.delete(image);
      image.isTold = true;
      return summaryOf(image);
    });
    const [flow, second] = [this.#flow, this.#finished];
    this.#flow = {};
    this.#finished = undefined;
    return { images, flow, second };
  }

  /** The changed images that are told next: those that are known already go on first, so that they do not seem to stand. */
  #chosen(): Image[] {
    const known: Image[] = [];
    const others: Image[] = [];
    for (const image of this.#changed) {
      if (known.length === MAX_PER_TICK) break;
      if (image.isTold) known.push(image);
      else if (others.length < MAX_PER_TICK) others.push(image);
    }
    return [...known, ...others].slice(0, MAX_PER_TICK);
  }

  /** Forgets what `changes` would tell: whoever asks next has all of it from the images and counts. */
  settle(): void {
    this.#changed.clear();
    this.#flow = {};
    this.#finished = undefined;
  }

  story(id: string): Story | undefined {
    const image = this.#images.get(id);
    if (!image) return undefined;
    const { steps, faults, logs, decisions } = image;
    const results = [...image.legs.values()].flatMap(({ worker, result }) =>
      result ? [{ worker: worker.name, key: result.key, size: result.size }] : [],
    );
    const sorted = steps.toSorted((a, b) => a.time - b.time);
    return { image: summaryOf(image), steps: sorted, faults, logs, decisions, results };
  }

  /** Where the bytes are of an image, or of what a worker made of it. */
  object(id: string, worker: string | undefined): ObjectVersion | undefined {
    const image = this.#images.get(id);
    if (!image) return undefined;
    if (worker === undefined) return image;
    const leg = image.legs.get(worker);
    return leg?.result && { bucket: leg.worker.results, ...leg.result };
  }

  #put({ time, bucket, key, versionId, size }: Extract<Happening, { kind: "put" }>): void {
    const worker = this.#wiring.workers.find(
      ({ results, prefix }) => results === bucket && key.startsWith(`${prefix}/`),
    );
    if (worker) {
      const image = this.#sourceOf(worker, key.slice(worker.prefix.length + 1));
      if (image) {
        const leg = this.#leg(image, worker);
        leg.result = { key, versionId, size };
        this.#done(image, leg, time);
      }
    }
    // What takes results of others has them for images.
    if (this.#wiring.fanOuts.some(({ source }) => source === bucket)) {
      this.#image({ bucket, key, versionId, size, created: time }, time, true);
    }
  }

  /** The image that a result is of: the one that is being worked on, and else the newest of that key. */
  #sourceOf(worker: WiredWorker, key: string): Image | undefined {
    for (const { images } of this.#byRequest.values()) {
      const image = images.find(
        (each) =>
          each.key === key &&
          each.bucket === worker.source &&
          each.legs.get(worker.name)?.state === "working",
      );
      if (image) return image;
    }
    return this.#newest.get(objectOf({ bucket: worker.source, key }));
  }

  #done(image: Image, leg: MutableLeg, time: number): void {
    const { worker, since, state } = leg;
    const ms = state === "working" ? Math.max(0, time - since) : undefined;
    const text = `The result is written to ${leg.result?.key}.`;
    this.#step(image, { time, what: "written", worker: worker.name, text, ...(ms !== undefined && { ms }) });
    if (state === "done") return;
    const tally = this.#tally(worker.name);
    tally.done++;
    if (this.#second) this.#second.done++;
    leg.code = undefined;
    leg.reason = undefined;
    this.#to(image, leg, "done", time);
    this.#flowed(station.function(worker.name), station.results(worker.name));
  }

  /** Finds an image, or takes note of one that is new here. */
  #image(told: Told, time: number, put: boolean): Image | undefined {
    const { bucket, key, size = 0 } = told;
    const versionId = told.versionId ?? "null";
    const known = this.#byVersion.get(versionOf({ bucket, key, versionId }));
    if (known) return known;
    const workers = this.#wiring.workers.filter(({ source }) => source === bucket);
    if (workers.length === 0 || (key.endsWith("/") && size === 0)) return undefined;
    const image: Image = {
      ...{ id: (++this.#count).toString(36), bucket, key, versionId, size, time: told.created ?? time },
      ...{ legs: new Map(), steps: [], faults: [], logs: [], decisions: [], isTold: false },
    };
    this.#images.set(image.id, image);
    this.#byVersion.set(versionOf(image), image);
    this.#newest.set(objectOf(image), image);
    for (const worker of workers) {
      const leg = this.#leg(image, worker);
      if (!(worker.told?.passes({ key, size }) ?? true)) leg.state = "not-told";
    }
    if (put) {
      this.#in++;
      if (this.#second) this.#second.in++;
      this.#step(image, { time, what: "uploaded", text: `Uploaded to ${bucket}: ${bytes(size)}.` });
      this.#takeDecision(image, `s3:PutObject ${bucket}/${key}`);
    } else if (told.created !== undefined) {
      const text = `Uploaded to ${bucket}, before this watch began.`;
      this.#step(image, { time: image.time, what: "uploaded", text });
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
      for (const leg of image.legs.values()) this.#tally(leg.worker.name).waiting.delete(leg);
    }
    trim(this.#byNotification, MAX_IMAGES);
    trim(this.#byMessage, MAX_IMAGES * Math.max(1, this.#workers.size));
    trim(this.#byRequest, MAX_ENTRIES);
    trim(this.#lastDecisions, MAX_ENTRIES);
  }

  #undelivered({ time, objects, ...told }: Extract<Happening, { kind: "undelivered" }>): void {
    const { lost, error, attempt } = told;
    for (const object of objects) {
      const image = this.#byVersion.get(versionOf(object));
      if (!image) continue;
      const again = lost ? "It is lost." : "S3 tries again.";
      const text = `S3 could not publish the event (try ${attempt}): ${error}. ${again}`;
      this.#step(image, { time, what: "failed", text });
      if (lost) for (const leg of image.legs.values()) this.#to(image, leg, "lost", time);
    }
  }

  #published({ time, topicArn, notificationId, objects }: Extract<Happening, { kind: "published" }>): void {
    const images = objects.flatMap((object) => {
      const told = { ...object, size: undefined, created: undefined };
      return this.#image(told, time, false) ?? [];
    });
    if (images.length > 0) this.#byNotification.set(notificationId, images);
    for (const image of images) {
      const text = `S3 told the topic ${lastPart(topicArn)} of it.`;
      this.#step(image, { time, what: "event", text, ms: Math.max(0, time - image.time) });
      this.#takeDecision(image, `sns:Publish ${topicArn}`);
      const fanOut = this.#wiring.workers.find(({ source }) => source === image.bucket)?.fanOut;
      if (fanOut !== undefined) this.#flowed(station.source(fanOut), station.topic(fanOut));
      this.#touch(image);
    }
  }

  #delivered({ time, ...told }: Extract<Happening, { kind: "delivered" }>): void {
    const { notificationId, queueArn, messageId } = told;
    const worker = this.#byQueue.get(lastPart(queueArn))?.worker;
    const images = this.#byNotification.get(notificationId) ?? [];
    if (!worker || images.length === 0) return;
    this.#byMessage.set(messageId, images);
    for (const image of images) {
      const leg = this.#leg(image, worker);
      const text = `The topic put it into the queue ${lastPart(queueArn)}.`;
      const published = image.steps.findLast(({ what }) => what === "event")?.time ?? time;
      const ms = Math.max(0, time - published);
      this.#step(image, { time, what: "delivered", worker: worker.name, text, ms });
      this.#takeDecision(image, `sqs:SendMessage ${queueArn}`);
      this.#flowed(station.topic(worker.fanOut), station.queue(worker.name));
      // It may come twice, the second time after all is done.
      if (leg.state === "on-its-way" || leg.state === "not-told") this.#to(image, leg, "waiting", time);
    }
  }

  #received({ time, ...told }: Extract<Happening, { kind: "received" }>): void {
    const at = this.#byQueue.get(lastPart(told.queueArn));
    if (!at || at.dead) return;
    this.#tally(at.worker.name).last = time;
    for (const image of this.#byMessage.get(told.messageId) ?? []) {
      this.#leg(image, at.worker).receives = told.receiveCount;
    }
  }

  #sent({ time, queueArn, messageId, objects }: Extract<Happening, { kind: "sent" }>): void {
    const at = this.#byQueue.get(lastPart(queueArn));
    if (!at) return;
    const images = objects.flatMap((told) => this.#image(told, time, false) ?? []);
    this.#byMessage.set(messageId, images);
    const { worker, dead } = at;
    for (const image of images) {
      const leg = this.#leg(image, worker);
      if (dead) {
        this.#rejected(image, leg, time, "The function put it into the dead-letter queue.");
        this.#flowed(station.function(worker.name), station.dead(worker.name));
      } else {
        leg.code = undefined;
        leg.reason = undefined;
        leg.receives = 0;
        if (leg.state === "done") continue;
        const text = "Sent to the queue again.";
        this.#step(image, { time, what: "again", worker: worker.name, text });
        this.#flowed(station.dead(worker.name), station.queue(worker.name));
        this.#to(image, leg, "waiting", time);
      }
    }
  }

  #rejected(image: Image, leg: MutableLeg, time: number, text: string): void {
    const ms = leg.state === "working" ? { ms: Math.max(0, time - leg.since) } : {};
    this.#step(image, { time, what: "rejected", worker: leg.worker.name, text, ...ms });
    if (leg.state === "rejected") return;
    const tally = this.#tally(leg.worker.name);
    tally.rejected++;
    if (this.#second) this.#second.rejected++;
    this.#to(image, leg, "rejected", time);
  }

  #begun({ time, requestId, functionName, messages }: Extract<Happening, { kind: "begun" }>): void {
    const worker = this.#byFunction.get(functionName);
    if (!worker) return;
    const all: Image[] = [];
    for (const { messageId, objects } of messages) {
      let images = this.#byMessage.get(messageId);
      if (!images?.length) {
        images = objects.flatMap((told) => this.#image(told, time, false) ?? []);
        this.#byMessage.set(messageId, images);
      }
      for (const image of images) {
        const leg = this.#leg(image, worker);
        const text =
          leg.receives > 1
            ? `The function began with it, which the queue handed out ${times(leg.receives)}.`
            : "The function began with it.";
        const ms = leg.state === "waiting" || leg.state === "again" ? Math.max(0, time - leg.since) : 0;
        this.#step(image, { time, what: "begun", worker: worker.name, text, ms });
        this.#flowed(station.queue(worker.name), station.function(worker.name));
        if (leg.state !== "done") this.#to(image, leg, "working", time);
        all.push(image);
      }
    }
    this.#byRequest.set(requestId, { images: all, time });
    trim(this.#byRequest, MAX_ENTRIES);
  }

  #logged({ time, functionName, requestId, line, failed }: Extract<Happening, { kind: "logged" }>): void {
    const worker = this.#byFunction.get(functionName);
    const request = this.#byRequest.get(requestId);
    if (!worker || !request) return;
    const record = recordOf(line);
    const concerned =
      typeof record?.key === "string"
        ? request.images.filter(({ key, versionId }) => {
            return key === record.key && (record.versionId === undefined || record.versionId === versionId);
          })
        : request.images;
    for (const image of concerned) {
      add(image.logs, { time, worker: worker.name, line });
      const leg = this.#leg(image, worker);
      if (failed) {
        this.#fault(image, leg, time, failed);
      } else if (record?.message === "rejected") {
        leg.code = textOf(record.code);
        leg.reason = textOf(record.reason);
        this.#touch(image);
      } else if (record?.message === "superseded") {
        if (leg.state !== "done") this.#to(image, leg, "superseded", time);
        const text = `Nothing was to be done: ${textOf(record.reason) ?? "a newer version is there."}`;
        this.#step(image, { time, what: "other", worker: worker.name, text });
      }
    }
  }

  #fault(
    image: Image,
    leg: MutableLeg,
    time: number,
    failed: NonNullable<Extract<Happening, { kind: "ended" }>["failed"]>,
  ): void {
    const { what, place, code, stack } = failed;
    leg.reason = what;
    const details = { ...(place && { place }), ...(code && { code }), ...(stack && { stack }) };
    add(image.faults, { time, worker: leg.worker.name, what, ...details });
    this.#touch(image);
  }

  #ended({ time, requestId, functionName, ...told }: Extract<Happening, { kind: "ended" }>): void {
    const worker = this.#byFunction.get(functionName);
    if (!worker) return;
    const { messageIds, failedMessages, failed } = told;
    const begun = this.#byRequest.get(requestId)?.time ?? time;
    for (const messageId of messageIds) {
      for (const image of this.#byMessage.get(messageId) ?? []) {
        const leg = this.#leg(image, worker);
        if (failed) this.#fault(image, leg, time, failed);
        if (failedMessages.includes(messageId)) {
          const text = `It failed, and is tried again${leg.reason ? `: ${leg.reason}` : ""}.`;
          const ms = Math.max(0, time - begun);
          this.#step(image, { time, what: "failed", worker: worker.name, text, ms });
          this.#flowed(station.function(worker.name), station.queue(worker.name));
          if (leg.state !== "done") this.#to(image, leg, "again", time);
        } else if (leg.state === "working") {
          // What it did is told by its log, which is read later.
          this.#to(image, leg, leg.result ? "done" : "superseded", time);
        }
      }
    }
  }

  #deleted({ time, queueArn, messageId }: Extract<Happening, { kind: "deleted" }>): void {
    const at = this.#byQueue.get(lastPart(queueArn));
    if (!at) return;
    const images = this.#byMessage.get(messageId) ?? [];
    // What becomes of the rest of its batch is nothing to a message that its function deleted before.
    if (!at.dead) this.#byMessage.delete(messageId);
    for (const image of images) {
      const leg = image.legs.get(at.worker.name);
      if (!at.dead && leg?.state === "working") {
        this.#to(image, leg, leg.result ? "done" : "superseded", time);
      }
      if (!at.dead || leg?.state !== "rejected") continue;
      this.#to(image, leg, "dropped", time);
      const text = "Taken out of the dead-letter queue.";
      this.#step(image, { time, what: "other", worker: at.worker.name, text });
    }
  }

  #deadLettered({ time, queueArn, messageId, reason }: Extract<Happening, { kind: "deadLettered" }>): void {
    const worker = this.#byQueue.get(lastPart(queueArn))?.worker;
    if (!worker) return;
    for (const image of this.#byMessage.get(messageId) ?? []) {
      const leg = this.#leg(image, worker);
      const last = leg.reason ? ` The last time: ${leg.reason}` : "";
      leg.code = reason === undefined ? "failed-too-often" : "undelivered";
      leg.reason = reason ?? `It failed ${times(leg.receives)}.${last}`;
      this.#rejected(image, leg, time, `SQS put it into the dead-letter queue: ${leg.reason}`);
      this.#flowed(station.queue(worker.name), station.dead(worker.name));
    }
  }

  #decided({ kind: _, ...told }: Extract<Happening, { kind: "decided" }>): void {
    const { by, message, ...decided } = told;
    const decision = { ...decided, ...(by && { by }), ...(message && { message }) };
    const object = /^arn:[^:]+:s3:::([^/]+)\/(.+)$/s.exec(decision.resource);
    const [, bucket = "", key = ""] = object ?? [];
    const image = object && this.#concerned(bucket, key);
    if (image) add(image.decisions, decision);
    // A version is put, a message is published or sent just after that is decided.
    if (/^(s3:Put|sns:|sqs:)/.test(decision.action)) {
      const about = object ? `${bucket}/${key}` : decision.resource;
      this.#lastDecisions.set(`${decision.action} ${about}`, decision);
    }
    if (decision.allowed || image) return;
    // A function that is refused something is refused it for what it works on.
    for (const [, { images }] of this.#byRequest) {
      for (const each of images) {
        const working = [...each.legs.values()].some(({ state }) => state === "working");
        if (working) add(each.decisions, decision);
      }
    }
  }

  /** The image that a request for an object is about. */
  #concerned(bucket: string, key: string): Image | undefined {
    const own = this.#newest.get(objectOf({ bucket, key }));
    if (own) return own;
    const worker = this.#wiring.workers.find(
      ({ results, prefix }) => results === bucket && key.startsWith(`${prefix}/`),
    );
    return worker && this.#sourceOf(worker, key.slice(worker.prefix.length + 1));
  }

  #takeDecision(image: Image, about: string): void {
    const decision = this.#lastDecisions.get(about);
    if (decision && !image.decisions.includes(decision)) add(image.decisions, decision);
  }

  #leg(image: Image, worker: WiredWorker): MutableLeg {
    let leg = image.legs.get(worker.name);
    if (!leg) {
      leg = {
        ...{ worker, state: "on-its-way", receives: 0, since: image.time },
        ...{ code: undefined, reason: undefined, result: undefined },
      };
      image.legs.set(worker.name, leg);
    }
    return leg;
  }

  #to(image: Image, leg: MutableLeg, state: LegState, time: number): void {
    const tally = this.#tally(leg.worker.name);
    tally.last = Math.max(tally.last, time);
    if (leg.state === "working") tally.inFlight--;
    tally.waiting.delete(leg);
    leg.state = state;
    leg.since = time;
    if (state === "working") tally.inFlight++;
    if (state === "waiting" || state === "again") tally.waiting.add(leg);
    this.#touch(image);
  }

  #tally(worker: string): Tally {
    let tally = this.#tallies.get(worker);
    if (!tally) {
      tally = { done: 0, rejected: 0, waiting: new Set(), inFlight: 0, depth: undefined, last: 0 };
      this.#tallies.set(worker, tally);
    }
    return tally;
  }

  #step(image: Image, step: Step): void {
    add(image.steps, step);
    this.#touch(image);
  }

  #touch(image: Image): void {
    this.#changed.add(image);
  }

  #flowed(from: string, to: string): void {
    const link = `${from}>${to}`;
    this.#flow[link] = (this.#flow[link] ?? 0) + 1;
  }

  /** Closes the seconds that are over. */
  #roll(now: number): void {
    const second = Math.floor(now / 1000);
    this.#second ??= { second, in: 0, done: 0, rejected: 0 };
    if (second <= this.#second.second) return;
    const workers = Object.values(this.counts.workers);
    const sum = (of: (counts: (typeof workers)[number]) => number) =>
      workers.reduce((all, each) => all + of(each), 0);
    this.#finished = {
      ...this.#second,
      waiting: sum(({ waiting }) => waiting),
      inFlight: sum(({ inFlight }) => inFlight),
      oldest: Math.max(0, ...workers.map(({ oldest }) => oldest ?? 0)),
    };
    this.#history.push(this.#finished);
    // Seconds in which nobody looked were like the last one, but that nothing came and went.
    const idle = Math.min(second - this.#second.second - 1, MAX_SECONDS);
    for (let ago = idle; ago > 0; ago--) {
      this.#history.push({ ...this.#finished, second: second - ago, in: 0, done: 0, rejected: 0 });
    }
    this.#history.splice(0, Math.max(0, this.#history.length - MAX_SECONDS));
    this.#second = { second, in: 0, done: 0, rejected: 0 };
  }
}

function summaryOf({ id, bucket, key, size, time, legs }: Image): ImageSummary {
  return { id, bucket, key, size, time, legs: [...legs.values()].map(legOf) };
}

function legOf({ worker, state, receives, code, reason }: MutableLeg): Leg {
  const why = { ...(code !== undefined && { code }), ...(reason !== undefined && { reason }) };
  return { worker: worker.name, state, receives, ...why };
}

function versionOf({ bucket, key, versionId }: { bucket: string; key: string; versionId: string }): string {
  return `${bucket}/${versionId}/${key}`;
}

function objectOf({ bucket, key }: { bucket: string; key: string }): string {
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

function recordOf(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function bytes(size: number): string {
  return size < 10_000 ? `${size.toLocaleString("en")} bytes` : `${(size / 1000).toFixed(0)} kB`;
}

function times(count: number): string {
  return count === 1 ? "once" : count === 2 ? "twice" : `${count} times`;
}
