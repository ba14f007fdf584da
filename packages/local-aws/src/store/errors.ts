/** An error of S3: status, code, message, and the elements and headers that go with the code. */
export class S3Error extends Error {
  override readonly name = "S3Error";
  readonly status: number;
  readonly code: string;
  /** Further elements of the XML error, for example `{ Key: "photo.jpg" }`. */
  readonly details: Readonly<Record<string, string>>;
  /** Headers that the error answer carries, for example `x-amz-delete-marker`. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    details: Record<string, string> = {},
    headers: Record<string, string> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
    this.headers = headers;
  }
}

export function noSuchBucket(bucket: string): S3Error {
  return new S3Error(404, "NoSuchBucket", "The specified bucket does not exist", { BucketName: bucket });
}

export function noSuchKey(key: string, headers: Record<string, string> = {}): S3Error {
  return new S3Error(404, "NoSuchKey", "The specified key does not exist.", { Key: key }, headers);
}

export function noSuchVersion(key: string, versionId: string): S3Error {
  return new S3Error(404, "NoSuchVersion", "The specified version does not exist.", {
    Key: key,
    VersionId: versionId,
  });
}

/** Makes the error for an ID that S3 never made. */
export function invalidVersionId(name: string, versionId: string): S3Error {
  return invalidArgument("Invalid version id specified", name, versionId);
}

export function noSuchUpload(id: string): S3Error {
  return new S3Error(
    404,
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    { UploadId: id },
  );
}

export function invalidArgument(message: string, name: string, value: string): S3Error {
  return new S3Error(400, "InvalidArgument", message, { ArgumentName: name, ArgumentValue: value });
}
