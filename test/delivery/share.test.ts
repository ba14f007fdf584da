import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import fc from "fast-check";
import { ImageRejected } from "image-turn";
import { Delivery } from "../../src/delivery/delivery.ts";
import { secondsOfLargest } from "../../src/delivery/limits.ts";
import type { Within } from "../../src/delivery/send.ts";
import {
  imagesFor,
  promisedWork,
  requestTime,
  reserve,
  Shares,
  secondsFor,
} from "../../src/delivery/share.ts";
import type { Worker } from "../../src/delivery/worker.ts";
import { checkWorkerSettings } from "../../src/topology/worker-settings.ts";
import { s3Record, sqsRecord } from "../support/events.ts";
import { timersOf, VirtualTime } from "../support/virtual-time.ts";
import { fakeWorker } from "../support/worker.ts";

/** What an image of a batch is like, times as parts of what is promised. */
interface Image {
  /**
   * "never" needs more than there can be, and stops when it is told to, up to a second late; "unanswered" is never read, and
   * "unwritten" never written.
   */
  readonly kind: "good" | "largest" | "never" | "broken" | "unanswered" | "unwritten";
  readonly work: number;
  readonly download: number;
}

/** How many images may be in hand, and how many bytes, of which each takes ten, and twice as many while it is read. */
interface Room {
  readonly depth: number;
  readonly byteLimit: number;
}

/** Delivers a batch on a clock that moves only where everybody waits. */
async function invoke(timeout: number, messages: readonly (readonly Image[])[], { depth, byteLimit }: Room) {
  const images = messages.flat();
  const whole = timeout * 1000;
  const promise = promisedWork(whole, images.length);
  const requests = requestTime((whole - reserve(images.length, whole)) / images.length);
  const time = new VirtualTime();
  const written = new Set<number>();
  const deadLetters: Record<number, string> = {};
  const working = { now: 0, max: 0 };
  const number = (key = "") => Number(key.split("/").at(-1));
  const image = (index: number): Image => images[index] ?? expect.fail();
  const never = new Promise<never>(() => {});
  const turn: Worker["operation"] = async (source, limits) => {
    const { kind, work } = image(Number(source.toString()));
    if (kind === "broken") throw new ImageRejected("corrupt", "It is damaged.");
    const needed = kind === "largest" ? promise : kind === "never" ? Infinity : work * promise;
    if (needed > limits.seconds * 1000 + 100) {
      await time.sleep(limits.seconds * 1000 + Math.min(1000, requests) * work);
      throw new ImageRejected("too-slow", "It takes too long.");
    }
    await time.sleep(needed);
    return { body: source, contentType: "image/test" };
  };
  const worker = fakeWorker({
    operation: async (source, limits) => {
      working.max = Math.max(working.max, ++working.now);
      return turn(source, limits).finally(() => working.now--);
    },
    byteLimit,
    depth,
    s3: {
      send: async (command: unknown) => {
        if (command instanceof PutObjectCommand) {
          if (image(number(command.input.Key)).kind === "unwritten") return never;
          await time.sleep(requests / 10);
          written.add(number(command.input.Key));
        } else if (command instanceof GetObjectCommand) {
          const index = number(command.input.Key);
          const { kind, download } = image(index);
          if (kind === "unanswered") return never;
          await time.sleep(download * requests);
          return { Body: { transformToByteArray: async () => Buffer.from(`${index}`) } };
        }
        return {};
      },
    },
    sqs: {
      send: async (command: unknown) => {
        await time.sleep(command instanceof SendMessageCommand ? Math.min(20, requests / 10) : 100);
        if (command instanceof SendMessageCommand) {
          const { Key, Code } = command.input.MessageAttributes ?? {};
          deadLetters[number(Key?.StringValue)] = Code?.StringValue ?? "";
        }
        return {};
      },
    },
    now: () => time.now,
  });
  let index = 0;
  const batch = messages.map((all, at) =>
    sqsRecord({ Records: all.map(() => s3Record(`${index++}`, { versionId: "v" })) }, 1, `m${at}`),
  );
  const remaining = () => whole - time.now;
  await time.run(() => new Delivery(worker, { remainingMilliseconds: remaining }, batch).run());
  expect(working.max).to.be.at.most(1);
  return { images, written, deadLetters, remaining: remaining() };
}

const part = fc.double({ min: 0, max: 1, noNaN: true });
const images = (...kinds: Image["kind"][]): fc.Arbitrary<Image> =>
  fc.record({ kind: fc.constantFrom(...kinds), work: part, download: part });

const rooms: fc.Arbitrary<Room> = fc.record({
  depth: fc.integer({ min: 1, max: 12 }),
  byteLimit: fc.integer({ min: 20, max: 100 }),
});

/** All settings that are accepted, and up to as many messages as they let into a batch. */
const settings = fc
  .record({
    memorySize: fc.integer({ min: 256, max: 10_240 }),
    timeout: fc.integer({ min: 1, max: 900 }),
    batchSize: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 10_000 })),
    maximumBatchingWindowInSeconds: fc.constant(1),
  })
  .filter((given) => {
    try {
      return checkWorkerSettings("", given) !== undefined;
    } catch {
      return false;
    }
  });

