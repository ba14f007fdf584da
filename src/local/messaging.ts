import { buildApp } from "fauxqs";

/** An HTTP request whose body has been read. */
export interface MessagingRequest {
  readonly url: string;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

export interface MessagingResponse {
  readonly status: number;
  readonly headers: Record<string, string | string[] | number | undefined>;
  readonly body: Buffer;
}

/** SNS and SQS, without a listener of their own. */
export interface Messaging {
  answer(request: MessagingRequest): Promise<MessagingResponse>;
  /** Answers every long poll at once, with nothing, and takes no further requests. */
  close(): Promise<void>;
}

/** The account that fauxqs gives every queue and topic. */
export const ACCOUNT_ID = "000000000000";

/** SNS and SQS are fauxqs, which is handed what the gateway gets for them. */
export async function openMessaging(region: string): Promise<Messaging> {
  const app = buildApp({ logger: false, defaultRegion: region });
  await app.ready();
  return {
    async answer({ url, headers, body }) {
      const {
        statusCode,
        headers: answered,
        rawPayload,
      } = await app.inject({
        method: "POST",
        url,
        headers,
        payload: body,
      });
      const reached = reachable(rawPayload, headers.host);
      return {
        status: statusCode,
        headers: { ...answered, "content-length": reached.length },
        body: reached,
      };
    },
    close: () => app.close(),
  };
}

/** fauxqs names queues by a host that not every system resolves; it finds them again by their path alone. */
function reachable(body: Buffer, host: string | string[] | undefined): Buffer {
  if (!body.includes("http://sqs.")) return body;
  return Buffer.from(body.toString("utf8").replaceAll(/http:\/\/sqs\.[^/"<]+\//g, `http://${host}/`));
}
