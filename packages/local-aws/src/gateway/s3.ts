import type { IncomingMessage, ServerResponse } from "node:http";
import { type Permission, s3Arn, usesOfKey } from "../iam/actions.ts";
import type { Identity } from "../iam/identity.ts";
import { SignatureError } from "../iam/refusals.ts";
import { chunkVerifier, verifySignature } from "../iam/signature.ts";
import { type AccessRequest, createS3Handler } from "../rest/http.ts";
import { S3Error } from "../store/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";

/**
 * S3: the object store, for those whose signature is right and whom the policies allow.
 * @param report is told of faults of the store itself
 */
export function s3Service(
  store: ObjectStore,
  identity: Identity,
  region: string,
  report: (error: unknown) => void,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const lookup = (key: string) => identity.lookup(key);
  return createS3Handler(store, {
    authenticate({ method = "GET", url = "/", headers }) {
      const verified = s3Errors(() =>
        verifySignature({ method, url, headers }, { service: "s3", region, now: new Date(), lookup }),
      );
      const { principal } = verified;
      const chunks = chunkVerifier(verified);
      return {
        principalId: `AWS:${"id" in principal ? principal.id : store.accountId}`,
        authorize(access) {
          for (const { action, resource, context } of s3Permissions(access, store)) {
            const decision = identity.judge(principal, action, resource, context, access.requestId);
            if (!decision.allowed) throw new S3Error(403, "AccessDenied", decision.message);
          }
        },
        verifyChunk: ({ kind, sha256, signature = "" }) => s3Errors(() => chunks[kind](sha256, signature)),
      };
    },
    failed: report,
  });
}

/** The permissions, of S3 or of KMS by way of it, that an operation asks for. */
export function s3Permissions(
  { action, bucket, key, prefix, delimiter, versionId, encryptionKey }: Omit<AccessRequest, "requestId">,
  names: Pick<ObjectStore, "region" | "accountId">,
): readonly Permission[] {
  if (encryptionKey !== undefined) return usesOfKey("s3", encryptionKey, names, action);
  const context = { "s3:prefix": prefix, "s3:delimiter": delimiter, "s3:VersionId": versionId };
  return [{ action, resource: bucket === undefined ? "*" : s3Arn(bucket, key), context }];
}

/** Says what is wrong with a signature in S3's terms. */
function s3Errors<T>(verify: () => T): T {
  try {
    return verify();
  } catch (error) {
    if (error instanceof SignatureError) throw new S3Error(error.status, error.code, error.message);
    throw error;
  }
}