describe("an invocation's time", function () {
  this.timeout(60_000);

  it("is enough for every image within its promise, whatever the others need, with all settings that are accepted", async () => {
    const batches = settings.chain((given) =>
      fc.record({
        given: fc.constant(given),
        batch: fc.array(
          images("good", "largest", "never", "broken", "unanswered", "unwritten").map((image) => [image]),
          { minLength: 1, maxLength: given.batchSize },
        ),
      }),
    );
    await fc.assert(
      fc.asyncProperty(batches, rooms, async ({ given, batch }, room) => {
        const promised = promisedWork(given.timeout * 1000, given.batchSize);
        expect(promised).to.be.at.least(secondsOfLargest(given.memorySize) * 1000);

        const { images, written, deadLetters, remaining } = await invoke(given.timeout, batch, room);

        for (const [index, { kind }] of images.entries()) {
          if (kind === "good" || kind === "largest") expect(written).to.include(index);
          else if (kind !== "unanswered" && kind !== "unwritten") {
            expect(deadLetters[index]).to.equal(kind === "never" ? "too-slow" : "corrupt");
          } else expect(deadLetters[index]).to.equal(undefined);
        }
        expect(remaining).to.be.at.least(0);
      }),
      {
        numRuns: 400,
        // A download that leaves less than was promised by nothing but the rounding of numbers.
        examples: [
          [
            {
              given: {
                memorySize: 259,
                timeout: 897,
                batchSize: 12,
                maximumBatchingWindowInSeconds: 1,
              },
              batch: Array.from({ length: 3 }, () => [
                { kind: "never" as const, work: 0, download: 0.99999999999999 },
              ]),
            },
            { depth: 1, byteLimit: 100 },
          ],
        ],
      },
    );
  });

  it("rejects nobody who is within the promise, also with any number of images in any message", async () => {
    const messages = fc.array(
      fc.array(images("good", "largest", "never", "broken"), { minLength: 1, maxLength: 9 }),
      {
        minLength: 1,
        maxLength: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 36, max: 900 }), messages, rooms, async (timeout, all, room) => {
        const { images, written, deadLetters, remaining } = await invoke(timeout, all, room);

        for (const [index, { kind }] of images.entries()) {
          const good = kind === "good" || kind === "largest";
          expect(written.has(index)).to.equal(good);
          expect(deadLetters[index] === undefined).to.equal(good);
        }
        expect(remaining).to.be.at.least(0);
      }),
      { numRuns: 400 },
    );
  });
});

describe("the time of a batch", () => {
  it("keeps two seconds back and ten milliseconds an image, and never more than half", () => {
    expect([reserve(1, 60_000), reserve(100, 60_000), reserve(1, 3000)]).to.deep.equal([2010, 3000, 1500]);
  });

  it("leaves each request a fifth of the share, at most five seconds", () => {
    expect([requestTime(1000), requestTime(25_000), requestTime(60_000)]).to.deep.equal([200, 5000, 5000]);
  });

  it("is as long as its images' promises need, whether requests take a part of a share or five seconds", () => {
    expect([secondsFor(1, 1), secondsFor(60, 1), secondsFor(60, 10)]).to.deep.equal([4, 73, 703]);
    expect([imagesFor(1, 4), imagesFor(60, 73), imagesFor(60, 703), imagesFor(60, 1)]).to.deep.equal([
      1, 1, 10, 0,
    ]);
  });

  /** Milliseconds after which a request ends. */
  const milliseconds = (within: Within) => timersOf(() => void within(() => new Promise(() => {})))[0];

  /** Shares of a minute among so many images. */
  const minute = (images: number) => {
    const clock = { remaining: 60_000 };
    return { clock, shares: new Shares(() => clock.remaining, images) };
  };

  it("gives the last requests five seconds, less where there is less, and no less than a tenth of one", () => {
    const { clock, shares } = minute(1);
    const at = (remaining: number) => {
      clock.remaining = remaining;
      return [milliseconds(shares.within), shares.over];
    };

    expect([at(60_000), at(3200), at(300), at(299), at(100)]).to.deep.equal([
      [5000, false],
      [3000, false],
      [100, false],
      [100, true],
      [100, true],
    ]);
  });

  it("leaves five seconds to write a result, also where the work took longer than the share", () => {
    const { clock, shares } = minute(2);
    const share = shares.next();
    expect(share.work).to.equal((60_000 - 2020) / 2 - 5000);
    clock.remaining -= 40_000;
    expect(share.work).to.be.below(0);

    share.worked();

    expect(milliseconds(share.within)).to.equal(5000);
  });

  it("gives an image that no message named what the images to come were not promised", () => {
    const { clock, shares } = minute(2);
    shares.next();
    clock.remaining -= 10_000;

    const promised = (60_000 - 2020) / 2;
    expect(milliseconds(shares.extra().within)).to.equal(promised - 10_000);
  });
});
