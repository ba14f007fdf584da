import * as snsSdk from "@aws-sdk/client-sns";
import * as sqsSdk from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { buildApp } from "fauxqs";
import {
  type Names,
  type Permission,
  readForm,
  s3Arn,
  snsPermissions,
  sqsPermissions,
} from "../../src/iam/actions.ts";
import { ServiceError } from "../../src/service-error.ts";
import { capture } from "./capture.ts";

const QUEUE = "arn:aws:sqs:eu-central-1:123456789012:jobs";
const OTHER = "arn:aws:sqs:eu-central-1:123456789012:others";
const TOPIC = "arn:aws:sns:eu-central-1:123456789012:images";
const QUEUE_URL = "http://127.0.0.1:4566/123456789012/jobs";
const NAMES: Names = {
  region: "eu-central-1",
  accountId: "123456789012",
  queueKey: () => undefined,
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

/** The operations of the SDK that fauxqs answers. */
const { SQS, SNS } = await answered();

async function answered(): Promise<Record<"SQS" | "SNS", string[]>> {
  const app = buildApp({ logger: false });
  const knows = async (operation: string, headers: object, payload: string) => {
    const { body } = await app.inject({ method: "POST", url: "/", headers: { ...headers }, payload });
    return body.includes("InvalidAction") ? [] : [operation];
  };
  const json = { "content-type": "application/x-amz-json-1.0" };
  const form = { "content-type": "application/x-www-form-urlencoded" };
  try {
    const sqs = operations(sqsSdk).map((name) =>
      knows(name, { ...json, "x-amz-target": `AmazonSQS.${name}` }, "{}"),
    );
    const sns = operations(snsSdk).map((name) => knows(name, form, `Action=${name}`));
    return { SQS: (await Promise.all(sqs)).flat(), SNS: (await Promise.all(sns)).flat() };
  } finally {
    await app.close();
  }
}

const sqs = (operation: string, input: object) => sqsPermissions(operation, input, NAMES);
const sns = (parameters: Record<string, string>) => snsPermissions(parameters, NAMES);

function code(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ServiceError) return error.code;
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
  const input = {
    ...{ QueueUrl: QUEUE_URL, QueueName: "jobs", Entries: [] },
    ...{ MessageBody: "hello", ReceiptHandle: "r", VisibilityTimeout: 1, TagKeys: [], Tags: {} },
  };

  for (const operation of SQS) {
    it(`are named for ${operation}, as the SDK sends it`, async () => {
      const { headers, body } = await sent(sqsSdk, "SQSClient", operation, input);

      expect(headers["x-amz-target"]).to.equal(`AmazonSQS.${operation}`);
      const permissions = sqsPermissions(operation, JSON.parse(String(body)), NAMES);

      expect(permissions[0]).to.deep.equal({
        action: `sqs:${operation.replace("Batch", "")}`,
        resource: operation === "ListQueues" ? "*" : QUEUE,
      });
    });
  }

  it("include tagging where a queue is created with tags", () => {
    expect(sqs("CreateQueue", { QueueName: "jobs", tags: { a: "b" } })).to.deep.equal([
      { action: "sqs:CreateQueue", resource: QUEUE },
      { action: "sqs:TagQueue", resource: QUEUE },
    ]);
  });

  it("include those of a queue's key, by way of SQS, where that is none of AWS's own", () => {
    const needed = (operation: string, queueKey: string) =>
      sqsPermissions(operation, { QueueUrl: QUEUE_URL }, { ...NAMES, queueKey: () => queueKey }).slice(1);
    const key = (use: string) => ({
      action: `kms:${use}`,
      resource: "arn:aws:kms:eu-central-1:123456789012:key/ours",
      context: { "kms:ViaService": "sqs.eu-central-1.amazonaws.com" },
    });

    expect(needed("ReceiveMessage", "ours")).to.deep.equal([key("Decrypt")]);
    for (const operation of ["SendMessage", "SendMessageBatch"]) {
      expect(needed(operation, "ours")).to.deep.equal([key("GenerateDataKey"), key("Decrypt")]);
      expect(needed(operation, "alias/aws/sqs")).to.deep.equal([]);
    }
    expect(needed("DeleteMessage", "ours")).to.deep.equal([]);
  });

  it("concern the account that is asked for", () => {
    const [permission] = sqs("GetQueueUrl", { QueueName: "jobs", QueueOwnerAWSAccountId: "999999999999" });

    expect(permission?.resource).to.equal("arn:aws:sqs:eu-central-1:999999999999:jobs");
  });

  it("do not exist for operations that nothing here would answer", () => {
    const others = operations(sqsSdk).filter((operation) => !SQS.includes(operation));

    expect(others).to.include("StartMessageMoveTask");
    for (const operation of others) {
      expect(
        code(() => sqs(operation, { QueueUrl: QUEUE_URL })),
        operation,
      ).to.equal("InvalidAction");
    }
  });

  it("do not exist for an unknown operation, whatever it is called", () => {
    for (const operation of [
      "SendMessages",
      "AmazonSNS.SendMessage",
      "sendMessage",
      "",
      "constructor",
      "__proto__",
      "toString",
    ]) {
      expect(
        code(() => sqs(operation, { QueueUrl: QUEUE_URL })),
        operation,
      ).to.equal("InvalidAction");
    }
  });

  it("do not exist without the queue", () => {
    expect(code(() => sqs("SendMessage", {}))).to.equal("MissingParameter");
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
  const withoutResource = /^(List(Topics|Subscriptions)|(Get|Set)SubscriptionAttributes|Unsubscribe)$/;

  for (const operation of SNS) {
    it(`are named for ${operation}, as the SDK sends it`, async () => {
      const { body } = await sent(snsSdk, "SNSClient", operation, input);

      const [permission, ...others] = snsPermissions(readForm(String(body)), NAMES);

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
    expect(code(() => resource({ PhoneNumber: "+491" }))).to.equal("MissingParameter");
    expect(code(() => resource({ TopicArn: TOPIC, TargetArn: OTHER }))).to.equal("InvalidParameter");
    expect(code(() => resource({}))).to.equal("MissingParameter");
  });

  it("do not exist for operations that nothing here would answer", () => {
    const others = operations(snsSdk).filter((operation) => !SNS.includes(operation));

    expect(others).to.include("CreatePlatformApplication");
    for (const Action of others) {
      expect(
        code(() => sns({ Action, TopicArn: TOPIC })),
        Action,
      ).to.equal("InvalidAction");
    }
  });

  it("do not exist for an unknown operation, or for a parameter that comes twice", () => {
    for (const Action of ["Publishes", "publish", "", "constructor", "__proto__"]) {
      expect(
        code(() => sns({ Action, TopicArn: TOPIC })),
        Action,
      ).to.equal("InvalidAction");
    }
    expect(code(() => snsPermissions({}, NAMES))).to.equal("InvalidAction");
    const twice = `Action=Publish&TopicArn=${TOPIC}&TopicArn=${OTHER}`;
    expect(code(() => readForm(twice))).to.equal("InvalidParameter");
  });
});

describe("the ARN of something in S3", () => {
  it("is that of the bucket, or of an object with its key as it is", () => {
    expect(s3Arn("photos")).to.equal("arn:aws:s3:::photos");
    expect(s3Arn("photos", "a b/*:ü")).to.equal("arn:aws:s3:::photos/a b/*:ü");
  });
});
