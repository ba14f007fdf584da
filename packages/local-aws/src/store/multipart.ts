import { createHash, randomBytes } from "node:crypto";
import type { Blobs } from "./blobs.ts";
import type { Catalog } from "./catalog.ts";
import type { Chores } from "./chores.ts";
import type { Afterwards, GroupCommit } from "./commits.ts";
import type { WriteCondition } from "./conditions.ts";
import {
  type ChecksumAlgorithm,
  DEFAULT_CHECKSUM,
  type DigestAlgorithm,
  type Digests,
  digestOf,
} from "./digests.ts";
import { noSuchBucket, noSuchUpload, S3Error } from "./errors.ts";
import type { Origin } from "./events.ts";
import type { Accepted, History } from "./history.ts";
import { compareKeys, type Page, type PageRequest, type Position, readPage } from "./listing.ts";
import type { Checksum, Completed, Description, Upload, UploadedPart } from "./model.ts";
import { validateDescription, validateKey } from "./validation.ts";
import type { Body } from "./writing.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MIN_PART_BYTES = 5 * 1024 * 1024;

/** Time for which the answer to a completed upload is kept, for clients that ask again. */
const MEMORY_MS = 24 * 60 * 60 * 1000;

/** A part as the client names it when it completes the upload. */
export interface PartClaim {
  readonly number: number;
  readonly etag: string;
  readonly checksum?: string | undefined;
}

export interface UploadOptions
  extends Partial<Description>,
    Pick<Upload, "checksumAlgorithm" | "checksumType"> {}

export interface PartOptions {
  readonly digests?: readonly DigestAlgorithm[] | undefined;
  readonly verify?: ((digests: Digests, size: number) => void) | undefined;
}

export interface CompleteOptions {
  readonly condition?: WriteCondition | undefined;
  /** Expected checksum of the whole, if the client gives one. */
  readonly checksum?: ((algorithm: ChecksumAlgorithm) => string | undefined) | undefined;
  readonly checksumType?: string | undefined;
  readonly size?: number | undefined;
  readonly origin?: Origin | undefined;
}

/** Dependencies of uploads, shared with the store. */
interface Store {
  readonly catalog: Catalog;
  readonly commits: GroupCommit;
  readonly blobs: Blobs;
  readonly chores: Chores;
  readonly history: History;
  readonly now: () => Date;
}

/** Uploads in parts. Each part is a file of its own until they are put together. */
export class MultipartUploads {
  readonly #store: Store;
  /** Uploads whose parts are being put together. */
  readonly #completing = new Map<string, Promise<Completed>>();

  constructor(store: Store) {
    this.#store = store;
  }

