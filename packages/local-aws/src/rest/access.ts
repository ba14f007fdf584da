import type { IncomingMessage } from "node:http";
import type { SignedPiece } from "./chunked.ts";

/** A permission that the caller needs, in IAM's terms. */
export interface AccessRequest {
  /** For example `s3:GetObjectVersion`. */
  readonly action: `s3:${string}`;
  readonly bucket?: string | undefined;
  readonly key?: string | undefined;
  readonly versionId?: string | undefined;
  /** Of listings: for the condition keys s3:prefix and s3:delimiter. */
  readonly prefix?: string | undefined;
  readonly delimiter?: string | undefined;
  /** Set where nobody lists: the right to list the bucket decides whether this missing key is a 404 or a 403. */
  readonly missingKey?: string | undefined;
  /** S3's, which the answer has too. */
  readonly requestId: string;
  readonly http: IncomingMessage;
}

/** Hooks of whoever knows the callers. Without one everything is allowed. */
export interface S3Hooks {
  /** Called for each permission that an operation needs, before it does anything. Throws an S3Error to refuse. */
  readonly authorize?: ((request: AccessRequest) => void | Promise<void>) | undefined;
  /** Called for each signed piece of an aws-chunked body, in order. Throws an S3Error to refuse. */
  readonly verifyChunk?: ((http: IncomingMessage, piece: SignedPiece) => void) | undefined;
  /** The `principalId` of the caller, for the events. @default AWS:ACCOUNT */
  readonly principalId?: ((http: IncomingMessage) => string) | undefined;
  /** Told of faults of the store itself, which the caller sees as 500 InternalError. */
  readonly failed?: ((http: IncomingMessage, error: unknown) => void) | undefined;
}
