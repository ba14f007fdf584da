import { availableParallelism } from "node:os";
import path from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";
import { openGateway } from "./gateway.ts";
import { Identity } from "./identity.ts";
import { LambdaService } from "./lambda/service.ts";
import { ACCOUNT_ID, openMessaging } from "./messaging.ts";
import { runProgram } from "./program.ts";
import { provision } from "./provision/provision.ts";
import { s3Service } from "./s3.ts";
import { readStackConfig } from "./stack-config.ts";
import { ObjectStore } from "./store/object-store.ts";

export interface MachineOptions {
  /** The folder with Pulumi.yaml and the program. */
  readonly project: string;
  /** The stack whose configuration is used. @default "dev" */
  readonly stack?: string;
  /** Holds all state: buckets as folders of files, code, logs. */
  readonly folder: string;
  /** The program. @default index.ts in the project */
  readonly program?: string;
  /** @default 0, any free port */
  readonly port?: number;
  /** Invocations at once, of all functions together. @default the number of cores */
  readonly concurrency?: number;
  /** Whether queues and their messages outlive this process, as buckets always do. @default false */
  readonly durable?: boolean;
  /** Told of what goes wrong behind the scenes and is tried again. */
  readonly report?: (error: unknown) => void;
}

/** What index.ts exports about one worker. */
export interface WorkerOutputs {
  readonly queue: string;
  readonly deadLetterQueue: string;
  readonly function: string;
  readonly prefix: string;
}

/** What index.ts exports. */
export interface StackOutputs {
  readonly sourceBucket: string;
  readonly resultsBucket: string;
  readonly topic: string;
  readonly workers: Record<string, WorkerOutputs>;
}

/** The region where the stack's configuration names none. */
const DEFAULT_REGION = "us-east-1";

/**
 * The machine on this computer: what the program declares, running. Each part is the declared resource's
 * counterpart, and nothing here knows what the program is.
 */
export class Machine {
  readonly endpoint: string;
  readonly outputs: StackOutputs;
  readonly store: ObjectStore;
  readonly lambda: LambdaService;
  /** Clients that sign as the administrator. */
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly #close: () => Promise<void>;

  private constructor(parts: Omit<Machine, "stop"> & { close: () => Promise<void> }) {
    this.endpoint = parts.endpoint;
    this.outputs = parts.outputs;
    this.store = parts.store;
    this.lambda = parts.lambda;
    this.s3 = parts.s3;
    this.sqs = parts.sqs;
    this.#close = parts.close;
  }

  /** @throws Error in a sentence where the program asks for what can not be had here */
  static async start(options: MachineOptions): Promise<Machine> {
    const { project, folder } = options;
    const stack = readStackConfig(project, options.stack ?? "dev");
    const region = stack.config["aws:region"] ?? DEFAULT_REGION;
    const report = options.report ?? (() => {});
    const identity = new Identity(ACCOUNT_ID);

    const messaging = await openMessaging(region, options.durable ? path.join(folder, "messages") : undefined);
    const store = await ObjectStore.open({
      root: path.join(folder, "buckets"),
      region,
      accountId: ACCOUNT_ID,
      notify: async (topicArn, message) => {
        await sns.send(
          new PublishCommand({ TopicArn: topicArn, Message: message, Subject: "Amazon S3 Notification" }),
        );
      },
    });
    store.on("undelivered", report);
    const gateway = await openGateway({
      port: options.port ?? 0,
      region,
      accountId: ACCOUNT_ID,
      identity,
      messaging,
      report,
      s3: s3Service(store, identity, region),
    });
    const { endpoint } = gateway;
    const client = { region, endpoint, credentials: identity.administrator };
    const s3 = new S3Client(client);
    const sns = new SNSClient(client);
    const sqs = new SQSClient(client);
    const lambda = new LambdaService({
      folder,
      endpoint,
      region,
      accountId: ACCOUNT_ID,
      identity,
      concurrency: options.concurrency ?? availableParallelism(),
      report,
    });

    const close = async () => {
      await lambda.stop();
      await store.close();
      await gateway.close();
      await messaging.close();
      for (const each of [s3, sns, sqs]) each.destroy();
    };
    try {
      const services = { endpoint, region, accountId: ACCOUNT_ID, store, sns, sqs, lambda, identity };
      const outputs = await runProgram(options.program ?? path.join(project, "index.ts"), stack, (resource) =>
        provision(resource, services, `${stack.project}/${stack.stack}`),
      );
      return new Machine({
        endpoint,
        outputs: outputs as unknown as StackOutputs,
        store,
        lambda,
        s3,
        sqs,
        close,
      });
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Stops, and loses nothing that was accepted and is on disk. */
  async stop(): Promise<void> {
    await this.#close();
  }
}