  async create(bucket: string, key: string, options: UploadOptions = {}): Promise<Upload> {
    const { headers = {}, metadata = {}, tags, checksumAlgorithm, checksumType } = options;
    validateKey(key);
    validateDescription({ headers, metadata });
    const id = randomBytes(48).toString("base64url").replaceAll("-", ".");
    const initiated = this.#store.now();
    const seen = this.#store.catalog.latest(bucket, key)?.sequence;
    const described = { headers, metadata, tags, checksumAlgorithm, checksumType, seen };
    const upload: Upload = { id, bucket, key, initiated, ...described };
    await this.#store.commits.run(() => {
      if (!this.#store.catalog.bucket(bucket)) throw noSuchBucket(bucket);
      this.#store.catalog.addUpload(upload);
    });
    return upload;
  }

  /** @throws 404 NoSuchUpload, also where the upload is of another key */
  find(bucket: string, key: string, id: string): Upload {
    if (!this.#store.catalog.bucket(bucket)) throw noSuchBucket(bucket);
    const upload = this.#store.catalog.upload(id);
    if (upload?.bucket !== bucket || upload.key !== key) throw noSuchUpload(id);
    return upload;
  }

  /** Stores a part; one of the same number that was there before is replaced. */
  async put(
    bucket: string,
    key: string,
    id: string,
    number: number,
    body: Body,
    { digests = [], verify }: PartOptions = {},
  ): Promise<UploadedPart> {
    const { catalog, commits, blobs, chores, now } = this.#store;
    const { checksumAlgorithm: algorithm } = this.find(bucket, key, id);
    const algorithms: DigestAlgorithm[] = ["MD5", ...(algorithm ? [algorithm] : []), ...digests];
    return blobs.write(body, algorithms, ({ blob, size, digests: results }) => {
      verify?.(results, size);
      const etag = results.get("MD5")?.toString("hex") as string;
      const checksum = algorithm && results.get(algorithm)?.toString("base64");
      return commits.run((afterwards) => {
        this.find(bucket, key, id);
        const replaced = catalog.part(id, number);
        if (replaced) chores.add({ blob: replaced.blob }, afterwards);
        const part = { number, size, etag, checksum, blob, modified: now() };
        catalog.putPart(id, part);
        return part;
      });
    });
  }

  /**
   * Puts the parts together, in one file, and makes that the current version. A second time, because the first
   * answer was lost perhaps, it does nothing and answers the same.
   */
  async complete(
    bucket: string,
    key: string,
    id: string,
    claims: readonly PartClaim[],
    options: CompleteOptions = {},
  ): Promise<Completed> {
    // A twin of this request goes first, and leaves its answer.
    while (this.#completing.has(id)) await this.#completing.get(id)?.catch(() => {});
    const before = this.#completed(bucket, key, id, claims);
    if (before) return before;
    const completing = this.#complete(this.find(bucket, key, id), claims, options);
    this.#completing.set(id, completing);
    return completing.finally(() => this.#completing.delete(id));
  }

  async #complete(
    upload: Upload,
    claims: readonly PartClaim[],
    { condition = {}, checksum: claimed, checksumType, size: claimedSize, origin }: CompleteOptions,
  ): Promise<Completed> {
    const { catalog, commits, blobs, history, now } = this.#store;
    const { id, bucket, key, headers, metadata, tags, seen } = upload;
    if (checksumType !== undefined && checksumType !== upload.checksumType) throw otherType(upload);
    const parts = this.#select(id, claims);
    const algorithms = upload.checksumType === "COMPOSITE" ? [] : [checksumAlgorithmOf(upload)];
    const version = blobs.write(this.#join(parts), algorithms, async ({ blob, size, digests }) => {
      const checksum = await checksumOf(upload, parts, digests);
      checkClaims(checksum, claimed, size, claimedSize);
      const accepted: Accepted = {
        ...{ bucket, key, blob, size, headers, metadata, tags, checksum, origin, seen },
        etag: etagOf(parts),
        parts: parts.map((part) => ({ number: part.number, size: part.size, checksum: part.checksum })),
        event: "ObjectCreated:CompleteMultipartUpload",
      };
      return commits.run((afterwards) => {
        this.find(bucket, key, id);
        const version = history.add(accepted, condition, afterwards);
        this.#end(id, afterwards);
        catalog.forgetCompleted(new Date(+now() - MEMORY_MS));
        catalog.addCompleted(upload, version, now());
        return version;
      });
    });
    return version.catch((error: unknown) => {
      // Were the parts removed meanwhile, with the upload?
      this.find(bucket, key, id);
      throw error;
    });
  }

  async abort(bucket: string, key: string, id: string): Promise<void> {
    await this.#store.commits.run((afterwards) => {
      this.find(bucket, key, id);
      this.#end(id, afterwards);
    });
  }

  /** Ends the uploads to a bucket that is removed, inside the transaction that does it. */
  removeAll(bucket: string, afterwards: Afterwards): void {
    for (const { id } of this.#store.catalog.uploads(bucket)) this.#end(id, afterwards);
  }

  parts(bucket: string, key: string, id: string): UploadedPart[] {
    this.find(bucket, key, id);
    return this.#store.catalog.parts(id);
  }

  /** A page of the uploads under way, behind `after.id` for its key. */
  list(
    bucket: string,
    from: Position & { readonly id?: string | undefined },
    request: PageRequest,
  ): Page<Upload> {
    if (!this.#store.catalog.bucket(bucket)) throw noSuchBucket(bucket);
    const all = this.#store.catalog.uploads(bucket);
    const marker = all.findIndex(({ id, key }) => id === from.id && key === from.key);
    const rest = all.slice(marker + 1);
    return readPage(({ key }) => rest.filter((upload) => compareKeys(upload.key, key) >= 0), from, request);
  }

  #end(id: string, afterwards: Afterwards): void {
    const { catalog, chores } = this.#store;
    for (const { blob } of catalog.parts(id)) chores.add({ blob }, afterwards);
    catalog.removeUpload(id);
  }

  /** Returns the answer of before, if these parts were put together already. */
  #completed(bucket: string, key: string, id: string, claims: readonly PartClaim[]): Completed | undefined {
    const answer = this.#store.catalog.completed(bucket, key, id);
    if (answer && answer.etag !== etagOf(claims)) throw invalidPart(id, claims[0]);
    return answer;
  }

  /** The parts that the client names, checked as S3 checks them. */
  #select(id: string, claims: readonly PartClaim[]): UploadedPart[] {
    const uploaded = new Map(this.#store.catalog.parts(id).map((part) => [part.number, part]));
    return claims.map((claim, index) => {
      const part = uploaded.get(claim.number);
      const before = claims[index - 1];
      if (before && before.number >= claim.number) {
        throw new S3Error(
          400,
          "InvalidPartOrder",
          "The list of parts was not in ascending order. Parts must be ordered by part number.",
          { UploadId: id },
        );
      }
      if (!part || part.etag !== claim.etag || (claim.checksum && claim.checksum !== part.checksum)) {
        throw invalidPart(id, claim);
      }
      if (index < claims.length - 1 && part.size < MIN_PART_BYTES) {
        throw new S3Error(
          400,
          "EntityTooSmall",
          "Your proposed upload is smaller than the minimum allowed size",
          {
            ETag: part.etag,
            MinSizeAllowed: String(MIN_PART_BYTES),
            PartNumber: String(part.number),
            ProposedSize: String(part.size),
          },
        );
      }
      return part;
    });
  }

  async *#join(parts: readonly UploadedPart[]): AsyncIterable<Uint8Array> {
    for (const { blob } of parts) yield* this.#store.blobs.read(blob);
  }
}

