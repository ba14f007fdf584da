import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { type Names, type Permission, readForm, snsPermissions, sqsPermissions } from "../iam/actions.ts";
import type { Principal } from "../iam/decision.ts";
import type { Identity } from "../iam/identity.ts";
import { SignatureError } from "../iam/refusals.ts";
import { verifySignature } from "../iam/signature.ts";
import type { Messaging } from "../messaging/messaging.ts";
import { fromQuery, toQuery, toQueryError } from "../messaging/sqs-query.ts";
import { ServiceError } from "../service-error.ts";

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
  const { host = "" } = headers;
  const isJson = JSON_PROTOCOL.test(headers["content-type"] ?? "");
  const service = isJson || headers.authorization?.includes("/sqs/aws4_request") ? "sqs" : "sns";
  const body = await buffer(request);
  const answer = (status: number, text: string, more: Record<string, string> = {}) => {
    const type = isJson ? "application/x-amz-json-1.0" : "text/xml";
    const bytes = Buffer.from(text);
    const ours = { "content-type": type, "content-length": bytes.length, "x-amzn-requestid": randomUUID() };
    response.writeHead(status, { ...ours, ...more }).end(bytes);
  };
  try {
    const { principal } = verifySignature(
      { method, url, headers, body },
      { service, region, now: new Date(), lookup: (key) => identity.lookup(key) },
    );
    const text = body.toString("utf8");
    if (service === "sns") return answer(200, await askSns(options, principal, readForm(text), host));
    const { operation, input } = isJson
      ? { operation: String(headers["x-amz-target"]).replace(/^AmazonSQS\./, ""), input: readJson(text) }
      : fromQuery(text, url === "/" ? undefined : `http://${host}${url}`);
    const said = await askSqs(options, principal, operation, input, host);
    answer(200, isJson ? JSON.stringify(said ?? {}) : toQuery(operation, said));
  } catch (error) {
    const refused = refusalOf(error);
    const { code, message, status, queryCode, fault } = refused;
    if (!isJson) return answer(status, toQueryError(refused));
    const said = JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message });
    answer(status, said, { "x-amzn-query-error": `${queryCode};${fault}` });
  }
}

function readJson(text: string): object {
  try {
    const parsed: unknown = JSON.parse(text || "{}");
    if (typeof parsed === "object" && parsed !== null) return parsed;
  } catch {
    // Told below, like JSON that is no object.
  }
  throw new ServiceError("SerializationException", "The body is no JSON object.");
}

/** @throws whatever is no refusal */
function refusalOf(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (!(error instanceof SignatureError)) throw error;
  return new ServiceError(error.code, error.message, error.status);
}

/** What judges requests to SQS and SNS, and answers them. */
export type Judged = Pick<GatewayOptions, "region" | "accountId" | "identity" | "messaging">;

/**
 * Has SQS do something where the policies allow it, for a principal who is known.
 * @throws {ServiceError}
 */
export async function askSqs(
  judged: Judged,
  principal: Principal,
  operation: string,
  input: object,
  host: string,
): Promise<object | undefined> {
  allow(judged, principal, sqsPermissions(operation, input, namesOf(judged)));
  return judged.messaging.sqs(operation, input, host);
}

/** The same of SNS, which answers in XML. */
export async function askSns(
  judged: Judged,
  principal: Principal,
  parameters: Readonly<Record<string, string>>,
  host: string,
): Promise<string> {
  allow(judged, principal, snsPermissions(parameters, namesOf(judged)));
  return judged.messaging.sns(parameters, host);
}

function namesOf({ region, accountId, messaging }: Judged): Names {
  return { region, accountId, queueKey: messaging.queueKey };
}

function allow({ identity }: Judged, principal: Principal, permissions: readonly Permission[]): void {
  for (const { action, resource, context } of permissions) {
    const decision = identity.judge(principal, action, resource, context);
    if (!decision.allowed) throw new ServiceError("AccessDenied", decision.message, 403);
  }
}
