/**
 * The condition keys that a request on this computer can carry. A policy that asks for any other is refused at
 * start: on AWS its key would have a value, here it would be missing, and a negated condition on a missing key
 * is true.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
 */

/** What the values of a key are, which says which operators make sense on it. */
export type KeyType = "string" | "arn" | "bool";

/** Known from who asks: see `evaluate`. */
const DERIVED = {
  "aws:PrincipalAccount": "string",
  "aws:PrincipalArn": "arn",
  "aws:PrincipalIsAWSService": "bool",
  "aws:PrincipalServiceName": "string",
  "aws:PrincipalType": "string",
  "aws:userid": "string",
} as const satisfies Record<string, KeyType>;

/** Known to the service that was asked, and given by it with each request that has one. */
const GIVEN = {
  "aws:SecureTransport": "bool",
  "aws:SourceAccount": "string",
  "aws:SourceArn": "arn",
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

/** What services say of the data that they encrypt is, in key policies, an ARN as a rule. */
const ENCRYPTION_CONTEXT = /^kms:encryptioncontext:./i;

/** The type of a key, or nothing where no request here can carry it. */
export function keyType(key: string): KeyType | undefined {
  return ENCRYPTION_CONTEXT.test(key) ? "arn" : TYPES.get(key.toLowerCase());
}
