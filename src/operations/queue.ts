import { GetQueueAttributesCommand, type SQSClient } from "@aws-sdk/client-sqs";

/** Messages of a queue, approximately. */
export interface MessageCounts {
  readonly visible: number;
  readonly hidden: number;
  readonly delayed: number;
  /**
   * When they were counted, in milliseconds since 1970 by the clock that stamps messages: this computer's may be minutes slow.
   * Undefined where the answer does not say it.
   */
  readonly time: number | undefined;
}

/** Counts the messages of a queue. */
export async function countMessages(sqs: SQSClient, queueUrl: string): Promise<MessageCounts> {
  const command = new GetQueueAttributesCommand({
    QueueUrl: queueUrl,
    AttributeNames: [
      "ApproximateNumberOfMessages",
      "ApproximateNumberOfMessagesNotVisible",
      "ApproximateNumberOfMessagesDelayed",
    ],
  });
  let date = Number.NaN;
  command.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      date = Date.parse((answer.response as { headers?: Record<string, string> }).headers?.date ?? "");
      return answer;
    },
    { step: "deserialize" },
  );
  const { Attributes = {} } = await sqs.send(command);
  return {
    // It is in whole seconds, of which the last has not ended.
    time: Number.isNaN(date) ? undefined : date + 999,
    visible: Number(Attributes.ApproximateNumberOfMessages ?? 0),
    hidden: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
    delayed: Number(Attributes.ApproximateNumberOfMessagesDelayed ?? 0),
  };
}
