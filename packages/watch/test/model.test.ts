import { expect } from "chai";
import type { Happening } from "../src/happenings.ts";
import { Model } from "../src/model.ts";
import { topologyOf, type WiredWorker, type Wiring } from "../src/wiring.ts";

const ARN = "arn:aws:sqs:us-east-1:000000000000:";
const TOPIC = "arn:aws:sns:us-east-1:000000000000:topic";

function worker(name: string, more: Partial<WiredWorker> = {}): WiredWorker {
  return {
    ...{
      name,
      fanOut: "images",
      source: "sources",
      results: "results",
      prefix: name,
      function: `${name}-function`,
    },
    queue: `http://127.0.0.1/000000000000/${name}-queue`,
    deadLetterQueue: `http://127.0.0.1/000000000000/${name}-dead`,
    ...more,
  };
}

function wiring(...workers: WiredWorker[]): Wiring {
  return {
    ...{ title: "machine/dev", place: "on this computer", workers },
    fanOuts: [{ source: "sources", results: "results", topic: TOPIC }],
  };
}

const OBJECT = { bucket: "sources", key: "cat.jpg", versionId: "v1" };
const TOLD = { ...OBJECT, size: 10, created: 1000 };

/** The way of one image to one worker, up to where it is begun with. */
function begun(name: string, object = OBJECT, message = `${name}-message`): Happening[] {
  const queueArn = `${ARN}${name}-queue`;
  return [
    { kind: "delivered", time: 1010, notificationId: "n1", queueArn, messageId: message },
    { kind: "received", time: 1020, queueArn, messageId: message, receiveCount: 1 },
    {
      ...{ kind: "begun", time: 1030, requestId: `${name}-request`, functionName: `${name}-function` },
      messages: [{ messageId: message, objects: [{ ...TOLD, ...object }] }],
    },
  ];
}

const PUT: Happening[] = [
  { kind: "put", time: 1000, ...OBJECT, size: 10 },
  { kind: "published", time: 1005, topicArn: TOPIC, notificationId: "n1", objects: [OBJECT] },
];

function ended(name: string, failed: boolean, time = 1090): Happening {
  const message = `${name}-message`;
  return {
    ...{ kind: "ended", time, requestId: `${name}-request`, functionName: `${name}-function` },
    ...{ messageIds: [message], failedMessages: failed ? [message] : [] },
  };
}

function log(name: string, record: object): Happening {
  const line = JSON.stringify({ key: "cat.jpg", versionId: "v1", ...record });
  return { kind: "logged", time: 1095, functionName: `${name}-function`, requestId: `${name}-request`, line };
}

function modelAfter(workers: WiredWorker[], ...happenings: Happening[]): Model {
  const model = new Model(wiring(...workers));
  for (const happening of happenings) model.take(happening);
  return model;
}

function only<T>(all: readonly T[]): T {
  expect(all).to.have.length(1);
  return all[0] as T;
}

