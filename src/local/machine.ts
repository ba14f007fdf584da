import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { SNSClient } from "@aws-sdk/client-sns";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Faults } from "./faults/faults.ts";
import { openGateway } from "./gateway.ts";
import { s3Arn } from "./iam/actions.ts";
import { ACCOUNT_ID, type Credentials, Identity } from "./identity.ts";
import { Activity } from "./lambda/activity.ts";
import { LambdaService } from "./lambda/service.ts";
import { openMessaging } from "./messaging.ts";
import { type DeclaredResource, runProgram } from "./program.ts";
import { Omitted } from "./provision/provider.ts";
import { provision } from "./provision/provision.ts";
import { sweep } from "./provision/sweep.ts";
import { s3Service } from "./s3.ts";
import { readStackConfig, regionOf } from "./stack-config.ts";
import { bucketOf } from "./store/events.ts";
import { ObjectStore } from "./store/object-store.ts";
import { Refused } from "./store/outbox.ts";

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
  /** Whether what is not run here is refused. @default false: it is taken as declared */
  readonly strict?: boolean;
  /** Lets things go wrong. @default nothing does */
  readonly faults?: Faults;
  /** Is told what happens in functions. */
  readonly activity?: Activity;
  /** Told of what goes wrong behind the scenes: what is tried again, and what was lost. */
  readonly report?: (error: unknown) => void;
  /** Called when a resource stands, before those that need it are begun: something may happen to the machine meanwhile. */
  readonly provisioned?: (resource: DeclaredResource, store: ObjectStore) => Promise<void>;
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

/** A worker of any of the program's fan-outs: what its component registers. */
export interface Worker extends WorkerOutputs {
  readonly name: string;
  /** The bucket whose images it is told of. */
  readonly source: string;
  /** The bucket that its results are in. */
  readonly results: string;
}

/**
 * The machine on this computer: what the program declares, running. Each part is the declared resource's
 * counterpart, and nothing here knows what the program is.
 */
export interface Machine {
  readonly endpoint: string;
  readonly region: string;
  readonly outputs: StackOutputs;
  /** The workers of all fan-outs, whether the program exports them or not. */
  readonly workers: readonly Worker[];
  /** What the program declares and is not run here, a line each. */
  readonly notRun: readonly string[];
  readonly store: ObjectStore;
  readonly lambda: LambdaService;
  /** What a person at this computer signs requests with. */
  readonly administrator: Credentials;
  /** Clients that sign as the administrator. */
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  /** Stops, and loses nothing that was accepted and is on disk. */
  stop(): Promise<void>;
}

/** @throws Error in a sentence where the program asks for what can not be had here */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { project, folder, faults } = options;
  const stack = readStackConfig(project, options.stack ?? "dev");
  const region = regionOf(stack);
  const report = options.report ?? (() => {});
  const messages = options.durable ? path.join(folder, "messages") : undefined;
  const identity = new Identity(ACCOUNT_ID, messages && path.join(messages, "policies.json"));
  // Of a stack that runs already, events are lost where a policy does not let them pass; before, they wait for it.
  let running = identity.resumed;

  // Closed in the opposite order: what others need is opened first.
  const opened = new AsyncDisposableStack();
  try {
    const sound = await openMessaging({ region, identity, folder: messages, report });
    opened.defer(() => sound.close());
    const messaging = faults?.messaging(sound) ?? sound;

    const s3Handler = Promise.withResolvers<ReturnType<typeof s3Service>>();
    const gateway = await openGateway({
      port: options.port ?? 0,
      region,
      accountId: ACCOUNT_ID,
      identity,
      messaging,
      report,
      intercept:
        faults &&
        ((request, response, answer) => {
          const key = /Credential=([^/]+)\//.exec(request.headers.authorization ?? "")?.[1] ?? "";
          // A person's own requests go well.
          if (key === identity.administrator.accessKeyId) return answer();
          return faults.request(request, response, () => lambda.kill(key), answer);
        }),
      s3: async (request, response) => (await s3Handler.promise)(request, response),
    });
    opened.defer(() => gateway.close());

    const { endpoint } = gateway;
    const client = { region, endpoint, credentials: identity.administrator };
    const s3 = new S3Client(client);
    const sns = new SNSClient(client);
    const sqs = new SQSClient(client);
    for (const each of [s3, sns, sqs]) opened.defer(() => each.destroy());

    const store = await ObjectStore.open({
      root: path.join(folder, "buckets"),
      region,
      accountId: ACCOUNT_ID,
      notify: async (TopicArn, Message) => {
        const bucket = s3Arn(bucketOf(Message));
        const publication = { TopicArn, Message, Subject: "Amazon S3 Notification" };
        const send = async () => {
          const refused = messaging.publishAs("s3.amazonaws.com", bucket, publication);
          if (refused !== undefined) throw running ? new Refused(refused) : new Error(refused);
        };
        await (faults ? faults.notify(send) : send());
      },
      sequencer: faults && ((sequence) => faults.sequencer(sequence)),
    });
    opened.defer(() => store.close());
    store.on("undelivered", ({ error, notification }) => {
      const lost = new Error(
        `S3 lost an event of ${bucketOf(notification.message)}: ${(error as Error).message}`,
      );
      report(error instanceof Refused ? lost : error);
    });
    s3Handler.resolve(s3Service(store, identity, region, report));

    const lambda = new LambdaService({
      folder,
      endpoint,
      region,
      accountId: ACCOUNT_ID,
      identity,
      concurrency: options.concurrency ?? availableParallelism(),
      timeLimit: faults?.plan.timeLimit,
      activity: options.activity ?? new Activity(),
      throttled: faults && (() => faults.throttled()),
      report,
    });
    opened.defer(() => lambda.stop());

    const omitted = new Omitted(options.strict);
    const services = {
      ...{ endpoint, region, accountId: ACCOUNT_ID, store, sns, sqs, lambda, identity, omitted },
      arns: new Map<string, string>(),
    };
    const scope = `${stack.project}/${stack.stack}`;
    const declared = new Set<string>();
    const program = options.program ?? path.join(project, "index.ts");
    const workers: Worker[] = [];
    const outputs = await runProgram(
      program,
      stack,
      async (resource) => {
        const provisioned = await provision(resource, services, scope);
        declared.add(provisioned.id);
        await options.provisioned?.(resource, store);
        return provisioned;
      },
      (component) => {
        if (isWorker(component)) workers.push(component);
      },
    );
    await sweep(services, declared);
    identity.dropRestored();
    running = true;
    lambda.start();
    // As `pulumi stack output --json` prints them, for whoever operates the machine from another process.
    await writeFile(path.join(folder, "outputs.json"), `${JSON.stringify(outputs, null, 2)}\n`);
    return {
      endpoint,
      region,
      administrator: identity.administrator,
      outputs: outputs as unknown as StackOutputs,
      workers: workers.sort((a, b) => (a.name < b.name ? -1 : 1)),
      notRun: omitted.lines,
      store,
      lambda,
      s3,
      sqs,
      stop: () => opened.disposeAsync(),
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** Tells a worker from other components. */
function isWorker(outputs: object): outputs is Worker {
  return ["name", "source", "results", "queue", "deadLetterQueue", "prefix"].every((name) => name in outputs);
}
