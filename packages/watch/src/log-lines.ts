import type { Happening, Told } from "./happenings.ts";
import type { Failed } from "./protocol.ts";
import type { WiredWorker } from "./wiring.ts";

/** A line that a function has logged. */
export interface LoggedLine {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly line: string;
}

/** What delivery logs about one image, as far as it is read here. */
interface ImageLine {
  readonly message: string;
  readonly function_request_id: string;
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string;
  readonly ms?: number;
  readonly bytesIn?: number;
  readonly bytesOut?: number;
  readonly receives?: number;
  readonly error?: { readonly name?: string; readonly message?: string; readonly stack?: unknown };
}

/** Outcomes after which a result stands. */
const WRITTEN = ["processed", "duplicate"];

/**
 * What a line of a function's log says happened to an image. A log tells of what was begun and what became of it: that an image was
 * put, published and delivered can only be seen from inside.
 * @returns nothing for a line that is about no image
 */
export function happeningsIn(worker: WiredWorker, { time, line }: LoggedLine): Happening[] {
  const record = imageLine(line);
  if (!record) return [];
  const { message, key, bucket, versionId, ms = 0, bytesIn, bytesOut = 0, receives, error } = record;
  const object: Told = { bucket, key, versionId, size: bytesIn, created: undefined };
  // A log does not say which message an image came by; a version of an object does as well.
  const messageId = JSON.stringify([worker.name, bucket, key, versionId]);
  const requestId = `${record.function_request_id} ${messageId}`;
  const functionName = worker.function;
  const happenings: Happening[] = [
    { kind: "begun", time: time - ms, requestId, functionName, messages: [{ messageId, objects: [object] }] },
  ];
  if (receives !== undefined) {
    const queueArn = worker.queue;
    happenings.push({ kind: "received", time, queueArn, messageId, receiveCount: receives });
  }
  if (WRITTEN.includes(message)) {
    const result = {
      bucket: worker.results,
      key: `${worker.prefix}/${key}`,
      versionId: "null",
      size: bytesOut,
    };
    happenings.push({ kind: "put", time, ...result });
  }
  if (message === "rejected") {
    const queueArn = worker.deadLetterQueue;
    happenings.push({ kind: "sent", time, queueArn, messageId, objects: [object] });
  }
  const ended = { time, requestId, functionName, messageIds: [messageId] };
  happenings.push(
    { kind: "logged", time, functionName, requestId, line },
    message === "failed"
      ? { kind: "ended", ...ended, failedMessages: [messageId], failed: failedWith(error) }
      : { kind: "ended", ...ended, failedMessages: [] },
  );
  return happenings;
}

function failedWith({ name, message, stack }: NonNullable<ImageLine["error"]> = {}): Failed {
  const what = [name, message].filter((each) => each).join(": ");
  const text = Array.isArray(stack) ? stack.join("\n") : stack;
  return { what, stack: typeof text === "string" ? text : undefined };
}

const OUTCOMES = [...WRITTEN, "rejected", "superseded", "failed"];

function imageLine(line: string): ImageLine | undefined {
  if (!line.startsWith("{")) return undefined;
  let record: Partial<ImageLine>;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined;
  }
  const texts = [record.message, record.key, record.bucket, record.function_request_id];
  if (!texts.every((text) => typeof text === "string")) return undefined;
  return OUTCOMES.includes(record.message ?? "") ? (record as ImageLine) : undefined;
}
