import type { S3Client } from "@aws-sdk/client-s3";
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import fc from "fast-check";
import { ImageRejected } from "image-turn";
import { Delivery, type Worker } from "../../src/delivery/delivery.ts";
import { secondsOfLargest } from "../../src/delivery/limits.ts";
import { promisedWork, requestTime, reserve } from "../../src/delivery/share.ts";
import { checkWorkerSettings } from "../../src/topology/worker-settings.ts";
import { s3Record, sqsRecord } from "../support/events.ts";
import { s3Error } from "../support/fake-s3.ts";

/** What an image of a batch is like, times as parts of what is promised. */
interface Image {
  /** "never" needs more than there can be, and stops when it is told to, up to a second late. */
  readonly kind: "good" | "largest" | "never" | "broken" | "unanswered";
  readonly work: number;
  readonly download: number;
}

/** Delivers a batch on a clock that moves only with the work. */
async function invoke(timeout: number, messages: readonly (readonly Image[])[]) {
  const images = messages.flat();
  const whole = timeout * 1000;
  const promise = promisedWork(whole, images.length);
  const requests = requestTime((whole - reserve(images.length, whole)) / images.length);
  const clock = { remaining: whole };
  const written = new Set<number>();
  const deadLetters: Record<number, string> = {};
  const number = (key = "") => Number(key.split("/").at(-1));
  const image = (index: number): Image => images[index] ?? expect.fail();
  const worker: Worker = {
    name: "worker",
    operation: async (source, limits) => {
      const { kind, work } = image(Number(source.toString()));
      if (kind === "broken") throw new ImageRejected("corrupt", "It is damaged.");
      const needed = kind === "largest" ? promise : kind === "never" ? Infinity : work * promise;
      if (needed > limits.seconds * 1000 + 100) {
        clock.remaining -= limits.seconds * 1000 + Math.min(1000, requests) * work;
        throw new ImageRejected("too-slow", "It takes too long.");
      }
      clock.remaining -= needed;
      return { body: source, contentType: "image/test" };
    },
    resultsBucket: "results",
    queueUrl: "",
    deadLetterQueueUrl: "",
    pixelLimit: 1,
    byteLimit: 1000,
    s3: {
      send: async (command: unknown) => {
        if (command instanceof PutObjectCommand) {
          clock.remaining -= requests / 10;
          written.add(number(command.input.Key));
        } else if (command instanceof GetObjectCommand) {
          const index = number(command.input.Key);
          const { kind, download } = image(index);
          if (kind === "unanswered") {
            // Until its share is over, which is at least what it was promised.
            clock.remaining -= promise + 2 * requests;
            throw s3Error("Aborted", 500);
          }
          clock.remaining -= download * requests;
          return { Body: { transformToByteArray: async () => Buffer.from(`${index}`) } };
        }
        return {};
      },
    } as unknown as S3Client,
    sqs: {
      send: async (command: unknown) => {
        clock.remaining -= command instanceof SendMessageCommand ? Math.min(20, requests / 10) : 100;
        if (command instanceof SendMessageCommand) {
          const { Key, Code } = command.input.MessageAttributes ?? {};
          deadLetters[number(Key?.StringValue)] = Code?.StringValue ?? "";
        }
        return {};
      },
    } as unknown as SQSClient,
    logger: { info() {}, warn() {}, error() {} } as unknown as Worker["logger"],
    metrics: { addMetric() {} } as unknown as Worker["metrics"],
    random: () => 0,
    now: () => 0,
  };
  let index = 0;
  const batch = messages.map((all, at) =>
    sqsRecord({ Records: all.map(() => s3Record(`${index++}`, { versionId: "v" })) }, 1, `m${at}`),
  );
  const delivery = new Delivery(worker, { remainingMilliseconds: () => clock.remaining }, batch);
  for (const message of batch) await delivery.deliver(message).catch(() => {});
  await delivery.giveBack();
  return { images, written, deadLetters, remaining: clock.remaining };
}

const part = fc.double({ min: 0, max: 1, noNaN: true });
const images = (...kinds: Image["kind"][]): fc.Arbitrary<Image> =>
  fc.record({ kind: fc.constantFrom(...kinds), work: part, download: part });

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
          images("good", "largest", "never", "broken", "unanswered").map((image) => [image]),
          { minLength: 1, maxLength: given.batchSize },
        ),
      }),
    );
    await fc.assert(
      fc.asyncProperty(batches, async ({ given, batch }) => {
        const promised = promisedWork(given.timeout * 1000, given.batchSize);
        expect(promised).to.be.at.least(secondsOfLargest(given.memorySize) * 1000);

        const { images, written, deadLetters, remaining } = await invoke(given.timeout, batch);

        for (const [index, { kind }] of images.entries()) {
          if (kind === "good" || kind === "largest") expect(written).to.include(index);
          else if (kind !== "unanswered") {
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
      fc.asyncProperty(fc.integer({ min: 36, max: 900 }), messages, async (timeout, all) => {
        const { images, written, deadLetters, remaining } = await invoke(timeout, all);

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
