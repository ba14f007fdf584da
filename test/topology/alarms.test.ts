import { readFileSync } from "node:fs";
import { expect } from "chai";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import type { AlarmSettings, WorkerSettings } from "../../src/topology/setting-types.ts";
import { find, type Registered, registered } from "../support/mocks.ts";

const TOPIC = "arn:aws:sns:eu-west-1:123456789012:images-alarms";

const machine = (alarms: AlarmSettings = {}) =>
  registered(() => {
    const fanOut = new ImageFanOut("images", { alarms });
    new RotationWorker("clockwise", { fanOut, angle: 90 });
  });

describe("the alarms", () => {
  let resources: Registered[];

  before(async () => {
    resources = await machine({ silent: { threshold: 6 } });
  });

  const oneMinute = { period: 60, datapointsToAlarm: 1, evaluationPeriods: 1 };
  const threeOfFiveMinutes = { period: 60, datapointsToAlarm: 3, evaluationPeriods: 5 };
  const ofDeadLetters = (metricName: string) => ({
    namespace: "AWS/SQS",
    metricName,
    dimensions: { QueueName: "images-clockwise-dead-letters" },
    period: 60,
    stat: "Maximum",
  });
  const expected: Record<string, object> = {
    "images-silent-alarm": {
      namespace: "AWS/SNS",
      metricName: "NumberOfMessagesPublished",
      dimensions: { TopicName: "images-created" },
      statistic: "Sum",
      period: 3600,
      threshold: 1,
      comparisonOperator: "LessThanThreshold",
      datapointsToAlarm: 6,
      evaluationPeriods: 6,
      // A topic that nobody publishes to has no data at all.
      treatMissingData: "breaching",
    },
    "images-undelivered-alarm": {
      namespace: "AWS/SNS",
      metricName: "NumberOfNotificationsFailed",
      dimensions: { TopicName: "images-created" },
      statistic: "Sum",
      threshold: 0,
      ...oneMinute,
      treatMissingData: "notBreaching",
    },
    "images-clockwise-dead-letters-alarm": {
      // Letters that somebody looks at are hidden meanwhile, and still there.
      metricQueries: [
        {
          id: "sum",
          expression: "one + other",
          label: "ApproximateNumberOfMessagesVisible + ApproximateNumberOfMessagesNotVisible",
          returnData: true,
        },
        { id: "one", metric: ofDeadLetters("ApproximateNumberOfMessagesVisible") },
        { id: "other", metric: ofDeadLetters("ApproximateNumberOfMessagesNotVisible") },
      ],
      threshold: 0,
      datapointsToAlarm: 1,
      evaluationPeriods: 1,
      treatMissingData: "ignore",
    },
    "images-clockwise-late-alarm": {
      namespace: "AWS/SQS",
      metricName: "ApproximateAgeOfOldestMessage",
      dimensions: { QueueName: "images-clockwise-queue" },
      statistic: "Maximum",
      threshold: 1760,
      ...threeOfFiveMinutes,
      treatMissingData: "notBreaching",
    },
    "images-clockwise-in-flight-alarm": {
      namespace: "AWS/SQS",
      metricName: "ApproximateNumberOfMessagesNotVisible",
      dimensions: { QueueName: "images-clockwise-queue" },
      statistic: "Maximum",
      threshold: 96_000,
      ...oneMinute,
      treatMissingData: "notBreaching",
    },
    "images-clockwise-errors-alarm": {
      namespace: "AWS/Lambda",
      metricName: "Errors",
      dimensions: { FunctionName: "images-clockwise-function" },
      statistic: "Sum",
      threshold: 0,
      ...threeOfFiveMinutes,
      treatMissingData: "notBreaching",
    },
    "images-clockwise-throttles-alarm": {
      namespace: "AWS/Lambda",
      metricName: "Throttles",
      dimensions: { FunctionName: "images-clockwise-function" },
      statistic: "Sum",
      threshold: 0,
      ...threeOfFiveMinutes,
      treatMissingData: "notBreaching",
    },
    "images-clockwise-rejected-alarm": {
      namespace: "ImageMachine",
      metricName: "rejected",
      dimensions: { service: "clockwise", machine: "machine-test-images" },
      statistic: "Sum",
      threshold: 10,
      period: 300,
      datapointsToAlarm: 1,
      evaluationPeriods: 1,
      treatMissingData: "notBreaching",
    },
  };

  it("are these", () => {
    const alarms = resources.filter(({ type }) => type.endsWith(":MetricAlarm"));

    expect(alarms.map(({ name }) => name)).to.have.members(Object.keys(expected));
  });

  for (const [name, watched] of Object.entries(expected)) {
    it(`have ${name} as it should be, telling the topic when it begins and ends`, () => {
      const { alarmDescription, tags, ...alarm } = find(resources, "MetricAlarm", name);

      expect(alarm).to.deep.equal({
        comparisonOperator: "GreaterThanThreshold",
        ...watched,
        alarmActions: [TOPIC],
        okActions: [TOPIC],
      });
      expect(tags).to.include({ Project: "machine", Stack: "test" });
    });

    it(`have in ${name} a description that leads to a section of the runbook`, () => {
      const { alarmDescription } = find(resources, "MetricAlarm", name);
      const [, section] = /What to do: docs\/operations\.md, "(.+)"\.$/.exec(alarmDescription) ?? [];

      expect(readFileSync("docs/operations.md", "utf8")).to.contain(`\n## ${section}\n`);
      expect(alarmDescription.length).to.be.lessThan(1024);
    });
  }

  it("say nothing of a stack that is quiet, unless they are asked to", async () => {
    for (const alarms of [{}, { silent: false }] as const) {
      expect((await machine(alarms)).map(({ name }) => name)).to.not.include("images-silent-alarm");
    }
    expect(find(await machine({ silent: { threshold: 1 } }), "MetricAlarm", "images-silent-alarm"))
      .to.have.property("alarmDescription")
      .that.contains("no new image for an hour:");
  });

  it("go to a topic to which the account's alarms alone publish, over TLS", () => {
    const { policy } = find(resources, "TopicPolicy", "images-alarms-policy");

    expect(policy).to.deep.equal({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "AlarmsPublish",
          Effect: "Allow",
          Principal: { Service: "cloudwatch.amazonaws.com" },
          Action: "sns:Publish",
          Resource: TOPIC,
          Condition: {
            ArnLike: { "aws:SourceArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:*" },
            StringEquals: { "aws:SourceAccount": "123456789012" },
          },
        },
        {
          Sid: "DenyWithoutTls",
          Effect: "Deny",
          Principal: "*",
          Action: "sns:Publish",
          Resource: [TOPIC],
          Condition: { Bool: { "aws:SecureTransport": "false" } },
        },
      ],
    });
  });

  it("are mailed to nobody by default, and to the one address that is given", async () => {
    expect(resources.filter(({ inputs }) => inputs.protocol === "email")).to.deep.equal([]);
    expect(
      find(await machine({ email: "a@b.example" }), "TopicSubscription", "images-alarms-email"),
    ).to.deep.equal({ topic: TOPIC, protocol: "email", endpoint: "a@b.example" });
  });

  const times: WorkerSettings[] = [
    {},
    { batchSize: 5 },
    { timeout: 150 },
    { timeout: 900 },
    { timeout: 900, batchSize: 11, maximumBatchingWindowInSeconds: 300 },
    { timeout: 70, memorySize: 512, maximumBatchingWindowInSeconds: 300 },
  ];
  for (const workers of times) {
    it(`do not ring for one batch that crashes, of workers with ${JSON.stringify(workers)}`, async () => {
      const found = await registered(() => {
        new RotationWorker("clockwise", { fanOut: new ImageFanOut("images", { workers }), angle: 90 });
      });

      const { timeout } = find(found, "Function", "images-clockwise-function");
      const { threshold, alarmDescription } = find(found, "MetricAlarm", "images-clockwise-late-alarm");
      // It waits for a batch to fill, is hidden until its function has ended and up to 70 seconds more, and all that again.
      const window = workers.maximumBatchingWindowInSeconds ?? 0;
      expect(threshold).to.equal(Math.max(900, 2 * (window + timeout) + 70 + 60));
      expect(threshold).to.be.at.least(900);
      expect(alarmDescription).to.contain(`more than ${threshold} seconds`).and.not.contain("crashed");
    });
  }

  it("say so where one batch that crashes is enough, as somebody set it", async () => {
    const late = async (threshold: number) =>
      find(await machine({ late: { threshold } }), "MetricAlarm", "images-clockwise-late-alarm")
        .alarmDescription;

    expect(await late(1699)).to.contain(
      " more than 1699 seconds. A single batch that crashed is enough: it comes again, and takes up to 1700 seconds in all. ",
    );
    expect(await late(1700)).to.not.contain("crashed");
  });

  it("have the objectives that are set", async () => {
    const strict = await machine({ late: { threshold: 60 }, rejected: { threshold: 0 } });

    expect(find(strict, "MetricAlarm", "images-clockwise-late-alarm").threshold).to.equal(60);
    expect(find(strict, "MetricAlarm", "images-clockwise-rejected-alarm").threshold).to.equal(0);
  });

  it("are those of the kinds that are wanted, above what is said of each", async () => {
    const few = await machine({
      ...{ undelivered: false, late: false, throttles: false },
      ...{ deadLetters: { threshold: 3 }, inFlight: { threshold: 1000 }, errors: { threshold: 7 } },
    });
    const alarms = few.filter(({ type }) => type.endsWith(":MetricAlarm"));

    expect(Object.fromEntries(alarms.map(({ name, inputs }) => [name, inputs.threshold]))).to.deep.equal({
      "images-clockwise-dead-letters-alarm": 3,
      "images-clockwise-in-flight-alarm": 1000,
      "images-clockwise-errors-alarm": 7,
      "images-clockwise-rejected-alarm": 10,
    });
    expect(find(few, "MetricAlarm", "images-clockwise-in-flight-alarm").alarmDescription).to.contain(
      "more than 1,000 of the 120,000 messages",
    );
  });

  it("are not there where they are turned off, and their topic and whoever subscribed to it are what they were", async () => {
    const ofTopic = (resources: Registered[]) =>
      resources.filter(({ type, name }) => /AlarmTopic/.test(type) || /^images-alarms/.test(name));
    const quiet = await machine({ enabled: false, email: "a@b.example" });
    const loud = await machine({ email: "a@b.example" });

    expect(quiet.filter(({ type }) => type.endsWith(":MetricAlarm"))).to.deep.equal([]);
    expect(ofTopic(quiet)).to.have.length(4).and.deep.equal(ofTopic(loud));
  });
});
