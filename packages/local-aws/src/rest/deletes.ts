import { S3Error } from "../store/errors.ts";
import type { Exchange } from "./exchange.ts";
import { invalidRequest, readText } from "./payload.ts";
import { children, malformedXml, type Parsed, parseXml, text, type Xml } from "./xml.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
const MAX_KEYS = 1000;

/** DeleteObjects: each key succeeds or fails for itself, and none of them fails the request. */
export async function deleteObjects(exchange: Exchange): Promise<void> {
  const { store, request, bucket } = exchange;
  const headers = Object.keys(request.http.headers);
  if (
    !headers.some(
      (name) => name === "content-md5" || name.startsWith("x-amz-checksum-") || name === "x-amz-trailer",
    )
  ) {
    throw invalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  const parsed = parseXml(await readText(exchange), "Delete");
  const objects = children(parsed, "Object");
  if (objects.length === 0 || objects.length > MAX_KEYS) throw malformedXml();
  store.bucket(bucket);
  const results = await Promise.all(objects.map((object) => deleteOne(exchange, object)));
  const quiet = text(parsed, "Quiet") === "true";
  exchange.xml("DeleteResult", {
    Deleted: quiet ? [] : results.flatMap(({ deleted }) => deleted ?? []),
    Error: results.flatMap(({ failed }) => failed ?? []),
  });
}

async function deleteOne(exchange: Exchange, object: Parsed): Promise<{ deleted?: Xml; failed?: Xml }> {
  const key = text(object, "Key") ?? "";
  const versionId = text(object, "VersionId");
  try {
    const action = versionId ? "s3:DeleteObjectVersion" : "s3:DeleteObject";
    exchange.authorize(action, { key, versionId });
    const ifMatch = text(object, "ETag");
    if (ifMatch !== undefined && ifMatch !== "*") exchange.authorize("s3:GetObject", { key });
    const deleted = await exchange.store.delete(exchange.bucket, key, {
      versionId,
      ifMatch,
      origin: exchange.origin,
    });
    return {
      deleted: {
        Key: key,
        VersionId: versionId,
        DeleteMarker: deleted.deleteMarker || undefined,
        DeleteMarkerVersionId: deleted.deleteMarker ? deleted.versionId : undefined,
      },
    };
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return { failed: { Key: key, VersionId: versionId, Code: error.code, Message: error.message } };
  }
}