/** The MD5 of the parts' MD5s, and how many they are. */
function etagOf(parts: readonly Pick<UploadedPart, "etag">[]): string {
  const hash = createHash("md5");
  for (const { etag } of parts) hash.update(etag, "hex");
  return `${hash.digest("hex")}-${parts.length}`;
}

function checksumAlgorithmOf({ checksumAlgorithm = DEFAULT_CHECKSUM }: Upload): ChecksumAlgorithm {
  return checksumAlgorithm;
}

async function checksumOf(upload: Upload, parts: readonly UploadedPart[], whole: Digests): Promise<Checksum> {
  const algorithm = checksumAlgorithmOf(upload);
  if (upload.checksumType !== "COMPOSITE") {
    return { algorithm, type: "FULL_OBJECT", value: whole.get(algorithm)?.toString("base64") as string };
  }
  const checksums = Buffer.concat(parts.map(({ checksum }) => Buffer.from(checksum as string, "base64")));
  const value = (await digestOf(algorithm, checksums)).toString("base64");
  return { algorithm, type: "COMPOSITE", value: `${value}-${parts.length}` };
}

function badDigest({ algorithm }: Checksum): S3Error {
  return new S3Error(
    400,
    "BadDigest",
    `The ${algorithm} you specified did not match the calculated checksum.`,
  );
}

function invalidPart(id: string, claim: PartClaim | undefined): S3Error {
  return new S3Error(
    400,
    "InvalidPart",
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    { UploadId: id, PartNumber: String(claim?.number), ETag: claim?.etag ?? "" },
  );
}

function otherType({ checksumType }: Upload): S3Error {
  return new S3Error(
    400,
    "InvalidRequest",
    `The upload was created using the ${checksumType ?? null} checksum mode. The complete request must use the same checksum mode.`,
  );
}

/** Refuses an upload whose checksum or size is not what its client says. */
function checkClaims(
  checksum: Checksum,
  claimed: CompleteOptions["checksum"],
  size: number,
  claimedSize: number | undefined,
): void {
  const promised = claimed?.(checksum.algorithm);
  if (promised !== undefined && promised !== checksum.value) throw badDigest(checksum);
  if (claimedSize !== undefined && claimedSize !== size) {
    throw new S3Error(
      400,
      "InvalidRequest",
      "The provided 'x-amz-mp-object-size' header does not match what was computed.",
    );
  }
}
