import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
import type { Messaging } from "../messaging/messaging.ts";
import { type Plan, type RequestFault, SEQUENCERS } from "./plan.ts";
import { faultyMessaging } from "./queues.ts";

/** Milliseconds of a late answer. */
const LATE_MS = 700;

/** Seconds of an answer that stops half-way, where the plan has no time limit that it could exceed by one. */
const STALLED = 30;

/** Injects the faults of a plan into a machine, and counts them. */
export class Faults {
  /** May be replaced at any time. */
  plan: Plan;
  /** Number of faults so far, by kind. */
  readonly counts: Record<string, number> = {};
  readonly #asked = new Map<string, number>();
  #events = 0;
  #invocations = 0;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /**
   * Answers a request of a function or its mapping, well or badly.
   * @param kill ends whatever the function is doing
   * @param answer answers it as the machine does
   */
  async request(
    request: IncomingMessage,
    response: ServerResponse,
    kill: () => void,
    answer: () => Promise<void>,
  ): Promise<void> {
    const target = request.headers["x-amz-target"];
    const operation = (target ? String(target).split(".")[1] : request.method) ?? "";
    const fault = this.#planned(operation, request.url?.split("?")[0] ?? "");
    if (!fault) return answer();
    await this.#inflict(fault, { request, response, kill, answer });
  }

  /**
   * Answers what this machine asks on a function's behalf without HTTP, well or badly, up to three times as the SDK does.
   * @throws Error where the plan has it so
   */
  async call<T>(operation: string, path: string, answer: () => Promise<T>, tries = 3): Promise<T> {
    const fault = this.#planned(operation, path);
    if (!fault) return answer();
    if (fault.endsWith("after")) await answer();
    if (tries > 1) return this.call(operation, path, answer, tries - 1);
    throw new Error(`${operation} is made to fail: ${fault}.`);
  }

  #planned(operation: string, path: string): RequestFault | undefined {
    const what = `${operation} ${path}`;
    const before = this.#asked.get(what) ?? 0;
    this.#asked.set(what, before + 1);
    const fault = this.plan.request?.({ operation, path, before });
    if (fault) this.count(fault);
    return fault;
  }

  async #inflict(
    fault: RequestFault,
    {
      request,
      response,
      kill,
      answer,
    }: { request: IncomingMessage; response: ServerResponse; kill: () => void; answer: () => Promise<void> },
  ): Promise<void> {
    switch (fault) {
      case "slow down":
        return refuse(request, response, 503, "SlowDown");
      case "internal error":
        return refuse(request, response, 500, "InternalError");
      case "no such key":
        return refuse(request, response, 404, "NoSuchKey");
      case "kill before":
        kill();
        request.socket.destroy();
        return;
      case "reset before":
        request.socket.destroy();
        return;
      case "kill during":
        kill();
        return answer();
      case "kill after":
        breakOff(request, response, 0, kill);
        return answer();
      case "reset after":
        breakOff(request, response, 0);
        return answer();
      case "truncated body":
        breakOff(request, response, 20);
        return answer();
      case "late answer":
        await setTimeout(LATE_MS);
        return answer();
      case "stalled answer":
        stall(request, response, (this.plan.timeLimit ?? STALLED) + 1);
        return answer();
    }
  }

  /** Hands an event to a topic, late or twice as the plan says; what is late lets others overtake it. */
  async notify(send: () => Promise<void>): Promise<void> {
    const delays = this.plan.event?.(++this.#events) ?? [0];
    if (delays.length > 1) this.count("event twice");
    if (delays.some((delay) => delay > 0)) this.count("event late");
    await Promise.all(
      delays.map(async (delay) => {
        await setTimeout(delay);
        await send();
      }),
    );
  }

  /** Returns the sequencer that an event carries; undefined for none. */
  sequencer(sequence: number): string | undefined {
    return (this.plan.sequencer ?? SEQUENCERS.growing)(sequence);
  }

  /** Decides whether the next invocation is throttled. */
  throttled(): boolean {
    const throttled = this.plan.throttled?.(++this.#invocations) ?? false;
    if (throttled) this.count("throttled");
    return throttled;
  }

  messaging(messaging: Messaging): Messaging {
    return faultyMessaging(messaging, this);
  }
}

/** S3 and SQS say errors differently; both look at the status first, and that it may be tried again. */
function refuse(request: IncomingMessage, response: ServerResponse, status: number, code: string): void {
  request.resume();
  if (request.headers["x-amz-target"]) {
    response
      .writeHead(status, { "content-type": "application/x-amz-json-1.0" })
      .end(JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message: "Made to fail." }));
  } else {
    const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>Made to fail.</Message></Error>`;
    response
      .writeHead(status, { "content-type": "application/xml" })
      .end(request.method === "HEAD" ? "" : body);
  }
}

/** Lets that many bytes of the body pass, and then ends the connection; with none, not even the status. */
function breakOff(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: number,
  first: () => void = () => {},
): void {
  const { write, end } = response;
  let left = bytes;
  const cut = (chunk: unknown): void => {
    const whole =
      Buffer.isBuffer(chunk) || typeof chunk === "string" ? Buffer.from(chunk as Buffer) : undefined;
    const part = whole?.subarray(0, left);
    left -= part?.length ?? 0;
    if (part && part.length > 0) write.call(response, part, "utf8", () => request.socket.destroy());
    else request.socket.destroy();
  };
  response.write = ((chunk: unknown) => {
    first();
    cut(chunk);
    return true;
  }) as typeof write;
  response.end = ((chunk: unknown) => {
    first();
    cut(chunk);
    return response;
  }) as typeof end;
}

/** Stops before the last of the answer. */
function stall(request: IncomingMessage, response: ServerResponse, seconds: number): void {
  const { end } = response;
  response.end = ((...args: Parameters<typeof end>) => {
    if (request.method === "GET") response.flushHeaders();
    setTimeout(seconds * 1000).then(() => end.apply(response, args));
    return response;
  }) as typeof end;
}
