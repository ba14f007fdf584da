import { setTimeout } from "node:timers/promises";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import type { Machine } from "../../src/machine/machine.ts";

/** Waits until nothing is under way any more: no event, no message. @throws Error after a time */
export async function quiet(machine: Machine, seconds = 30): Promise<void> {
  const until = Date.now() + seconds * 1000;
  for (let times = 0; times < 2; ) {
    times = machine.store.idle() && (await messages(machine)) === 0 ? times + 1 : 0;
    if (Date.now() > until) throw new Error(`the machine was not quiet after ${seconds} seconds`);
    await setTimeout(30);
  }
}

/** How many messages are in the workers' queues, taken or not. */
async function messages(machine: Machine): Promise<number> {
  let count = 0;
  for (const { queue } of Object.values(machine.outputs.workers)) {
    const { Attributes = {} } = await machine.sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl: queue,
        AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
      }),
    );
    for (const number of Object.values(Attributes)) count += Number(number);
  }
  return count;
}
