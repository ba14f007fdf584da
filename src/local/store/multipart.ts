import { createHash, randomBytes } from "node:crypto";
import type { Blobs } from "./blobs.ts";
import type { Catalog } from "./catalog.ts";
import type { Chores } from "./chores.ts";
import type { Afterwards, GroupCommit } from "./commits.ts";
import type { Contention, WriteCondition } from "./conditions.ts";
import { type DigestAlgorithm, type Digests, digestOf } from "./digests.ts";
import { noSuchBucket, noSuchUpload, S3Error } from "./errors.ts";
import type { Origin } from "./events.ts";
import type { Accepted, History } from "./history.ts";
import { compareKeys, type Page, type PageRequest, type Position, readPage } from "./listing.ts";
import type { Checksum, Description, ObjectVersion, Upload, UploadedPart } from "./model.ts";
import { validateDescription, validateKey } from "./validation.ts";
import type { Body } from "./writers.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const LEAST_PART_BYTES = 5 * 1024 * 1024;

/** What the client says a part is, when it puts the parts together. */
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
  /** What the whole must come to, if the client says. */
  readonly checksum?: string | undefined;
  readonly size?: number | undefined;
  readonly origin?: Origin | undefined;
}

/** What the uploads need of the store they belong to. */
interface Store {
  readonly catalog: Catalog;
  readonly commits: GroupCommit;
  readonly blobs: Blobs;
  readonly chores: Chores;
  readonly history: History;
  readonly contention: Contention;
  readonly now: () => Date;
}

/** Uploads in parts. Each part is a file of its own until they are put together. */
export class MultipartUploads {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async create(bucket: string, key: string, options: UploadOptions = {}): Promise<Upload> {
    const { headers = {}, metadata = {}, checksumAlgorithm, checksumType } = options;
    validateKey(key);
    validateDescription({ headers, metadata });
    const id = randomBytes(48).toString("base64url").replaceAll("-", ".");
    const initiated = this.#store.now();
    const upload: Upload = { id, bucket, key, initiated, headers, metadata, checksumAlgorithm, checksumType };
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
    const { blob, size, digests: results } = await blobs.write(body, algorithms);
    try {
      verify?.(results, size);
      const etag = results.get("MD5")?.toString("hex") as string;
      const checksum = algorithm && results.get(algorithm)?.toString("base64");
      return await commits.run((afterwards) => {
        this.find(bucket, key, id);
        const replaced = catalog.part(id, number);
        if (replaced) chores.add({ blob: replaced.blob }, afterwards);
        const part = { number, size, etag, checksum, blob, modified: now() };
        catalog.putPart(id, part);
        return part;
      });
    } catch (error) {
      if (error instanceof S3Error) blobs.remove(blob);
      throw error;
    }
  }

  /** Puts the parts together, in one file, and makes that the current version. */
  async complete(
    bucket: string,
    key: string,
    id: string,
    claims: readonly PartClaim[],
    { condition = {}, checksum: claimed, size: claimedSize, origin }: CompleteOptions = {},
  ): Promise<ObjectVersion> {
    const { catalog, commits, blobs, history, contention } = this.#store;
    const upload = this.find(bucket, key, id);
    const parts = this.#select(id, claims);
    const contender = contention.begin(bucket, key);
    try {
      const whole = upload.checksumType === "FULL_OBJECT" ? upload.checksumAlgorithm : undefined;
      const joined = blobs.write(this.#join(parts), whole ? [whole] : []);
      const { blob, size, digests } = await joined.catch((error: unknown) => {
        this.find(bucket, key, id); // was it aborted, and its parts removed, meanwhile?
        throw error;
      });
      try {
        const checksum = await checksumOf(upload, parts, digests);
        if (claimed !== undefined && claimed !== checksum?.value) throw badDigest(upload);
        if (claimedSize !== undefined && claimedSize !== size) {
          throw new S3Error(
            400,
            "InvalidRequest",
            "The provided 'x-amz-mp-object-size' header does not match what was computed.",
          );
        }
        const { headers, metadata } = upload;
        const accepted: Accepted = {
          ...{ bucket, key, blob, size, headers, metadata, checksum, origin },
          etag: etagOf(parts),
          parts: parts.map((part) => ({ number: part.number, size: part.size, checksum: part.checksum })),
          event: "ObjectCreated:CompleteMultipartUpload",
        };
        return await commits.run((afterwards) => {
          this.find(bucket, key, id);
          if (condition.ifMatch ?? condition.ifNoneMatch) contender.check();
          const version = history.add(accepted, condition, afterwards);
          this.#forget(id, afterwards);
          catalog.removeUpload(id);
          return version;
        });
      } catch (error) {
        if (error instanceof S3Error) blobs.remove(blob);
        throw error;
      }
    } finally {
      contender.end();
    }
  }

  async abort(bucket: string, key: string, id: string): Promise<void> {
    await this.#store.commits.run((afterwards) => {
      this.find(bucket, key, id);
      this.#forget(id, afterwards);
      this.#store.catalog.removeUpload(id);
    });
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

  #forget(id: string, afterwards: Afterwards): void {
    for (const { blob } of this.#store.catalog.parts(id)) this.#store.chores.add({ blob }, afterwards);
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
        throw new S3Error(
          400,
          "InvalidPart",
          "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
          { UploadId: id, PartNumber: String(claim.number), ETag: claim.etag },
        );
      }
      if (index < claims.length - 1 && part.size < LEAST_PART_BYTES) {
        throw new S3Error(
          400,
          "EntityTooSmall",
          "Your proposed upload is smaller than the minimum allowed size",
          {
            ETag: part.etag,
            MinSizeAllowed: String(LEAST_PART_BYTES),
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
function etagOf(parts: readonly UploadedPart[]): string {
  const hash = createHash("md5");
  for (const { etag } of parts) hash.update(etag, "hex");
  return `${hash.digest("hex")}-${parts.length}`;
}

async function checksumOf(
  { checksumAlgorithm: algorithm, checksumType: type = "COMPOSITE" }: Upload,
  parts: readonly UploadedPart[],
  whole: Digests,
): Promise<Checksum | undefined> {
  if (!algorithm) return undefined;
  if (type === "FULL_OBJECT") {
    return { algorithm, type, value: whole.get(algorithm)?.toString("base64") as string };
  }
  const checksums = Buffer.concat(parts.map(({ checksum }) => Buffer.from(checksum as string, "base64")));
  const value = (await digestOf(algorithm, checksums)).toString("base64");
  return { algorithm, type, value: `${value}-${parts.length}` };
}

export function badDigest({ checksumAlgorithm: algorithm }: Pick<Upload, "checksumAlgorithm">): S3Error {
  return new S3Error(
    400,
    "BadDigest",
    `The ${algorithm} you specified did not match the calculated checksum.`,
  );
}
