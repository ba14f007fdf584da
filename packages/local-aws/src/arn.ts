/** The account that all is in: fauxqs gives it to every queue and topic. */
export const ACCOUNT_ID = "000000000000";

/** The ARN of a queue, by the last part of its URL. */
export function queueArn(
  { region, accountId }: { readonly region: string; readonly accountId: string },
  url: string,
): string {
  return `arn:aws:sqs:${region}:${accountId}:${url.slice(url.lastIndexOf("/") + 1)}`;
}

/** The ARN of a key or alias, which may be named without account and region where it is beside what it encrypts. */
export function keyArn(keyId: string, beside: string): string {
  if (keyId.startsWith("arn:")) return keyId;
  const [, partition, , region, account] = beside.split(":");
  const name = keyId.startsWith("alias/") ? keyId : `key/${keyId}`;
  return `arn:${partition}:kms:${region}:${account}:${name}`;
}
