import { expect } from "chai";
import { layoutOf } from "../src/page/layout.ts";
import { routeOf } from "../src/page/route.ts";
import { taken } from "../src/page/state.ts";
import type { ImageSummary, Snapshot, Tick, Topology } from "../src/protocol.ts";

const worker = (name: string) => ({ name, queue: "q", deadLetterQueue: "d", function: "f" });
const TOPOLOGY: Topology = {
  ...{ title: "machine/dev", place: "on this computer" },
  fanOuts: [
    { name: "images", source: "s", topic: "t", results: "r", workers: ["a", "b", "c"].map(worker) },
    { name: "web", source: "r", topic: "u", results: "w", workers: [worker("d")] },
  ],
};

const SNAPSHOT: Snapshot = {
  ...{ kind: "snapshot", time: 1000, topology: TOPOLOGY, status: { state: "running" }, history: [] },
  abilities: { act: true, chaos: false },
  counts: { in: 0, workers: {} },
  images: [],
};

function image(id: string, key = `${id}.png`): ImageSummary {
  return { id, bucket: "s", key, size: 1, time: 1000, legs: [] };
}

function tick(...images: ImageSummary[]): Tick {
  const { time, status, counts } = SNAPSHOT;
  return { kind: "tick", time, status, counts, flow: {}, images };
}

describe("what the watch page knows", () => {
  it("is what a snapshot says, and nothing of before, so that nothing is there twice", () => {
    const first = taken(undefined, { ...SNAPSHOT, images: [image("1"), image("2")] });
    const later = taken(first, tick(image("2", "changed.png"), image("3")));
    expect([...(later?.images.values() ?? [])].map(({ key }) => key)).to.deep.equal([
      "1.png",
      "changed.png",
      "3.png",
    ]);
    const again = taken(later, { ...SNAPSHOT, images: [image("2"), image("3")] });
    expect([...(again?.images.keys() ?? [])]).to.deep.equal(["2", "3"]);
  });

  it("has pictures asked for again that were not to be had, when a machine comes back", () => {
    const first = taken(undefined, { ...SNAPSHOT, status: { state: "stopped" } });
    expect(first?.since).to.equal(1000);
    const back = taken(first, { ...tick(), time: 2000 });
    expect(back?.since).to.equal(2000);
    expect(taken(back, { ...tick(), time: 3000 })?.since).to.equal(2000);
    const stopped = taken(back, { ...SNAPSHOT, time: 4000, status: { state: "stopped" } });
    expect(stopped?.since).to.equal(2000);
    expect(taken(stopped, { ...SNAPSHOT, time: 5000 })?.since).to.equal(5000);
  });

  it("is nothing before the first snapshot", () => {
    expect(taken(undefined, tick(image("1")))).to.equal(undefined);
  });

  it("stays small, however many images come", () => {
    let known = taken(undefined, SNAPSHOT);
    for (let i = 0; i < 2000; i += 50) {
      known = taken(known, tick(...Array.from({ length: 50 }, (_, j) => image(String(i + j)))));
    }
    expect(known?.images.size).to.equal(400);
    expect(known?.images.has("1999")).to.equal(true);
  });
});

describe("the way of a picture on the watch page", () => {
  it("leads through all that an image came through since it was told of last", () => {
    expect(routeOf("source", { state: "done" })).to.deep.equal(["topic", "queue", "function", "results"]);
    expect(routeOf("queue", { state: "working" })).to.deep.equal(["function"]);
    expect(routeOf("function", { state: "working" })).to.deep.equal([]);
    expect(routeOf("source", { state: "not-told" })).to.deep.equal(["gone"]);
  });

  it("leads into the crate from the gear that rejected it, or from the shelf where it failed too often", () => {
    expect(routeOf("queue", { state: "rejected", code: "corrupt" })).to.deep.equal(["function", "dead"]);
    expect(routeOf("queue", { state: "rejected", code: "failed-too-often" })).to.deep.equal(["dead"]);
  });

  it("leads back to the shelf for the next try, and out of the crate when it is sent again", () => {
    expect(routeOf("function", { state: "again" })).to.deep.equal(["queue"]);
    expect(routeOf("dead", { state: "done" })).to.deep.equal(["queue", "function", "results"]);
  });
});

describe("the stage of the watch page", () => {
  for (const width of [336, 760, 1200]) {
    it(`has a place of its own for everything that is registered, ${width} pixels wide`, () => {
      const { fanOuts, lanes, height } = layoutOf(TOPOLOGY, width);
      const places = [
        ...fanOuts.flatMap(({ source, topic }) => [source, topic]),
        ...[...lanes.values()].flatMap((lane) => [lane.queue, lane.function, lane.results, lane.dead]),
      ];
      expect(places).to.have.length(2 * 2 + 4 * 4);
      expect(new Set(places.map(({ x, y }) => `${x} ${y}`)).size).to.equal(places.length);
      for (const { x, y } of places) {
        expect(x).to.be.within(0, width);
        expect(y).to.be.within(0, height);
      }
      const tops = fanOuts.flatMap(({ lanes }) => lanes.map(({ top }) => top));
      expect(tops).to.deep.equal(tops.toSorted((a, b) => a - b));
    });
  }
});
