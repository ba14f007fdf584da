import * as snsSdk from "@aws-sdk/client-sns";
import * as sqsSdk from "@aws-sdk/client-sqs";
import { expect } from "chai";
import {
  ActionError,
  type Names,
  type Permission,
  s3Arn,
  snsPermissions,
  sqsPermissions,
} from "../../src/iam/actions.ts";
import { capture } from "./capture.ts";

const QUEUE = "arn:aws:sqs:eu-central-1:123456789012:jobs";
const OTHER = "arn:aws:sqs:eu-central-1:123456789012:others";
const TOPIC = "arn:aws:sns:eu-central-1:123456789012:images";
const QUEUE_URL = "http://127.0.0.1:4566/123456789012/jobs";
const NAMES: Names = {
  region: "eu-central-1",
  account: "123456789012",
  queueArn: (url) => (url === QUEUE_URL ? QUEUE : undefined),
};
const CLIENT = {
  region: NAMES.region,
  maxAttempts: 1,
  credentials: { accessKeyId: "AKIALOCALEXAMPLE0001", secretAccessKey: "secret" },
};

/** Every operation that a client of the SDK has. */
function operations(sdk: object): string[] {
  return Object.keys(sdk).flatMap((name) => (/^[A-Z]\w+Command$/.test(name) ? name.slice(0, -7) : []));
}

const sqs = (operation: string, body: object) => sqsPermissions(`AmazonSQS.${operation}`, body, NAMES);
const sns = (parameters: Record<string, string>) => snsPermissions(new URLSearchParams(parameters), NAMES);

function code(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ActionError) return error.code;
    throw error;
  }
  return "none";
}

async function sent(sdk: object, client: string, operation: string, input: object) {
  const classes = sdk as Record<string, new (input: object) => never>;
  const [Client, Command] = [classes[client], classes[`${operation}Command`]];
  if (!Client || !Command) throw new Error(`there is no ${client} or ${operation}`);
  return capture((endpoint) =>
    (
      new Client({ ...CLIENT, endpoint, useQueueUrlAsEndpoint: false }) as {
        send(command: object): Promise<unknown>;
      }
    ).send(new Command(input)),
  );
}

describe("the permissions that a request to SQS needs", () => {
  const task = Buffer.from(JSON.stringify({ taskId: "1", sourceArn: QUEUE })).toString("base64");
  const input = {
    ...{ QueueUrl: QUEUE_URL, QueueName: "jobs", SourceArn: QUEUE, TaskHandle: task, Entries: [] },
    ...{ MessageBody: "hello", ReceiptHandle: "r", VisibilityTimeout: 1, Label: "l", TagKeys: [], Tags: {} },
  };

  for (const operation of operations(sqsSdk)) {
    it(`are named for ${operation}, as the SDK sends it`, async () => {
      const { headers, body } = await sent(sqsSdk, "SQSClient", operation, input);

      const permissions = sqsPermissions(String(headers["x-amz-target"]), JSON.parse(String(body)), NAMES);

      expect(permissions[0]).to.deep.equal({
        action: `sqs:${operation.replace("Batch", "")}`,
        resource: operation === "ListQueues" ? "*" : QUEUE,
      });
    });
  }

  it("are those of reading one queue and writing the other where messages are moved", () => {
    const permissions = sqs("StartMessageMoveTask", { SourceArn: QUEUE, DestinationArn: OTHER });

    expect(permissions).to.deep.equal([
      { action: "sqs:StartMessageMoveTask", resource: QUEUE },
      { action: "sqs:ReceiveMessage", resource: QUEUE },
      { action: "sqs:DeleteMessage", resource: QUEUE },
      { action: "sqs:GetQueueAttributes", resource: QUEUE },
      { action: "sqs:SendMessage", resource: OTHER },
    ]);
  });

  it("include tagging where a queue is created with tags", () => {
    expect(sqs("CreateQueue", { QueueName: "jobs", tags: { a: "b" } })).to.deep.equal([
      { action: "sqs:CreateQueue", resource: QUEUE },
      { action: "sqs:TagQueue", resource: QUEUE },
    ]);
  });

  it("concern the account that is asked for", () => {
    const [permission] = sqs("GetQueueUrl", { QueueName: "jobs", QueueOwnerAWSAccountId: "999999999999" });

    expect(permission?.resource).to.equal("arn:aws:sqs:eu-central-1:999999999999:jobs");
  });

  it("do not exist for an unknown operation, whatever it is called", () => {
    for (const operation of ["SendMessages", "sendMessage", "", "constructor", "__proto__", "toString"]) {
      expect(
        code(() => sqs(operation, { QueueUrl: QUEUE_URL })),
        operation,
      ).to.equal("InvalidAction");
    }
    expect(code(() => sqsPermissions("AmazonSNS.SendMessage", {}, NAMES))).to.equal("InvalidAction");
  });

  it("do not exist without the queue, or for one that nobody knows", () => {
    expect(code(() => sqs("SendMessage", {}))).to.equal("MissingParameter");
    expect(code(() => sqsPermissions("AmazonSQS.SendMessage", null, NAMES))).to.equal("MissingParameter");
    expect(code(() => sqs("SendMessage", { QueueUrl: `${QUEUE_URL}s` }))).to.equal(
      "AWS.SimpleQueueService.NonExistentQueue",
    );
    expect(code(() => sqs("CancelMessageMoveTask", { TaskHandle: "?" }))).to.equal("InvalidParameterValue");
  });
});

