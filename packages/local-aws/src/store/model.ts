import type { ChecksumAlgorithm } from "./digests.ts";

export type Versioning = "Enabled" | "Suspended";

/** A notification of a bucket, as `aws.s3.BucketNotification` declares it. */
export interface TopicNotification {
  readonly id: string;
  readonly topicArn: string;
  /** For example `s3:ObjectCreated:*`. */
  readonly events: readonly string[];
  readonly filterPrefix?: string | undefined;
  readonly filterSuffix?: string | undefined;
}

export interface NotificationConfiguration {
  readonly topics: readonly TopicNotification[];
}

/** Makes the sequencer of an event from the number of the write; undefined for none. */
export type Sequencer = (sequence: number) => string | undefined;

export interface Bucket {
  readonly name: string;
  readonly created: Date;
  /** Undefined until versioning is set for the first time. */
  readonly versioning: Versioning | undefined;
  readonly notification: NotificationConfiguration;
}

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: "FULL_OBJECT" | "COMPOSITE";
  /** Base64, with `-PARTS` behind it where it is composite. */
  readonly value: string;
}

/** One part of an object that was uploaded in parts. */
export interface Part {
  readonly number: number;
  readonly size: number;
  readonly checksum?: string | undefined;
}

/** Headers and metadata that the uploader gives an object. */
export interface Description {
  /** Standard headers by lower-case name: `content-type`, `cache-control` and so on. */
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata by lower-case name, without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Tags, where there are any. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** Details of an object besides the columns that queries need. */
export interface Details extends Description {
  /** KMS key that it is encrypted with on AWS. */
  readonly encryptionKey?: string | undefined;
  readonly checksum?: Checksum | undefined;
  /** Present where the object was uploaded in parts. */
  readonly parts?: readonly Part[] | undefined;
}

/** One version of an object, or a delete marker. */
export interface ObjectVersion extends Details {
  readonly bucket: string;
  readonly key: string;
  /** `null` for a version that was written while the bucket was not versioned. */
  readonly versionId: string;
  /** Grows with every write to the store; the hexadecimal sequencer of the event is made of it. */
  readonly sequence: number;
  /** True for the version that a GET without a version ID finds. */
  readonly isCurrent: boolean;
  readonly isDeleteMarker: boolean;
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modified: Date;
  /** The file with the bytes; empty for a delete marker. */
  readonly blob: string;
  /** Where in the bucket's folder a person finds the current version. */
  readonly place: string;
}

export interface Upload extends Description {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly initiated: Date;
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined;
  readonly checksumType?: Checksum["type"] | undefined;
  /** Sequence of the newest version of the key when the upload began. */
  readonly seen?: number | undefined;
}

/** The answer to a completed upload. */
export type Completed = Pick<ObjectVersion, "versionId" | "etag" | "checksum">;

export interface UploadedPart extends Part {
  readonly etag: string;
  readonly modified: Date;
  readonly blob: string;
}
