import { expect } from "chai";
import { fakeServices, refusalOf } from "./services.ts";

const FUNCTION = "aws:lambda/function:Function";
const inputs = { runtime: "nodejs24.x", handler: "index.handler", code: "an archive", role: "arn:role" };

describe("a function on this computer", () => {
  it("is what it is declared to be", async () => {
    const { make, services, asked } = fakeServices();
    services.arns.set("aws:lambda/layerVersion:LayerVersion arn:layer", "layer");

    const { id, state } = await make(FUNCTION, {
      ...inputs,
      ...{
        name: "f",
        layers: ["arn:layer", "arn:aws:extension"],
        memorySize: 2048,
        timeout: 120,
        reservedConcurrentExecutions: 5,
      },
      loggingConfig: { logFormat: "JSON", logGroup: "/a/group" },
      environment: { variables: { A: "b" } },
    });

    expect([id, state.arn]).to.deep.equal(["f", "arn:function"]);
    expect(services.omitted.lines).to.deep.equal(["not run here: the layer arn:aws:extension (1)"]);
    const declared = { layers: ["arn:layer"], memorySize: 2048, timeout: 120, environment: { A: "b" } };
    expect(asked).to.deep.equal([
      ["createFunction", { ...inputs, name: "f", ...declared, logGroup: "/a/group" }],
    ]);
  });

  it("has Lambda's own defaults", async () => {
    const { make, asked } = fakeServices();

    await make(FUNCTION, { ...inputs, name: "f" });

    const defaults = { layers: [], memorySize: 128, timeout: 3, environment: {}, logGroup: "/aws/lambda/f" };
    expect(asked).to.deep.equal([["createFunction", { ...inputs, name: "f", ...defaults }]]);
  });

  it("is refused for what would make it another one, an image for example", async () => {
    const { make } = fakeServices();

    expect(await refusalOf(make(FUNCTION, { ...inputs, packageType: "Image" }))).to.contain("packageType");
  });
});

describe("a layer on this computer", () => {
  it("is known by the ARN of its first version", async () => {
    const { make, asked } = fakeServices();

    const { id } = await make("aws:lambda/layerVersion:LayerVersion", { layerName: "sharp", code: "files" });

    expect(id).to.equal("arn:aws:lambda:eu-west-1:000000000000:layer:sharp:1");
    expect(asked).to.deep.equal([["createLayer", id, "files"]]);
  });
});

describe("an event source mapping on this computer", () => {
  const MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping";
  const given = { eventSourceArn: "arn:aws:sqs:eu-west-1:000000000000:q", functionName: "arn:function" };
  const known = {
    functionArn: "arn:function",
    queueArn: given.eventSourceArn,
    queueUrl: "http://here/000000000000/q",
  };

  it("polls as it is declared", async () => {
    const { make, asked } = fakeServices();

    await make(MAPPING, {
      ...given,
      ...{
        batchSize: 100,
        maximumBatchingWindowInSeconds: 2,
        functionResponseTypes: ["ReportBatchItemFailures"],
      },
      scalingConfig: { maximumConcurrency: 7 },
    });

    const settings = { batchSize: 100, window: 2, maximumConcurrency: 7, reportsFailures: true };
    expect(asked).to.deep.equal([["createEventSourceMapping", { ...known, ...settings }]]);
  });

  it("has Lambda's own defaults", async () => {
    const { make, asked } = fakeServices();

    await make(MAPPING, given);

    const defaults = { batchSize: 10, window: 0, maximumConcurrency: undefined, reportsFailures: false };
    expect(asked).to.deep.equal([["createEventSourceMapping", { ...known, ...defaults }]]);
  });

  it("is refused for a filter, which would leave messages out", async () => {
    const { make } = fakeServices();

    expect(
      await refusalOf(make(MAPPING, { ...given, filterCriteria: { filters: [{ pattern: "{}" }] } })),
    ).to.contain("filterCriteria.filters.pattern");
  });
});
