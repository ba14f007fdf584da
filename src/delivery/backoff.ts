/** Maximum time before a failed message is tried again, in seconds. */
const MAX_SECONDS = 900;

/** Maximum time that SQS hides a message, in seconds from when it was received, less the longest invocation and a minute. */
const MAX_WAIT = 43_200 - 900 - 60;

/**
 * Milliseconds after which S3 finds every new object: 15 minutes after versioning was enabled for the first time
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html), and some more.
 */
export const FOUND_AFTER = 20 * 60_000;

/**
 * Seconds until the next try: 30 after the first failure, then twice as many each time, of which chance takes up
 * to half, so that what failed together does not come back together.
 */
export function backoff(receives: number, random: number): number {
  const max = Math.min(MAX_SECONDS, 15 * 2 ** Math.max(1, receives));
  return Math.round(max * (1 - 0.5 * random));
}

/**
 * Seconds until the next try of what S3 does not find. The first two are as usual, and then it waits until S3 must find
 * it, so that a try falls behind that time though there are but five.
 * @param age milliseconds since the object was created
 */
export function backoffOfMissing(receives: number, random: number, age: number): number {
  const rest = Math.max(0, Math.ceil((FOUND_AFTER - age) / 1000));
  const wait = receives > 2 && rest > 0 ? Math.min(MAX_WAIT, rest + Math.round(60 * random)) : 0;
  return Math.max(wait, backoff(receives, random));
}
