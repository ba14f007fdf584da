import { invalidArgument, S3Error } from "../store/errors.ts";

type Tags = Readonly<Record<string, string>>;

const MAX_TAGS = 10;
/** Maximum lengths: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html */
const MAX_NAME = 128;
const MAX_VALUE = 256;

/**
 * Reads the tags of an upload, which are written like the query of a URL.
 * @returns undefined where there are none
 * @throws 400 where they are no such query, a name comes twice, or one is too long or AWS's own
 */
export function readTags(header: string | undefined): Tags | undefined {
  if (!header) return undefined;
  const tags = header.split("&").map((tag) => tag.split("=").map(decode));
  const names = tags.map(([name]) => name);
  const malformed = tags.some((tag) => tag.length > 2 || !tag[0] || tag.includes(undefined));
  if (malformed || new Set(names).size < names.length) {
    throw invalidArgument(
      "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
      "x-amz-tagging",
      header,
    );
  }
  if (tags.length > MAX_TAGS) {
    throw new S3Error(400, "BadRequest", `Object tags cannot be greater than ${MAX_TAGS}`);
  }
  for (const [name = "", value = ""] of tags) {
    if (name.length > MAX_NAME) throw invalidTag("The TagKey you have provided is invalid", name);
    if (value.length > MAX_VALUE) throw invalidTag("The TagValue you have provided is invalid", name);
    if (name.startsWith("aws:")) {
      throw invalidTag("System tags cannot be added/updated by requester", name);
    }
  }
  return Object.fromEntries(tags.map(([name = "", value = ""]) => [name, value]));
}

/** @returns undefined where it is not encoded as it has to be */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}

function invalidTag(message: string, name: string): S3Error {
  return new S3Error(400, "InvalidTag", message, { TagKey: name });
}
