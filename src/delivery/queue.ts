/** What SQS does with every queue of the machine: its own limits, and what the machine asks of it. */

/**
 * Maximum number of messages of a queue that are being worked on, looked at or waiting for their next try; SQS hands out
 * no more until some of them are done with:
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
 */
export const MAX_IN_FLIGHT = 120_000;

/** Maximum number of messages in one request: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html */
export const MAX_BATCH = 10;

/**
 * Seconds for which every queue keeps a message: fourteen days, SQS's maximum. A message's age counts from its first
 * arrival, in the dead-letter queue too, so that anything shorter on the first queue would only lose messages sooner.
 */
export const RETENTION_SECONDS = 14 * 24 * 60 * 60;

/**
 * Seconds behind the end of an invocation at which its messages come again if it ends in the middle: enough for Lambda to
 * delete what was done in the last moment, and up to so many more, by chance, so that they come apart.
 */
export const COMES_AGAIN = { after: 10, apart: 60 };
