import { ListQueuesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { afterTest } from "../../../../test/support/cleanup.ts";
import { ACCOUNT_ID } from "../../src/arn.ts";
import { openGateway } from "../../src/gateway/gateway.ts";
import { Identity } from "../../src/iam/identity.ts";
import { openMessaging } from "../../src/messaging/messaging.ts";

const region = "us-east-1";

describe("the gateway", () => {
  for (const body of ["{", "[", "null", '"text"']) {
    it(`answers a request to SQS whose body is ${body} with 400, and goes on`, async () => {
      const identity = new Identity(ACCOUNT_ID);
      const faults: unknown[] = [];
      const report = (error: unknown) => faults.push(error);
      const messaging = await openMessaging({ region, identity, report });
      afterTest(() => messaging.close());
      const services = { region, accountId: ACCOUNT_ID, identity, messaging, report };
      const gateway = await openGateway({ ...services, port: 0, s3: async () => {} });
      afterTest(() => gateway.close());
      const { endpoint } = gateway;
      const client = new SQSClient({ region, endpoint, credentials: identity.administrator, maxAttempts: 1 });
      afterTest(() => client.destroy());
      const malformed = new ListQueuesCommand({});
      malformed.middlewareStack.add(
        (next) => (args) => {
          const request = args.request as { body: string; headers: Record<string, string> };
          request.body = body;
          request.headers["content-length"] = String(body.length);
          return next(args);
        },
        { step: "build", priority: "low" },
      );

      const refused = await client.send(malformed).catch((error) => error);

      expect([refused.name, refused.$metadata.httpStatusCode]).to.deep.equal(["SerializationException", 400]);
      expect(faults).to.deep.equal([]);
      expect((await client.send(new ListQueuesCommand({}))).QueueUrls ?? []).to.deep.equal([]);
    });
  }
});
