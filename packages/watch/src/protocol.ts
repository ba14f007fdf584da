/**
 * What the server of the watch page and the page tell each other: types alone, so that the browser's code can have them.
 *
 * Everything is below `http://127.0.0.1:PORT/TOKEN/`:
 *
 * | Request | Answer |
 * |---|---|
 * | `GET events` | server-sent events: a `Snapshot` first and whenever all is new, then a `Tick` for what changed |
 * | `GET story/IMAGE` | a `Story` |
 * | `GET picture/IMAGE?worker=W&size=thumb` | a picture of the source, or of a worker's result, as sharp made it; 404 where there is none |
 * | `GET file/IMAGE?worker=W` | the file itself, as an attachment |
 * | `POST upload?name=KEY` | takes the body as an image: `Done` |
 * | `POST burst?count=N` | puts so many small images in: `Done` |
 * | `POST redrive?image=IMAGE`, `POST drop?image=IMAGE` | deals with the dead letters about one image, or without it with all: `Done` |
 * | `POST chaos?seed=SEED` | lets things go wrong on purpose, or without a seed ends that: `Done` |
 *
 * Names of files are strangers' texts: nothing here is markup.
 */

/** The machine as it is drawn: what the program registered, in the order in which it did. */
export interface Topology {
  /** For example `rube-goldberg-image-machine/dev`. */
  readonly title: string;
  /** Where it runs, to follow the title: `on this computer`, `in eu-west-1`. */
  readonly place: string;
  readonly fanOuts: readonly FanOutView[];
}

export interface FanOutView {
  readonly name: string;
  /** Name of the bucket that images are put into; where it is another fan-out's results, they come from there. */
  readonly source: string;
  /** Name of the topic. */
  readonly topic: string;
  /** Name of the bucket that results are in. */
  readonly results: string;
  readonly workers: readonly WorkerView[];
}

export interface WorkerView {
  /** The only one of this name in the topology: after its fan-out's and a slash where there are several fan-outs. */
  readonly name: string;
  /** Degrees clockwise that it turns images by, below 360; absent for a worker that does something else. */
  readonly angle?: number;
  /** Says which images it is told of; absent where it is told of all. */
  readonly told?: string;
  /** Names, for a person who looks for them elsewhere. */
  readonly queue: string;
  readonly deadLetterQueue: string;
  readonly function: string;
}

/** What the page may ask for; a button is only there for what can be done. */
export interface Abilities {
  /** Images can be put in, and dead letters dealt with. */
  readonly act: boolean;
  readonly chaos: boolean;
}

/** Where an image is on its way to one worker's result. */
export type LegState =
  /** Put into the bucket; its event is not in the queue yet. */
  | "on-its-way"
  /** In the queue. */
  | "waiting"
  /** With the function. */
  | "working"
  /** It failed, and is in the queue until the next try. */
  | "again"
  /** Its result is written. */
  | "done"
  /** Nothing was to be done: a newer version is there. */
  | "superseded"
  /** In the dead-letter queue. */
  | "rejected"
  /** Taken out of the dead-letter queue, and not sent again. */
  | "dropped"
  /** The worker does not get such images. */
  | "not-told"
  /** Its event was lost, as a policy did not let it pass. */
  | "lost";

/** One image's way to one worker. */
export interface Leg {
  readonly worker: string;
  readonly state: LegState;
  /** How often the queue handed its message out. */
  readonly receives: number;
  /** Identifies why it was rejected, for example `corrupt`. */
  readonly code?: string | undefined;
  /** Says why it was rejected or is tried again, in a sentence. */
  readonly reason?: string | undefined;
}

/** One version of one object. */
export interface ImageSummary {
  /** Of this watch alone, letters and digits. */
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly size: number;
  /** When it was put, in milliseconds since 1970. */
  readonly time: number;
  readonly legs: readonly Leg[];
}

/** Numbers of one worker. */
export interface WorkerCounts {
  /** In the queue, those that wait for their next try among them. */
  readonly waiting: number;
  readonly inFlight: number;
  /** Seconds that the oldest one has waited. */
  readonly oldest: number;
  readonly done: number;
  readonly rejected: number;
  /** In the dead-letter queue now. */
  readonly dead: number;
}

