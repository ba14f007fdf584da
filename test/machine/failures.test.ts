import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { type BatchInvocation, Events, type FailureKind, InvocationError } from "local-aws";
import { Failures } from "../../src/machine/failures.ts";
import { s3Record } from "../support/events.ts";

const LOG = "/state/logs/grey-function-1.log";

const WORKERS = [
  {
    ...{
      name: "grey",
      fanOut: "images",
      function: "grey-function-1",
      prefix: "grey",
      queue: "",
      deadLetterQueue: "http://127.0.0.1/1/dead",
      logGroup: "",
    },
    ...{ source: "source", results: "results" },
  },
];

/** An invocation of grey's function for some images, whose messages have the keys for identifiers. */
const batch = (...keys: string[]): BatchInvocation => ({
  requestId: randomUUID(),
  functionName: "grey-function-1",
  timeout: 120,
  memorySize: 1769,
  taskRoot: "/state/functions/grey-function-1",
  logFile: LOG,
  messages: keys.map((key) => ({ messageId: key, body: JSON.stringify({ Records: [s3Record(key)] }) })),
});

/** What delivery logs of a message that failed. */
const logged = (messageId: string, message = "it broke", place = "handlers/grey.ts:5:51") => ({
  level: "ERROR",
  message: "failed",
  messageId,
  seconds: 20,
  error: {
    name: "TypeError",
    message,
    stack: `TypeError: ${message}\n    at Sharp.toBuffer (/project/node_modules/sharp/lib/output.js:1:2)\n    at #x (/state/functions/grey-function-1/src/delivery/delivery.ts:1:1)\n    at operation (/state/functions/grey-function-1/${place})`,
  },
});

/** The line that a function logs. */
const line = ({ requestId, functionName }: BatchInvocation, record: object) => ({
  ...{ requestId, functionName },
  line: JSON.stringify(record),
});

function watched(options: { images?: number; watching?: boolean } = {}) {
  const events = new Events();
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  const failures = new Failures({ events, workers: WORKERS }, { project: "/nowhere", say, ...options });
  const fails = (kind: FailureKind, message: string, ...keys: string[]) => {
    const invocation = batch(...keys);
    events.emit("begun", () => invocation);
    const error = new InvocationError(kind, message);
    events.emit("ended", () => ({ ...invocation, failedMessages: keys, error }));
  };
  const logs = (key: string, ...rest: string[]) => {
    const invocation = batch(key);
    events.emit("begun", () => invocation);
    events.emit("logged", () => line(invocation, logged(key, ...rest)));
  };
  return { events, said, failures, fails, logs };
}