describe("the stories that the watch page tells", () => {
  it("follow an image from its upload to its result, with what each step took", () => {
    const model = modelAfter(
      [worker("clockwise")],
      ...PUT,
      ...begun("clockwise"),
      { kind: "put", time: 1080, bucket: "results", key: "clockwise/cat.jpg", versionId: "r1", size: 12 },
      ended("clockwise", false),
      log("clockwise", { level: "INFO", message: "processed" }),
    );
    const { id, legs } = only(model.images);
    expect(legs).to.deep.equal([{ worker: "clockwise", state: "done", receives: 1 }]);
    const story = model.story(id);
    expect(story?.steps.map(({ what, ms }) => [what, ms])).to.deep.equal([
      ["uploaded", undefined],
      ["event", 5],
      ["delivered", 5],
      ["begun", 20],
      ["written", 50],
    ]);
    expect(story?.results).to.deep.equal([{ worker: "clockwise", key: "clockwise/cat.jpg", size: 12 }]);
    expect(only(story?.logs ?? []).line).to.include("processed");
    expect(model.tallies.counts).to.deep.include({ in: 1 });
    expect(model.tallies.counts.workers.clockwise).to.include({
      waiting: 0,
      inFlight: 0,
      done: 1,
      rejected: 0,
    });
  });

  it("say why an image is in the dead-letter queue, and that it was sent again", () => {
    const dead = {
      kind: "sent",
      time: 1060,
      queueArn: `${ARN}clockwise-dead`,
      messageId: "d1",
      objects: [TOLD],
    } as const;
    const model = modelAfter(
      [worker("clockwise")],
      ...PUT,
      ...begun("clockwise"),
      dead,
      ended("clockwise", false),
    );
    model.take(
      log("clockwise", { level: "WARN", message: "rejected", code: "corrupt", reason: "It is cut off." }),
    );
    const rejected = {
      worker: "clockwise",
      state: "rejected",
      receives: 1,
      code: "corrupt",
      reason: "It is cut off.",
    };
    expect(only(model.images).legs).to.deep.equal([rejected]);
    expect(model.tallies.counts.workers.clockwise).to.include({ rejected: 1, inFlight: 0 });

    const again = { ...dead, time: 2000, queueArn: `${ARN}clockwise-queue`, messageId: "m2" };
    model.take(again);
    model.take({ kind: "deleted", time: 2001, queueArn: dead.queueArn, messageId: "d1" });
    expect(only(model.images).legs).to.deep.equal([{ worker: "clockwise", state: "waiting", receives: 0 }]);
    expect(model.tallies.counts.workers.clockwise).to.include({ waiting: 1 });
  });

  it("say nothing of a function's end to an image that it was done with before", () => {
    const deleted = {
      kind: "deleted",
      time: 1050,
      queueArn: `${ARN}grey-queue`,
      messageId: "grey-message",
    } as const;
    const failed = { what: "Runtime exited with error: signal: killed" };
    const model = modelAfter([worker("grey")], ...PUT, ...begun("grey"), deleted, {
      ...ended("grey", true),
      failed,
    } as Happening);

    const { id, legs } = only(model.images);

    expect(legs).to.deep.equal([{ worker: "grey", state: "superseded", receives: 1 }]);
    expect(model.story(id)?.faults).to.deep.equal([]);
    expect(model.tallies.counts.workers.grey).to.include({ waiting: 0, inFlight: 0 });
  });

  it("have what the handler failed with, its place in the source, and the next try", () => {
    const failed = {
      what: "TypeError: x is undefined",
      place: "handlers/grey.ts:5:9",
      code: "x.y();",
      stack: "…",
    };
    const model = modelAfter([worker("grey")], ...PUT, ...begun("grey"));
    model.take({ ...log("grey", { level: "ERROR", message: "failed" }), failed } as Happening);
    model.take(ended("grey", true));
    const { id, legs } = only(model.images);
    expect(legs).to.deep.equal([{ worker: "grey", state: "again", receives: 1, reason: failed.what }]);
    expect(only(model.story(id)?.faults ?? [])).to.include({ worker: "grey", ...failed });
    model.take({
      kind: "deadLettered",
      time: 3000,
      queueArn: `${ARN}grey-dead`,
      messageId: "grey-message",
      from: "",
    });
    expect(only(only(model.images).legs)).to.deep.include({ state: "rejected", code: "failed-too-often" });
    expect(only(only(model.images).legs).reason).to.include("x is undefined");
  });

  it("count what waits for its next try as waiting, and what was there before the watch, as the queues say", () => {
    const model = modelAfter([worker("grey")], ...PUT, ...begun("grey"), ended("grey", true));
    model.tallies.measure("grey", { visible: 0, hidden: 1, dead: 0 });
    expect(model.tallies.counts.workers.grey).to.include({ waiting: 1, inFlight: 0, dead: 0 });
    model.changes(60_000);
    expect(model.tallies.counts.workers.grey).to.include({ waiting: 1, inFlight: 0, oldest: 59 });
    model.tallies.measure("grey", { visible: 7, hidden: 1, dead: 3 });
    expect(model.tallies.counts.workers.grey).to.include({ waiting: 8, inFlight: 0, dead: 3 });
  });

  it("count nothing twice that comes twice", () => {
    const result = { bucket: "results", key: "clockwise/cat.jpg", versionId: "r1", size: 12 };
    const once: Happening[] = [
      ...PUT,
      ...begun("clockwise"),
      { kind: "put", time: 1080, ...result },
      ended("clockwise", false),
    ];
    const model = modelAfter([worker("clockwise")], ...once, ...once);
    expect(only(only(model.images).legs).state).to.equal("done");
    expect(model.tallies.counts).to.deep.include({ in: 1 });
    expect(model.tallies.counts.workers.clockwise).to.include({ waiting: 0, inFlight: 0, done: 1 });
  });

  it("go on with a machine that was built anew, without the workers that it has no more", () => {
    const atBoth = [...begun("clockwise"), ...begun("grey")];
    const model = modelAfter([worker("clockwise"), worker("grey")], ...PUT, ...atBoth);
    model.rewire(wiring(worker("clockwise"), worker("half-turn")));
    expect(only(model.images).legs).to.deep.equal([{ worker: "clockwise", state: "waiting", receives: 1 }]);
    expect(model.tallies.counts.workers).to.have.keys("clockwise", "half-turn");
    expect(model.tallies.counts.workers.clockwise).to.include({ waiting: 1, inFlight: 0 });
    for (const happening of begun("clockwise").slice(1)) model.take(happening);
    expect(only(only(model.images).legs).state).to.equal("working");
  });

  it("know images that were there before the watch, from the messages about them", () => {
    const model = modelAfter([worker("clockwise")], ...begun("clockwise").slice(2));
    expect(only(model.images)).to.deep.include({ key: "cat.jpg", time: 1000 });
    expect(model.tallies.counts).to.deep.include({ in: 0 });
  });

  it("keep versions of one key apart, and workers that are told of some images only", () => {
    const model = modelAfter(
      [worker("clockwise", { told: { words: "", passes: ({ key }) => key.endsWith(".png") } })],
      ...PUT,
      {
        kind: "put",
        time: 1001,
        ...OBJECT,
        versionId: "v2",
        size: 10,
      },
    );
    expect(model.images.map(({ legs }) => legs[0]?.state)).to.deep.equal(["not-told", "not-told"]);
  });

  it("have what policies decided about the image, denials of what its function asked for among them", () => {
    const decision = {
      kind: "decided",
      time: 1000,
      who: "role/r",
      action: "s3:GetObject",
      allowed: true,
      by: "role r, #1",
    } as const;
    const model = modelAfter(
      [worker("clockwise")],
      ...PUT,
      ...begun("clockwise"),
      { ...decision, resource: "arn:aws:s3:::sources/cat.jpg" },
      { ...decision, resource: "arn:aws:s3:::sources/dog.jpg" },
      {
        ...decision,
        action: "dynamodb:PutItem",
        resource: "*",
        allowed: false,
        message: "Nothing allows it.",
      },
    );
    const decisions = model
      .story(only(model.images).id)
      ?.decisions.map(({ action, allowed }) => [action, allowed]);
    expect(decisions).to.deep.equal([
      ["s3:GetObject", true],
      ["dynamodb:PutItem", false],
    ]);
  });

  it("are told in parts where much changes at once, and nothing is left out in the end", () => {
    const model = new Model(wiring(worker("clockwise")));
    for (let i = 0; i < 1000; i++) {
      model.take({ kind: "put", time: 1000, bucket: "sources", key: `${i}.png`, versionId: "v", size: 1 });
    }
    const told = new Set<string>();
    for (let tick = 0; tick < 1000 && told.size < 1000; tick++) {
      const { images } = model.changes(1000 + tick);
      expect(images.length).to.be.lessThan(100);
      for (const { id } of images) told.add(id);
    }
    expect(told.size).to.equal(1000);
    expect(model.changes(2000).images).to.deep.equal([]);
  });

  it("roll second by second for sparklines, also while nothing happens", () => {
    const model = modelAfter([worker("clockwise")], ...PUT);
    model.changes(5500);
    expect(model.tallies.history.map(({ second, in: put }) => [second, put])).to.deep.equal([
      [1, 1],
      [2, 0],
      [3, 0],
      [4, 0],
    ]);
    model.changes(86_400_000);
    expect(model.tallies.history).to.have.length(120);
    expect(model.tallies.history.at(-1)).to.include({ second: 86_399, in: 0 });
  });
});

describe("the topology that the watch page draws", () => {
  it("has each registered worker in its fan-out, and a fan-out after the one whose results it takes", () => {
    const chained = worker("web/small", { fanOut: "web", source: "results", results: "web-results" });
    const { workers, fanOuts, ...rest } = wiring(chained, worker("images/clockwise", { angle: 90 }));
    const second = { source: "results", results: "web-results", topic: `${TOPIC}-web` };
    const { fanOuts: drawn } = topologyOf({ ...rest, workers, fanOuts: [second, ...fanOuts] });
    expect(drawn.map(({ name, topic }) => [name, topic])).to.deep.equal([
      ["images", "topic"],
      ["web", "topic-web"],
    ]);
    expect(drawn[0]?.workers).to.deep.equal([
      {
        ...{ name: "images/clockwise", angle: 90, queue: "images/clockwise-queue".split("/").at(-1) },
        ...{ deadLetterQueue: "clockwise-dead", function: "images/clockwise-function" },
      },
    ]);
  });
});
