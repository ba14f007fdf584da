/**
 * The condition keys that a request on this computer can carry. A policy that asks for any other is refused at
 * start: on AWS its key would have a value, here it would be missing, and a negated condition on a missing key
 * is true.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
 */

/** Type of a key's value, which determines the operators that work on it. */
export type KeyType = "string" | "arn" | "bool";

/** Keys that follow from the principal: see `evaluate`. */
const DERIVED = {
  "aws:PrincipalAccount": "string",
  "aws:PrincipalArn": "arn",
  "aws:PrincipalIsAWSService": "bool",
  "aws:PrincipalServiceName": "string",
  "aws:PrincipalType": "string",
  "aws:userid": "string",
} as const satisfies Record<string, KeyType>;

/** Keys that the service adds to each request that has them. */
const GIVEN = {
  "aws:SecureTransport": "bool",
  "aws:SourceAccount": "string",
  "aws:SourceArn": "arn",
  "kms:ViaService": "string",
  "s3:delimiter": "string",
  "s3:prefix": "string",
  "s3:VersionId": "string",
  "sns:Endpoint": "string",
  "sns:Protocol": "string",
} as const satisfies Record<string, KeyType>;

/** A key that the service which was asked has to give. */
export type GivenKey = keyof typeof GIVEN;

/** The values of a request's condition keys, by name in lower case: names are not case-sensitive. */
export type Facts = ReadonlyMap<string, string>;

const TYPES = new Map<string, KeyType>(
  Object.entries({ ...DERIVED, ...GIVEN }).map(([key, type]) => [key.toLowerCase(), type]),
);

/** Encryption contexts of key policies; their values are ARNs as a rule. */
const ENCRYPTION_CONTEXT = /^kms:encryptioncontext:./i;

/** The type of a key, or nothing where no request here can carry it. */
export function keyType(key: string): KeyType | undefined {
  return ENCRYPTION_CONTEXT.test(key) ? "arn" : TYPES.get(key.toLowerCase());
}
