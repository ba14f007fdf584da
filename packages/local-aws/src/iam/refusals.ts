/** Error codes for requests whose signature is not accepted. */

type Codes = readonly [code: string, status: 400 | 403];

/** Error code and status of each refusal: S3 has names of its own, SQS and SNS share theirs. */
const REFUSALS = {
  unsigned: { s3: ["AccessDenied", 403], other: ["MissingAuthenticationToken", 403] },
  mechanism: { s3: ["InvalidRequest", 400], other: ["IncompleteSignature", 400] },
  twice: { s3: ["InvalidArgument", 400], other: ["IncompleteSignature", 400] },
  header: { s3: ["AuthorizationHeaderMalformed", 400], other: ["IncompleteSignature", 400] },
  query: { s3: ["AuthorizationQueryParametersError", 400], other: ["IncompleteSignature", 400] },
  payload: { s3: ["InvalidRequest", 400], other: ["IncompleteSignature", 400] },
  uri: { s3: ["InvalidURI", 400], other: ["MalformedQueryString", 400] },
  key: { s3: ["InvalidAccessKeyId", 403], other: ["InvalidClientTokenId", 403] },
  token: { s3: ["InvalidToken", 400], other: ["InvalidClientTokenId", 403] },
  skewed: { s3: ["RequestTimeTooSkewed", 403], other: ["SignatureDoesNotMatch", 403] },
  expired: { s3: ["AccessDenied", 403], other: ["SignatureDoesNotMatch", 403] },
  scope: { s3: ["AuthorizationHeaderMalformed", 400], other: ["SignatureDoesNotMatch", 403] },
  unsignedHeader: { s3: ["AccessDenied", 403], other: ["SignatureDoesNotMatch", 403] },
  mismatch: { s3: ["SignatureDoesNotMatch", 403], other: ["SignatureDoesNotMatch", 403] },
} as const satisfies Record<string, { s3: Codes; other: Codes }>;

export type Refusal = keyof typeof REFUSALS;

/** The request is not from whom it says it is, or does not say it well enough. */
export class SignatureError extends Error {
  override readonly name = "SignatureError";
  /** The error code in the answer, for example `SignatureDoesNotMatch`. */
  readonly code: string;
  /** The HTTP status of the answer. */
  readonly status: 400 | 403;

  constructor(service: string, refusal: Refusal, message: string) {
    super(message);
    [this.code, this.status] = REFUSALS[refusal][service === "s3" ? "s3" : "other"];
  }
}

/** Refuses the request at hand, in its service's words. */
export type Refuse = (refusal: Refusal, message: string) => never;
