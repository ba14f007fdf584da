import pMap from "p-map";
import type { Happening } from "./happenings.ts";
import { Model } from "./model.ts";
import { smallImage } from "./pictures.ts";
import type { Selection, Snapshot, Status, Story, Tick } from "./protocol.ts";
import type { Access, ObjectVersion, Source, SourceFile } from "./source.ts";
import { topologyOf, type WiredWorker, type Wiring } from "./wiring.ts";

/** Milliseconds between two ticks, and between two looks at the queues. */
const TICK_MS = 100;
const MEASURE_MS = 1000;
/** Uploads of a burst at the same time. */
const CONCURRENCY = 8;

/** What the person at this computer may do to a machine. */
export interface MachineAccess extends Access {
  put(bucket: string, key: string, body: Buffer): Promise<unknown>;
  /**
   * Sends a worker's dead letters to its queue again, or deletes them.
   * @param about the image that letters must be about; all are meant where it is undefined
   * @returns how many are gone
   */
  deal(worker: WiredWorker, what: "redrive" | "drop", about: ObjectVersion | undefined): Promise<number>;
}

const NOTHING: Wiring = { title: "", place: "", workers: [], fanOuts: [] };

/** A machine on this computer, in this process or another one, which may come and go. */
export class LiveSource implements Source {
  readonly #model = new Model(NOTHING);
  #wiring = NOTHING;
  #access: MachineAccess | undefined;
  #status: Status = { state: "starting" };
  #isNew = false;
  #isHeld = false;
  #bursts = 0;
  readonly #watchers = new Set<(news: Snapshot | Tick) => void>();
  #timers: NodeJS.Timeout[] = [];
  readonly chaos?: (seed: string | undefined) => Promise<string>;

  /** @param chaos has the machine run with faults, where that can be done */
  constructor(chaos?: (seed: string | undefined) => Promise<string>) {
    if (chaos) this.chaos = chaos;
  }

  /** Goes on with a machine that runs, be it the first or one that was started anew. */
  begin(wiring: Wiring, access: MachineAccess): void {
    this.#wiring = wiring;
    this.#access = access;
    this.#model.rewire(wiring);
    this.#isNew = true;
  }

  /** Lets nobody do anything to the machine from here on, while it does what must not be mixed with that, or lets them again. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#isNew = true;
  }

  become(status: Status): void {
    this.#status = status;
    if (status.state !== "running") this.#access = undefined;
  }

  take(happening: Happening): void {
    this.#model.take(happening);
  }

  snapshot(): Snapshot {
    const can = this.#access !== undefined && !this.#isHeld;
    return {
      ...{ kind: "snapshot", time: Date.now(), status: this.#status, topology: topologyOf(this.#wiring) },
      abilities: { upload: can, burst: can, redrive: can, drop: can, chaos: this.chaos !== undefined },
      ...{ counts: this.#model.counts, history: this.#model.history, images: this.#model.images },
    };
  }

  watch(tell: (news: Snapshot | Tick) => void): () => void {
    this.#watchers.add(tell);
    if (this.#watchers.size === 1) {
      this.#model.settle();
      void this.#measure();
      this.#timers = [
        setInterval(() => this.#tell(), TICK_MS).unref(),
        setInterval(() => void this.#measure(), MEASURE_MS).unref(),
      ];
    }
    return () => {
      this.#watchers.delete(tell);
      if (this.#watchers.size === 0) for (const timer of this.#timers) clearInterval(timer);
    };
  }

  async story(image: string): Promise<Story | undefined> {
    return this.#model.story(image);
  }

  async open(image: string, worker: string | undefined): Promise<SourceFile | undefined> {
    const object = this.#model.object(image, worker);
    return object && this.#machine.open(object);
  }

  async upload(key: string, body: Buffer): Promise<string> {
    this.#mayAct();
    for (const bucket of this.#sources) await this.#machine.put(bucket, key, body);
    return `${key} is uploaded.`;
  }

  async burst(count: number): Promise<string> {
    const burst = ++this.#bursts;
    const digits = String(count).length;
    const put = async (index: number) => {
      const key = `burst-${burst}/${String(index + 1).padStart(digits, "0")}.png`;
      await this.upload(key, await smallImage(index));
    };
    await pMap(Array(count).keys(), put, { concurrency: CONCURRENCY });
    return `${count} images are uploaded.`;
  }

  async redrive(selection: Selection): Promise<string> {
    const count = await this.#deal(selection, "redrive");
    return `${count} dead ${count === 1 ? "letter is" : "letters are"} sent to the queue again.`;
  }

  async drop(selection: Selection): Promise<string> {
    const count = await this.#deal(selection, "drop");
    return `${count} dead ${count === 1 ? "letter is" : "letters are"} deleted for good.`;
  }

  async #deal({ worker, image }: Selection, what: "redrive" | "drop"): Promise<number> {
    this.#mayAct();
    const machine = this.#machine;
    const object = image === undefined ? undefined : this.#model.object(image, undefined);
    if (image !== undefined && !object) throw new Error("That image is not known any more.");
    const meant = this.#wiring.workers.filter(({ name }) => worker === undefined || name === worker);
    const counts = await Promise.all(meant.map((each) => machine.deal(each, what, object)));
    return counts.reduce((all, each) => all + each, 0);
  }

  #mayAct(): void {
    if (this.#isHeld)
      throw new Error("The command counts what becomes of its images; try again when it is done.");
  }

  get #machine(): MachineAccess {
    if (this.#access) return this.#access;
    throw new Error("The machine is not running; try again when it is.");
  }

  /** The buckets that images are put into by hand. */
  get #sources(): Set<string> {
    const { fanOuts } = this.#wiring;
    const results = new Set(fanOuts.map((fanOut) => fanOut.results));
    return new Set(fanOuts.map(({ source }) => source).filter((source) => !results.has(source)));
  }

  #tell(): void {
    const { images, flow, second } = this.#model.changes(Date.now());
    if (this.#isNew) {
      this.#isNew = false;
      const snapshot = this.snapshot();
      for (const tell of this.#watchers) tell(snapshot);
      return;
    }
    const changed =
      images.length > 0 || second || Object.keys(flow).length > 0 || this.#told !== this.#status;
    if (!changed) return;
    this.#told = this.#status;
    const { counts } = this.#model;
    const tick: Tick = {
      ...{ kind: "tick", time: Date.now(), status: this.#status, counts, flow, images },
      ...(second && { second }),
    };
    for (const tell of this.#watchers) tell(tick);
  }

  #told: Status | undefined;

  async #measure(): Promise<void> {
    const access = this.#access;
    if (!access) return;
    await Promise.all(
      this.#wiring.workers.map(async ({ name, queue, deadLetterQueue }) => {
        const [own, dead] = await Promise.all([access.count(queue), access.count(deadLetterQueue)]);
        this.#model.measure(name, { ...own, dead: dead.visible + dead.hidden });
      }),
    ).catch(() => {
      // It is going down; its status says so.
    });
  }
}
