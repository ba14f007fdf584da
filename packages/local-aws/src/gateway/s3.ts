import type { IncomingMessage, ServerResponse } from "node:http";
import { s3Arn } from "../iam/actions.ts";
import type { Principal } from "../iam/decision.ts";
import type { Identity } from "../iam/identity.ts";
import { SignatureError } from "../iam/refusals.ts";
import { type ChunkVerifier, chunkVerifier, type Verified, verifySignature } from "../iam/signature.ts";
import { createS3Handler } from "../rest/http.ts";
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
  const callers = new WeakMap<IncomingMessage, Verified<Principal>>();
  const chunks = new WeakMap<IncomingMessage, ChunkVerifier>();

  const callerOf = (request: IncomingMessage): Verified<Principal> => {
    const known = callers.get(request);
    if (known) return known;
    const { method = "GET", url = "/", headers } = request;
    const lookup = (key: string) => identity.lookup(key);
    const caller = s3Errors(() =>
      verifySignature({ method, url, headers }, { service: "s3", region, now: new Date(), lookup }),
    );
    callers.set(request, caller);
    return caller;
  };

  return createS3Handler(store, {
    authorize(access) {
      const { principal } = callerOf(access.http);
      const decision = identity.judge(
        principal,
        access.action,
        access.bucket === undefined ? "*" : s3Arn(access.bucket, access.key),
        {
          "s3:prefix": access.prefix,
          "s3:delimiter": access.delimiter,
          "s3:VersionId": access.versionId,
        },
        access.requestId,
      );
      if (!decision.allowed) throw new S3Error(403, "AccessDenied", decision.message);
    },
    verifyChunk(request, piece) {
      const verifier = chunks.get(request) ?? chunkVerifier(callerOf(request));
      chunks.set(request, verifier);
      s3Errors(() => verifier[piece.kind](piece.sha256, piece.signature ?? ""));
    },
    principalId(request) {
      const { principal } = callerOf(request);
      return "id" in principal ? `AWS:${principal.id}` : `AWS:${store.accountId}`;
    },
    failed: (_request, error) => report(error),
  });
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
