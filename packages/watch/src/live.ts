import pMap from "p-map";
import type { Happening } from "./happenings.ts";
import { Model } from "./model.ts";
import { smallImage } from "./pictures.ts";
import type { Snapshot, Status, Story, Tick } from "./protocol.ts";
import type { Access, ObjectVersion, Source, SourceFile } from "./source.ts";
import { Watchers } from "./watchers.ts";
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
  readonly #watchers = new Watchers(
    () => this.#model.settle(),
    [TICK_MS, () => this.#tick()],
    [MEASURE_MS, () => this.#measure()],
  );
  #wiring = NOTHING;
  #access: MachineAccess | undefined;
  #status: Status = { state: "starting" };
  #isHeld = false;
  #bursts = 0;
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
    this.#watchers.tell(this.snapshot());
  }

  /** Lets nobody do anything to the machine from here on, while it does what must not be mixed with that, or lets them again. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#watchers.tell(this.snapshot());
  }

  become(status: Status): void {
    this.#status = status;
    if (status.state !== "running") this.#access = undefined;
    this.#watchers.tell(this.snapshot());
  }

  take(happening: Happening): void {
    this.#model.take(happening);
  }

  snapshot(): Snapshot {
    const { images, tallies } = this.#model;
    const { counts, history } = tallies;
    return {
      ...{ kind: "snapshot", time: Date.now(), status: this.#status, topology: topologyOf(this.#wiring) },
      abilities: { act: this.#access !== undefined && !this.#isHeld, chaos: this.chaos !== undefined },
      ...{ counts, history, images },
    };
  }

  watch(tell: (news: Snapshot | Tick) => void): () => void {
    return this.#watchers.add(tell);
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
    const { fanOuts } = this.#wiring;
    // What takes results of others has them from there.
    const sources = fanOuts
      .map(({ source }) => source)
      .filter((source) => !fanOuts.some(({ results }) => results === source));
    for (const bucket of new Set(sources)) await this.#machine.put(bucket, key, body);
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

  async deal(what: "redrive" | "drop", image: string | undefined): Promise<string> {
    this.#mayAct();
    const machine = this.#machine;
    const about = image === undefined ? undefined : this.#model.object(image, undefined);
    if (image !== undefined && !about) throw new Error("That image is not known any more.");
    const counts = await Promise.all(this.#wiring.workers.map((worker) => machine.deal(worker, what, about)));
    const count = counts.reduce((all, each) => all + each, 0);
    const letters = `${count} dead ${count === 1 ? "letter is" : "letters are"}`;
    return `${letters} ${what === "drop" ? "deleted for good" : "sent to the queue again"}.`;
  }

  #mayAct(): void {
    if (this.#isHeld)
      throw new Error("The command is still waiting for its own images; try again when it is done.");
  }

  get #machine(): MachineAccess {
    if (this.#access) return this.#access;
    throw new Error("The machine is not running; try again when it is.");
  }

  #tick(): void {
    const time = Date.now();
    const { images, flow, second } = this.#model.changes(time);
    if (images.length === 0 && !second && Object.keys(flow).length === 0) return;
    this.#watchers.tell({
      ...{ kind: "tick", time, status: this.#status, counts: this.#model.tallies.counts, flow, images },
      ...(second && { second }),
    });
  }

  async #measure(): Promise<void> {
    const access = this.#access;
    if (!access) return;
    await Promise.all(
      this.#wiring.workers.map(async ({ name, queue, deadLetterQueue }) => {
        const [own, dead] = await Promise.all([access.count(queue), access.count(deadLetterQueue)]);
        this.#model.tallies.measure(name, { ...own, dead: dead.visible + dead.hidden });
      }),
    ).catch(() => {
      // It is going down; its status says so.
    });
  }
}