export interface Counts {
  /** Images that were put; `null` where the source cannot know. */
  readonly in: number | null;
  readonly workers: Readonly<Record<string, WorkerCounts>>;
}

/** One second of the past, for sparklines: sums over all workers. */
export interface Second {
  /** Seconds since 1970. */
  readonly second: number;
  readonly in: number;
  readonly waiting: number;
  readonly inFlight: number;
  readonly oldest: number;
  readonly done: number;
  readonly rejected: number;
}

export interface Status {
  /** `starting`: the machine is being built, after a change perhaps; `stopped`: it does not run, `message` says why. */
  readonly state: "starting" | "running" | "stopped";
  readonly message?: string;
  /** Seed of the faults that are made on purpose; absent where none are. */
  readonly chaos?: string;
}

/** Everything that the page shows without being asked. It replaces whatever the page knew. */
export interface Snapshot {
  readonly kind: "snapshot";
  /** Milliseconds since 1970, by the clock that all times here are of. */
  readonly time: number;
  readonly topology: Topology;
  readonly abilities: Abilities;
  readonly status: Status;
  readonly counts: Counts;
  readonly history: readonly Second[];
  /** The newest ones, the newest last. */
  readonly images: readonly ImageSummary[];
}

/** How many images passed each link since the last tick, by `FROM>TO` of stations' names. */
export type Flow = Readonly<Record<string, number>>;

/** What changed since the snapshot or the last tick, ten times a second at most. */
export interface Tick {
  readonly kind: "tick";
  readonly time: number;
  readonly status: Status;
  readonly counts: Counts;
  /** The last second that is over, where it was not told of yet. */
  readonly second?: Second | undefined;
  readonly flow: Flow;
  /** Images that are new or have changed, as they are now: at high rates some of them, others follow later. */
  readonly images: readonly ImageSummary[];
}

/** A step in the story of an image. */
export interface Step {
  readonly time: number;
  readonly what:
    | "uploaded"
    | "event"
    | "delivered"
    | "received"
    | "begun"
    | "written"
    | "failed"
    | "rejected"
    | "again"
    | "other";
  /** Absent where all workers share it. */
  readonly worker?: string;
  /** Says what happened, in a sentence. */
  readonly text: string;
  /** Milliseconds that it took, since the step it follows from. */
  readonly ms?: number | undefined;
}

/** What a function or its handler failed with. */
export interface Failed {
  readonly what: string;
  /** The place in the project's source, for example `handlers/grey.ts:5:51`. */
  readonly place?: string | undefined;
  /** The line of code there. */
  readonly code?: string | undefined;
  readonly stack?: string | undefined;
}

export interface Fault extends Failed {
  readonly time: number;
  readonly worker: string;
}

export interface LogLine {
  readonly time: number;
  readonly worker: string;
  readonly line: string;
}

/** What a policy decided about a request that concerned the image. */
export interface Decision {
  readonly time: number;
  /** The caller: a role's, user's or service's name. */
  readonly who: string;
  readonly action: string;
  readonly resource: string;
  readonly allowed: boolean;
  /** Policy and statement that decided; absent where nothing allowed it. */
  readonly by?: string | undefined;
  /** Why it was denied. */
  readonly message?: string | undefined;
}

/** All that is known of one image. */
export interface Story {
  readonly image: ImageSummary;
  readonly steps: readonly Step[];
  readonly faults: readonly Fault[];
  readonly logs: readonly LogLine[];
  readonly decisions: readonly Decision[];
  /** Results that are there, by worker. */
  readonly results: readonly { readonly worker: string; readonly key: string; readonly size: number }[];
}

/** The answer to a request that does something, with a sentence that says what was done; or why not. */
export interface Done {
  readonly ok: boolean;
  readonly message: string;
}

/** Names the stations of a topology, between which images move. */
export const station = {
  source: (fanOut: string) => `source:${fanOut}`,
  topic: (fanOut: string) => `topic:${fanOut}`,
  queue: (worker: string) => `queue:${worker}`,
  function: (worker: string) => `function:${worker}`,
  results: (worker: string) => `results:${worker}`,
  dead: (worker: string) => `dead:${worker}`,
};
