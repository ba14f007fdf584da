import { ServiceError } from "../service-error.ts";

/** An attribute of a message. */
export interface Attribute {
  readonly DataType: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
}

/** Every character but those that XML has not. https://www.w3.org/TR/REC-xml/#charsets */
const TEXT = /^[\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html */
const MAX_ATTRIBUTES = 10;
const MAX_NAME_LENGTH = 256;
const NAME = /^(?!\.)(?!.*\.\.)[\w.-]*(?<!\.)$/;
const RESERVED = /^(aws|amazon)\./i;
const TYPE = /^(String|Number|Binary)(\..+)?$/;

/** Tells whether a text has characters that no message may have. */
export function hasForbiddenCharacters(text: string): boolean {
  return !TEXT.test(text);
}

/**
 * Returns why SQS refuses a message; undefined where it takes it.
 * @param maxBytes of body and attributes together, the limit of the queue
 */
export function messageFault(
  body: string,
  attributes: Readonly<Record<string, Attribute>> = {},
  maxBytes = Number.POSITIVE_INFINITY,
): ServiceError | undefined {
  const names = Object.keys(attributes);
  if (names.length > MAX_ATTRIBUTES) {
    return invalid(
      `Number of message attributes [${names.length}] exceeds the allowed maximum [${MAX_ATTRIBUTES}].`,
    );
  }
  for (const [name, attribute] of Object.entries(attributes)) {
    const message = attributeFault(name, attribute);
    if (message !== undefined) return invalid(message);
  }
  if (hasForbiddenCharacters(body)) {
    return new ServiceError("InvalidMessageContents", "The message has characters that XML does not allow.");
  }
  if (sizeOf(body, attributes) <= maxBytes) return undefined;
  return invalid(
    `One or more parameters are invalid. Reason: Message must be shorter than ${maxBytes} bytes.`,
  );
}

function attributeFault(name: string, { DataType = "", StringValue, BinaryValue }: Attribute) {
  if (name === "" || name.length > MAX_NAME_LENGTH || !NAME.test(name)) {
    return `The name of the message attribute ${JSON.stringify(name)} must have 1 to ${MAX_NAME_LENGTH} letters, digits, underscores, hyphens and single periods, with none of these at its ends.`;
  }
  if (RESERVED.test(name)) {
    return "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.";
  }
  const [, type] = TYPE.exec(DataType) ?? [];
  if (!type) {
    return `The type of message attribute '${name}' is invalid: it must be String, Number or Binary, or begin with one of them and a period.`;
  }
  const value = type === "Binary" ? BinaryValue : StringValue;
  if (!value) return `Message (user) attribute '${name}' must contain a non-empty value of type '${type}'.`;
  if (type !== "Binary" && hasForbiddenCharacters(value)) {
    return `Invalid characters found in the message attribute '${name}'.`;
  }
  if (type === "Number" && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) {
    return `Can't cast the value of message (user) attribute '${name}' to a number.`;
  }
  return undefined;
}

/** Names, types and values count. */
function sizeOf(body: string, attributes: Readonly<Record<string, Attribute>>): number {
  const texts = Object.entries(attributes).flatMap(([name, { DataType, StringValue = "" }]) => [
    name,
    DataType,
    StringValue,
  ]);
  const binary = Object.values(attributes).map(({ BinaryValue = "" }) =>
    Buffer.byteLength(BinaryValue, "base64"),
  );
  return [body, ...texts]
    .map((text) => Buffer.byteLength(text))
    .concat(binary)
    .reduce((sum, bytes) => sum + bytes, 0);
}

function invalid(message: string): ServiceError {
  return new ServiceError("InvalidParameterValue", message);
}
