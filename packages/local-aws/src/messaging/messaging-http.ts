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

/** Parses a body of JSON; an empty one is an empty object. */
export function parsed(json: Buffer): Record<string, unknown> {
  return json.length > 0 ? JSON.parse(json.toString("utf8")) : {};
}

/** The same request with another body, of JSON. */
export function withBody(request: MessagingRequest, body: unknown): MessagingRequest {
  const bytes = Buffer.from(JSON.stringify(body));
  return { ...request, headers: { ...request.headers, "content-length": String(bytes.length) }, body: bytes };
}

/** The same answer with another body, of JSON. */
export function withAnswer(answer: MessagingResponse, body: unknown): MessagingResponse {
  const bytes = Buffer.from(JSON.stringify(body));
  return { ...answer, headers: { ...answer.headers, "content-length": bytes.length }, body: bytes };
}
