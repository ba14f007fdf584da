import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { queueArn } from "../arn.ts";
import { ActionError, type Names, snsPermissions, sqsPermissions } from "../iam/actions.ts";
import type { Principal } from "../iam/decision.ts";
import type { Identity } from "../iam/identity.ts";
import { SignatureError } from "../iam/refusals.ts";
import { verifySignature } from "../iam/signature.ts";
import type { Messaging } from "../messaging/messaging.ts";
import type { MessagingRequest, MessagingResponse } from "../messaging/messaging-http.ts";
import { refusal } from "../messaging/sqs.ts";
import { fromQuery, toQuery } from "../messaging/sqs-query.ts";

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

/** SQS speaks JSON, SNS forms, and older clients forms to both; S3 has neither at the root. */
const JSON_PROTOCOL = /^application\/x-amz-json-1\.0/;
const QUERY_PROTOCOL = /^application\/x-www-form-urlencoded/;

/** The request is from whom it says, but no policy allows it. */
class Denied extends Error {
  readonly code = "AccessDenied";
  readonly status = 403;
}

/** Listens on 127.0.0.1. @throws Error where the port is taken */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const server = createServer((request, response) => {
    const type = request.headers["content-type"] ?? "";
    const toMessaging = request.method === "POST" && (JSON_PROTOCOL.test(type) || QUERY_PROTOCOL.test(type));
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
  options: GatewayOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { region, identity } = options;
  const { url = "/", method = "POST", headers } = request;
  const isJson = JSON_PROTOCOL.test(headers["content-type"] ?? "");
  const service = isJson || headers.authorization?.includes("/sqs/aws4_request") ? "sqs" : "sns";
  const received = { url, headers, body: await buffer(request) };
  try {
    const { principal } = verifySignature(
      { method, ...received },
      { service, region, now: new Date(), lookup: (key) => identity.lookup(key) },
    );
    const query = service === "sqs" && !isJson ? fromQuery(received) : undefined;
    const answered = await judgedAnswer(options, service, principal, query?.request ?? received);
    const answer = query ? toQuery(query.operation, answered) : answered;
    response.writeHead(answer.status, answer.headers).end(answer.body);
  } catch (error) {
    if (!(error instanceof SignatureError || error instanceof ActionError || error instanceof Denied))
      throw error;
    const refused = refusal(error);
    const answer = isJson ? refused : toQuery("", refused);
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }
}

/** What judges requests to SQS and SNS, and answers them. */
export type Judged = Pick<GatewayOptions, "region" | "accountId" | "identity" | "messaging">;

/**
 * Answers a request to SQS or SNS where the policies allow it, whose principal is known.
 * @throws {Denied}
 * @throws {ActionError}
 */
export async function judgedAnswer(
  { region, accountId, identity, messaging }: Judged,
  service: "sqs" | "sns",
  principal: Principal,
  request: MessagingRequest,
): Promise<MessagingResponse> {
  const names: Names = {
    region,
    account: accountId,
    queueArn: (queueUrl) => queueArn({ region, accountId }, queueUrl),
    queueKey: (arn) => messaging.queueKey(arn),
  };
  const text = request.body.toString("utf8");
  const permissions =
    service === "sqs"
      ? sqsPermissions(String(request.headers["x-amz-target"]), JSON.parse(text), names)
      : snsPermissions(new URLSearchParams(text), names);
  for (const { action, resource, context } of permissions) {
    const decision = identity.judge(principal, action, resource, context);
    if (!decision.allowed) throw new Denied(decision.message);
  }
  return messaging.answer(request);
}
