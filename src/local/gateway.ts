import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { ActionError, type Names, snsPermissions, sqsPermissions } from "./iam/actions.ts";
import { SignatureError } from "./iam/refusals.ts";
import { verifySignature } from "./iam/signature.ts";
import type { Identity } from "./identity.ts";
import type { Messaging } from "./messaging.ts";
import { queueArn } from "./provision/messaging.ts";

export interface GatewayOptions {
  /** 0 for any that is free. */
  readonly port: number;
  readonly region: string;
  readonly accountId: string;
  readonly identity: Identity;
  readonly messaging: Messaging;
  /** Told of faults of this machine, which clients see as a 500 and try again. */
  readonly report: (error: unknown) => void;
  /** Answers requests to S3, and judges them itself: only it knows which buckets and keys they are about. */
  readonly s3: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** Stands between a request and its answer, to let something go wrong. @default answers */
  readonly intercept?:
    | ((request: IncomingMessage, response: ServerResponse, answer: () => Promise<void>) => Promise<void>)
    | undefined;
}

/** One endpoint for S3, SNS and SQS, on this computer alone. */
export interface Gateway {
  /** For example `http://127.0.0.1:4566`. */
  readonly endpoint: string;
  close(): Promise<void>;
}

/** SQS speaks JSON and SNS forms; S3 has neither at the root. */
const SQS = /^application\/x-amz-json-1\.0/;
const SNS = /^application\/x-www-form-urlencoded/;

/** The request is from whom it says, but no policy allows it. */
class Denied extends Error {
  readonly code = "AccessDenied";
  readonly status = 403;
}

/** Listens on 127.0.0.1. @throws Error where the port is taken */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const server = createServer((request, response) => {
    const type = request.headers["content-type"] ?? "";
    const toMessaging = request.method === "POST" && (SQS.test(type) || SNS.test(type));
    const answer = () =>
      toMessaging ? answerMessaging(options, request, response) : options.s3(request, response);
    const answered = options.intercept ? options.intercept(request, response, answer) : answer();
    answered.catch((error: unknown) => {
      options.report(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  // A person's upload may take as long as it likes.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A request to SQS or SNS: whose it is, whether it may, and then what the service says. */
async function answerMessaging(
  { region, accountId, identity, messaging }: GatewayOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { url = "/", method = "POST", headers } = request;
  const service = SQS.test(headers["content-type"] ?? "") ? "sqs" : "sns";
  const body = await buffer(request);
  try {
    if (service === "sns" && headers.authorization?.includes("/sqs/aws4_request")) {
      throw new ActionError(
        "UnsupportedOperation",
        "SQS is understood here in its JSON protocol alone, which the AWS CLI and SDKs speak since May 2024: update yours",
      );
    }
    const { principal } = verifySignature(
      { method, url, headers, body },
      { service, region, now: new Date(), lookup: (key) => identity.lookup(key) },
    );
    const names: Names = {
      region,
      account: accountId,
      queueArn: (queueUrl) => queueArn({ region, accountId }, queueUrl),
    };
    const permissions =
      service === "sqs"
        ? sqsPermissions(String(headers["x-amz-target"]), JSON.parse(body.toString("utf8")), names)
        : snsPermissions(new URLSearchParams(body.toString("utf8")), names);
    for (const { action, resource, context } of permissions) {
      const decision = identity.judge(principal, action, resource, context);
      if (!decision.allowed) throw new Denied(decision.message);
    }
  } catch (error) {
    if (!(error instanceof SignatureError || error instanceof ActionError || error instanceof Denied))
      throw error;
    return refuse(response, service, error);
  }
  const answer = await messaging.answer({ url, headers, body });
  response.writeHead(answer.status, answer.headers).end(answer.body);
}

/** An error as the service's protocol has it. */
function refuse(
  response: ServerResponse,
  service: "sqs" | "sns",
  { code, status, message }: { code: string; status: number; message: string },
): void {
  if (service === "sqs") {
    response
      .writeHead(status, {
        "content-type": "application/x-amz-json-1.0",
        "x-amzn-query-error": `${code};Sender`,
      })
      .end(JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message }));
  } else {
    const escaped = message.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    response
      .writeHead(status, { "content-type": "text/xml" })
      .end(
        `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${escaped}</Message></Error></ErrorResponse>`,
      );
  }
}