describe("the permissions that a request to SNS needs", () => {
  const input = {
    ...{
      TopicArn: TOPIC,
      ResourceArn: TOPIC,
      Name: "images",
      Protocol: "sqs",
      Endpoint: QUEUE,
      Message: "m",
    },
    ...{ PublishBatchRequestEntries: [], Label: "l", Token: "t", AttributeName: "DisplayName", Tags: [] },
    ...{ TagKeys: [], AWSAccountId: [], ActionName: [], Attributes: {}, attributes: {} },
  };
  const withoutResource =
    /^(List(Topics|Subscriptions)|(Get|Set)SubscriptionAttributes|Unsubscribe|.*(Phone|Platform|Endpoint|SMS|Origination).*)$/;

  for (const operation of operations(snsSdk)) {
    it(`are named for ${operation}, as the SDK sends it`, async () => {
      const { body } = await sent(snsSdk, "SNSClient", operation, input);

      const [permission, ...others] = snsPermissions(new URLSearchParams(String(body)), NAMES);

      expect(others).to.be.empty;
      expect(permission).to.include({
        action: `sns:${operation.replace("Batch", "")}`,
        resource: withoutResource.test(operation) ? "*" : TOPIC,
      });
    });
  }

  it("carry protocol and endpoint of a subscription, for conditions", () => {
    const [permission] = sns({ Action: "Subscribe", TopicArn: TOPIC, Protocol: "sqs", Endpoint: QUEUE });

    expect(permission?.context).to.deep.equal({ "sns:Protocol": "sqs", "sns:Endpoint": QUEUE });
  });

  it("include tagging where a topic is created with tags", () => {
    const tag = { "Tags.member.1.Key": "a", "Tags.member.1.Value": "b" };

    expect(sns({ Action: "CreateTopic", Name: "images", ...tag })).to.deep.equal([
      { action: "sns:CreateTopic", resource: TOPIC },
      { action: "sns:TagResource", resource: TOPIC },
    ]);
  });

  it("concern whatever a message is published to", () => {
    const resource = (target: Record<string, string>): Permission | undefined =>
      sns({ Action: "Publish", Message: "m", ...target })[0];

    expect(resource({ TargetArn: TOPIC })?.resource).to.equal(TOPIC);
    expect(resource({ PhoneNumber: "+491" })?.resource).to.equal("*");
    expect(code(() => resource({ TopicArn: TOPIC, TargetArn: OTHER }))).to.equal("InvalidParameter");
    expect(code(() => resource({}))).to.equal("MissingParameter");
  });

  it("do not exist for an unknown operation, or for a parameter that comes twice", () => {
    for (const Action of ["Publishes", "publish", "", "constructor", "__proto__"]) {
      expect(
        code(() => sns({ Action, TopicArn: TOPIC })),
        Action,
      ).to.equal("InvalidAction");
    }
    expect(code(() => snsPermissions(new URLSearchParams(""), NAMES))).to.equal("InvalidAction");
    const twice = `Action=Publish&TopicArn=${TOPIC}&TopicArn=${OTHER}`;
    expect(code(() => snsPermissions(new URLSearchParams(twice), NAMES))).to.equal("InvalidParameter");
  });
});

describe("the ARN of something in S3", () => {
  it("is that of the bucket, or of an object with its key as it is", () => {
    expect(s3Arn("photos")).to.equal("arn:aws:s3:::photos");
    expect(s3Arn("photos", "a b/*:ü")).to.equal("arn:aws:s3:::photos/a b/*:ü");
  });
});
