import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
} from "@aws-sdk/client-sqs";
import { afterFile } from "../../../../test/support/cleanup.ts";
import { sqs, uniqueName } from "./target.ts";

/** A queue of its own, gone when the tests of the file are done. Its URL. */
export async function createQueue(
  Attributes: Record<string, string> = {},
  QueueName = uniqueName(),
): Promise<string> {
  const client = await sqs();
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
  afterFile(() => client.send(new DeleteQueueCommand({ QueueUrl })));
  return QueueUrl as string;
}

/** A queue for the tests of one `describe`. */
export function useQueue(attributes: Record<string, string> = {}): () => string {
  let url: string;
  before(async () => {
    url = await createQueue(attributes);
  });
  return () => url;
}

export async function arnOf(QueueUrl: string): Promise<string> {
  const { Attributes } = await (await sqs()).send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }),
  );
  return Attributes?.QueueArn as string;
}

/** As many messages as there should be, as they come: a receive may answer with fewer than there are. */
export async function receiveAll(QueueUrl: string, count: number): Promise<Message[]> {
  const received: Message[] = [];
  for (let tries = 0; received.length < count && tries < 20; tries++) {
    const { Messages = [] } = await (await sqs()).send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
    );
    received.push(...Messages);
  }
  return received;
}
