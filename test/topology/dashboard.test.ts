import { expect } from "chai";
import { ImageFanOut, type ImageFanOutArgs } from "../../src/topology/image-fan-out.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import { find, registered } from "../support/mocks.ts";

interface Widget {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly properties: { title: string; region: string; metrics: [string, string, string, string, object][] };
}

const machine = (args: ImageFanOutArgs = {}) =>
  registered(() => {
    const fanOut = new ImageFanOut("images", args);
    new RotationWorker("clockwise", { fanOut, angle: 90 });
    new RotationWorker("counter-clockwise", { fanOut, angle: -90 });
  });

describe("the dashboard", () => {
  let widgets: Widget[];

  before(async () => {
    const { dashboardName, dashboardBody } = find(await machine(), "Dashboard", "images-dashboard");
    expect(dashboardName).to.equal("machine-test-images");
    widgets = JSON.parse(dashboardBody).widgets;
  });

  it("reads from left to right, line by line, as an image travels", () => {
    const read = [...widgets].sort((a, b) => a.y - b.y || a.x - b.x);

    expect(read.map(({ properties }) => properties.title)).to.deep.equal([
      "1 In: images created",
      "2 Topic: messages to workers",
      "3 Queues: messages",
      "4 Queues: age of the oldest message, s",
      "5 Functions: at once",
      "6 Functions: duration of a batch, ms",
      "7 Out: images processed",
      "8 Rejected and dead-lettered",
    ]);
  });

  it("fits into the grid without gaps", () => {
    for (const [index, { x, y, width }] of widgets.entries()) {
      expect({ x, y, width }).to.deep.equal({ x: (index % 4) * 6, y: index < 4 ? 0 : 6, width: 6 });
    }
  });

  it("shows every worker in every graph after the topic's, though they come after it in the program", () => {
    for (const { properties } of widgets.slice(2)) {
      const text = JSON.stringify(properties.metrics);
      expect(text, properties.title)
        .to.match(/"clockwise/)
        .and.match(/"counter-clockwise/);
    }
  });

  it("shows the resources that there are, in their region", () => {
    const lines = widgets.flatMap(({ properties }) => properties.metrics);
    const shown = new Set(
      lines.map(([namespace, , dimension, value]) => `${namespace} ${dimension} ${value}`),
    );

    expect([...new Set(widgets.map(({ properties }) => properties.region))]).to.deep.equal(["eu-west-1"]);
    expect([...shown]).to.have.members([
      "AWS/SNS TopicName images-created",
      ...["clockwise", "counter-clockwise"].flatMap((worker) => [
        `AWS/SQS QueueName images-${worker}-queue`,
        `AWS/SQS QueueName images-${worker}-dead-letters`,
        `AWS/Lambda FunctionName images-${worker}-function`,
        `ImageMachine service ${worker}`,
      ]),
    ]);
  });

  it("is not there where it is turned off", async () => {
    const resources = await machine({ dashboard: false });

    expect(resources.filter(({ type }) => type.endsWith(":Dashboard"))).to.deep.equal([]);
  });
});
