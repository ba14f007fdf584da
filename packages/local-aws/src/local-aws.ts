import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import path from "node:path";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SNSClient } from "@aws-sdk/client-sns";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { ACCOUNT_ID } from "./arn.ts";
import { Events } from "./events.ts";
import type { Faults } from "./faults/faults.ts";
import { Direct } from "./gateway/direct.ts";
import { type Gateway, openGateway } from "./gateway/gateway.ts";
import { s3Service } from "./gateway/s3.ts";
import { s3Arn } from "./iam/actions.ts";
import { type Credentials, Identity } from "./iam/identity.ts";
import { type LambdaOptions, LambdaService } from "./lambda/service.ts";
import { type Messaging, openMessaging } from "./messaging/messaging.ts";
import { bucketOf } from "./store/events.ts";
import { ObjectStore } from "./store/object-store.ts";
import { Refused } from "./store/outbox.ts";

export interface LocalAwsOptions {
  /** The region that every ARN and signature names. */
  readonly region: string;
  /** Holds all state: buckets as folders of files, code, logs. */
  readonly folder: string;
  /** @default 0, any free port */
  readonly port?: number;
  /** Maximum number of concurrent invocations, of all functions together. @default the number of cores */
  readonly concurrency?: number;
  /**
   * Keeps queues and their messages beyond this process, as buckets always are, and has what is in buckets survive a power
   * cut. @default false
   */
  readonly durable?: boolean;
  /** Lets things go wrong. @default nothing does */
  readonly faults?: Faults;
  /** Told what happens, from the first moment on. @default a stream of its own */
  readonly events?: Events;
  /** Told of what goes wrong behind the scenes: what is tried again, and what was lost. */
  readonly report?: (error: unknown) => void;
}

/** S3, SNS, SQS, Lambda and IAM on this computer, behind one endpoint. */
export interface LocalAws {
  /** For example `http://127.0.0.1:4566`. */
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  readonly identity: Identity;
  readonly store: ObjectStore;
  readonly lambda: LambdaService;
  /** Tells what happens to objects, messages, functions and requests. */
  readonly events: Events;
  /** Credentials of the person at this computer. */
  readonly administrator: Credentials;
  /** S3, SNS and SQS in this process, asked as the administrator. */
  readonly direct: Direct;
  /** Clients that sign as the administrator. The SDK is loaded when one is first used. */
  readonly s3: S3Client;
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
  /** Begins to poll for functions. From here on what a policy does not let pass is lost, as on AWS; before, it waits. */
  start(): void;
  /** Stops, and loses nothing that was accepted and is on disk. */
  close(): Promise<void>;
}

/** State shared while the services are opened, each before those that need it. */
interface Opening {
  readonly options: LocalAwsOptions;
  readonly events: Events;
  readonly identity: Identity;
  readonly opened: AsyncDisposableStack;
  readonly report: (error: unknown) => void;
  /** True once the stack runs, so that what a policy refuses is lost. */
  running: boolean;
}

