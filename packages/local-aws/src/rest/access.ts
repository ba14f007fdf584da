import type { SignedPiece } from "./chunked.ts";

/** A permission that the caller needs, in IAM's terms. */
export interface AccessRequest {
  /** For example `s3:GetObjectVersion`. */
  readonly action: `s3:${string}` | `kms:${string}`;
  readonly bucket?: string | undefined;
  readonly key?: string | undefined;
  readonly versionId?: string | undefined;
  /** Of listings: for the condition keys s3:prefix and s3:delimiter. */
  readonly prefix?: string | undefined;
  readonly delimiter?: string | undefined;
  /** The KMS key that an action of KMS is about. */
  readonly encryptionKey?: string | undefined;
  /** S3's, which the answer has too. */
  readonly requestId: string;
}

/** Who sent a request. */
export interface Caller {
  /** As events have it. */
  readonly principalId: string;
  /** Called for each permission that an operation needs, before it does anything. Throws an S3Error to refuse. */
  authorize(access: AccessRequest): void;
  /** Called for each signed piece of an aws-chunked body, in order. Throws an S3Error to refuse. */
  verifyChunk(piece: SignedPiece): void;
}