describe("what is said of functions that fail", () => {
  it("is worker, image, message and place, once for each kind, whatever the message", () => {
    const { said, failures, logs } = watched();

    for (const key of ["a b.png", "b.png", "c.png"]) logs(key, `it broke ${key}`);
    logs("d.png", "it broke", "handlers/grey.ts:7:1");

    expect(said).to.have.length(2);
    expect(said[0]).to.equal(
      `grey failed with a b.png: TypeError: it broke a b.png\n    at handlers/grey.ts:5:51\n    Tried again in 20 s; repeats are counted. Its log: ${LOG}`,
    );
    expect(failures.kinds.map(({ place, times }) => [place, times])).to.deep.equal([
      ["handlers/grey.ts:5:51", 3],
      ["handlers/grey.ts:7:1", 1],
    ]);
  });

  const sentences: [FailureKind, string, RegExp][] = [
    ["init", "Error: no start", /^grey cannot be loaded, so it processes nothing: Error: no start$/m],
    [
      "timeout",
      "Task timed out after 120.00 seconds",
      /^grey was stopped while it worked on one of 4 images \(a, b, c, …\): it took longer than its timeout of 120 s \(workers\.timeout\)\.$/m,
    ],
    [
      "memory",
      "",
      /^grey was stopped while it worked on .*: it took more than its 1769 MB of memory \(workers\.memorySize\)\.$/m,
    ],
    [
      "exit",
      "Runtime exited with error: exit status 3",
      /^grey exited while it worked on .*: .*exit status 3$/m,
    ],
    [
      "answer",
      '"nonsense"',
      /^grey returned a bad answer for .*: "nonsense"\. Lambda accepts nothing, or \{ batch/m,
    ],
    ["thrown", "Error: it broke", /^grey failed with one of 4 images .*: Error: it broke$/m],
  ];
  for (const [kind, message, sentence] of sentences) {
    it(`is a sentence of its own for "${kind}"`, () => {
      const { said, fails } = watched();

      fails(kind, message, "a", "b", "c", "d");

      expect(said.join("\n")).to.match(sentence);
    });
  }

  it("says how often it has been at ten, a hundred and so on", () => {
    const { said, logs } = watched();

    for (let image = 0; image < 150; image++) logs(String(image));

    expect(said.slice(1)).to.deep.equal([
      "grey has failed in this way 10 times: TypeError: it broke (handlers/grey.ts:5:51)",
      "grey has failed in this way 100 times: TypeError: it broke (handlers/grey.ts:5:51)",
    ]);
  });

  it("is, while sources are watched, that it is tried again when one is saved", () => {
    const { said, logs } = watched({ watching: true });

    logs("a.png");

    expect(said.join()).to.match(/^grey failed with a\.png.*or as soon as you save a source file;/s);
  });

  it("tells what a worker is still at that has not made anything yet", async () => {
    const events = new Events();
    const said = await new Promise<string>((say) => {
      new Failures({ events, workers: WORKERS }, { project: "/nowhere", say, slowAfter: 1 });
      events.emit("begun", () => batch("a.png"));
    });

    expect(said).to.equal("grey has been working on a.png for 0.001 s; its timeout ends it after 120 s.");
  });

  it("is of the invocation that a line is of, also where that has ended and another has begun", () => {
    const { events, said } = watched();
    const [first, second] = [batch("first.png"), batch("second.png")];
    events.emit("begun", () => first);
    events.emit("ended", () => ({ ...first, failedMessages: [], error: undefined }));
    events.emit("begun", () => second);

    events.emit("logged", () => line(first, logged("first.png")));

    expect(said.join()).to.match(/^grey failed with first\.png/);
  });

  it("finds a key in the line where it is there", () => {
    const { events, said } = watched();
    const invocation = batch("first.png");
    events.emit("begun", () => invocation);

    const key = "second of its message.png";
    events.emit("logged", () => line(invocation, { ...logged("first.png"), key }));

    expect(said[0]).to.match(/^grey failed with second of its message\.png:/);
  });
});

describe("a worker is hopeless", () => {
  const hopeless = (act: (of: ReturnType<typeof watched>) => void, images = 100) => {
    const all = watched({ images });
    act(all);
    return all.failures.hopeless("grey") !== undefined;
  };
  const five = ["1", "2", "3", "4", "5"];

  it("when it fails in the same way with five images", () => {
    expect(hopeless(({ logs }) => five.slice(1).forEach((key) => void logs(key)))).to.equal(false);
    expect(hopeless(({ logs }) => five.forEach((key) => void logs(key)))).to.equal(true);
  });

  it("when it fails with each of fewer images", () => {
    expect(hopeless(({ logs }) => logs("1"), 2)).to.equal(false);
    expect(hopeless(({ logs }) => logs("1"), 1)).to.equal(true);
  });

  it("at once when it cannot be loaded, and after two images that took too long", () => {
    expect(hopeless(({ fails }) => fails("init", "Error: no start", "1"))).to.equal(true);
    expect(hopeless(({ fails }) => fails("timeout", "", "1"))).to.equal(false);
    expect(hopeless(({ fails }) => fails("timeout", "", "1", "2"))).to.equal(true);
  });

  it("not when one image fails again and again", () => {
    expect(hopeless(({ logs }) => five.forEach(() => void logs("1")))).to.equal(false);
  });

  it("not when it fails in different ways", () => {
    const act = ({ logs }: ReturnType<typeof watched>) =>
      five.forEach((key) => void logs(key, "it broke", `handlers/grey.ts:${key}:1`));

    expect(hopeless(act)).to.equal(false);
  });

  const put = { eventName: "", requestId: "", versionId: "null", size: 1, etag: "" };
  const message = { messageId: "1", body: "" };
  for (const [what, act] of [
    ["a result", (events) => events.emit("put", () => ({ ...put, bucket: "results", key: "grey/a.png" }))],
    [
      "a rejection",
      (events) => events.emit("sent", () => ({ ...message, queueArn: "arn:aws:sqs:x:1:dead" })),
    ],
  ] as [string, (events: Events) => void][]) {
    it(`not when there has ever been ${what} of it`, () => {
      const succeeded = ({ events, logs }: ReturnType<typeof watched>) => {
        act(events);
        for (const key of five) logs(key);
      };

      expect(hopeless(succeeded)).to.equal(false);
    });
  }
});