/** Opens the services, empty but for what `folder` holds. @throws Error where the port is taken */
export async function startLocalAws(options: LocalAwsOptions): Promise<LocalAws> {
  const { region, folder, durable, events = new Events() } = options;
  const identity = new Identity(
    ACCOUNT_ID,
    durable ? path.join(messagesOf(folder), "policies.json") : undefined,
    events,
  );
  // Closed in the opposite order: what others need is opened first.
  const opened = new AsyncDisposableStack();
  const opening: Opening = {
    ...{ options, events, identity, opened, running: identity.resumed },
    report: options.report ?? (() => {}),
  };
  try {
    const messaging = await openQueues(opening);
    const s3Handler = Promise.withResolvers<ReturnType<typeof s3Service>>();
    const { endpoint } = await openFront(opening, messaging, {
      s3: async (request, response) => (await s3Handler.promise)(request, response),
      kill: (accessKeyId) => lambda.kill(accessKeyId),
    });
    const clients = openClients(opening, endpoint);
    const store = await openStore(opening, messaging);
    s3Handler.resolve(s3Service(store, identity, region, opening.report));
    const directOf = (credentials: Credentials, intercept?: Faults) =>
      new Direct({
        ...{ region, identity, messaging, store, endpoint, accountId: ACCOUNT_ID },
        principal: identity.lookup(credentials.accessKeyId)?.principal ?? { type: "anonymous" },
        intercept: intercept && ((...call) => intercept.call(...call)),
      });
    const lambda = openLambda(opening, endpoint, (credentials, queueUrl) =>
      directOf(credentials, options.faults).queue(queueUrl),
    );
    return {
      ...{ endpoint, region, accountId: ACCOUNT_ID, identity, store, lambda, events, ...clients },
      administrator: identity.administrator,
      direct: directOf(identity.administrator),
      start() {
        identity.dropRestored();
        opening.running = true;
        lambda.start();
      },
      close: () => opened.disposeAsync(),
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

function messagesOf(folder: string): string {
  return path.join(folder, "messages");
}

async function openQueues({ options, events, identity, opened, report }: Opening): Promise<Messaging> {
  const { region, folder, durable, faults } = options;
  const sound = await openMessaging({
    ...{ region, identity, events, report },
    folder: durable ? messagesOf(folder) : undefined,
  });
  opened.defer(() => sound.close());
  return faults?.messaging(sound) ?? sound;
}

async function openFront(
  { options, identity, opened, report }: Opening,
  messaging: Messaging,
  to: { s3: Parameters<typeof openGateway>[0]["s3"]; kill: (accessKeyId: string) => void },
): Promise<Gateway> {
  const { region, faults } = options;
  const gateway = await openGateway({
    ...{ region, identity, messaging, report, accountId: ACCOUNT_ID, port: options.port ?? 0, s3: to.s3 },
    intercept:
      faults &&
      ((request, response, answer) => {
        const key = /Credential=([^/]+)\//.exec(request.headers.authorization ?? "")?.[1] ?? "";
        // A person's own requests go well.
        if (key === identity.administrator.accessKeyId) return answer();
        return faults.request(request, response, () => to.kill(key), answer);
      }),
  });
  opened.defer(() => gateway.close());
  return gateway;
}

function openClients({ options, identity, opened }: Opening, endpoint: string) {
  const client = { region: options.region, endpoint, credentials: identity.administrator };
  const used = <Client extends { destroy(): void }>(each: Client): Client => {
    opened.defer(() => each.destroy());
    return each;
  };
  return {
    s3: lazily(() => used(new (sdk<typeof import("@aws-sdk/client-s3")>("client-s3").S3Client)(client))),
    sns: lazily(() => used(new (sdk<typeof import("@aws-sdk/client-sns")>("client-sns").SNSClient)(client))),
    sqs: lazily(() => used(new (sdk<typeof import("@aws-sdk/client-sqs")>("client-sqs").SQSClient)(client))),
  };
}

const sdk = <Module>(name: string): Module => createRequire(import.meta.url)(`@aws-sdk/${name}`) as Module;

/** Stands for a client that is made when it is first used: to load the SDK takes longer than most runs use it. */
function lazily<Client extends object>(make: () => Client): Client {
  let made: Client | undefined;
  const client = () => {
    made ??= make();
    return made;
  };
  return new Proxy({} as Client, {
    get(_, name) {
      const value = Reflect.get(client(), name);
      return typeof value === "function" ? value.bind(client()) : value;
    },
    set: (_, name, value) => Reflect.set(client(), name, value),
    has: (_, name) => Reflect.has(client(), name),
    getPrototypeOf: () => Object.getPrototypeOf(client()),
  });
}

async function openStore(opening: Opening, messaging: Messaging): Promise<ObjectStore> {
  const { options, events, opened, report } = opening;
  const { region, folder, faults, durable = false } = options;
  const store = await ObjectStore.open({
    ...{ root: path.join(folder, "buckets"), region, accountId: ACCOUNT_ID, durable },
    notify: async (TopicArn, Message) => {
      const publication = { TopicArn, Message, Subject: "Amazon S3 Notification" };
      const send = async () => {
        const refused = messaging.publishAs("s3.amazonaws.com", s3Arn(bucketOf(Message)), publication);
        if (refused !== undefined) throw opening.running ? new Refused(refused) : new Error(refused);
      };
      await (faults ? faults.notify(send) : send());
    },
    sequencer: faults && ((sequence) => faults.sequencer(sequence)),
    ...{ events, report },
  });
  opened.defer(() => store.close());
  events.on("undelivered", ({ lost, error, objects }) => {
    if (!lost) return report(error);
    report(new Error(`S3 lost an event of ${objects[0]?.bucket}: ${(error as Error).message}`));
  });
  return store;
}

function openLambda(
  { options, events, identity, opened, report }: Opening,
  endpoint: string,
  queue: LambdaOptions["queue"],
): LambdaService {
  const { region, folder, faults, concurrency = availableParallelism() } = options;
  const lambda = new LambdaService({
    ...{ folder, endpoint, region, identity, concurrency, queue, events, report, accountId: ACCOUNT_ID },
    timeLimit: faults && (() => faults.plan.timeLimit),
    throttled: faults && (() => faults.throttled()),
  });
  opened.defer(() => lambda.stop());
  return lambda;
}
