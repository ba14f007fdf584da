import { cp, mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import type { BatchInvocation, Events } from "../events.ts";
import type { MessageQueue } from "../gateway/direct.ts";
import type { Credentials, Identity } from "../iam/identity.ts";
import { EventSourceMapping, type SqsEvent } from "./event-source-mapping.ts";
import { LocalFunction } from "./function.ts";
import { InvocationError } from "./sandbox.ts";
import { Semaphore } from "./semaphore.ts";

export interface FunctionDeclaration {
  readonly name: string;
  /** For example `nodejs24.x`. */
  readonly runtime: string;
  readonly handler: string;
  readonly code: unknown;
  readonly layers: readonly string[];
  readonly role: string;
  /** MB. */
  readonly memorySize: number;
  /** Seconds. */
  readonly timeout: number;
  readonly logGroup: string;
  readonly environment: Record<string, string>;
}

export interface MappingDeclaration {
  readonly functionArn: string;
  readonly queueArn: string;
  readonly queueUrl: string;
  readonly batchSize: number;
  /** Seconds. */
  readonly window: number;
  /** Maximum number of concurrent batches. @default what the account allows */
  readonly maximumConcurrency: number | undefined;
  readonly reportsFailures: boolean;
}

export interface LambdaOptions {
  /** Holds code, layers and logs. */
  readonly folder: string;
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  readonly identity: Identity;
  /** Maximum number of concurrent invocations, of all functions together. */
  readonly concurrency: number;
  /** Maximum time limit of functions, in seconds, as it is when they are invoked. @default what is declared */
  readonly timeLimit?: (() => number | undefined) | undefined;
  /** A queue, as those who have these credentials see it. */
  readonly queue: (credentials: Credentials, queueUrl: string) => MessageQueue;
  /** Told what happens in functions. */
  readonly events: Events;
  /** Decides whether an invocation is throttled, whatever room there is. @default never */
  readonly throttled?: (() => boolean) | undefined;
  /** Told of what goes wrong outside of a function. */
  readonly report: (error: unknown) => void;
}

/** Lambda on this computer: functions run in processes, and mappings poll queues once all is declared. */
export class LambdaService {
  readonly #options: LambdaOptions;
  readonly #account: Semaphore;
  readonly #layers = new Map<string, string>();
  readonly #functions = new Map<string, { function: LocalFunction; credentials: Credentials }>();
  readonly #declared: (() => void)[] = [];
  /** Functions whose first sandbox is made before their first message comes. */
  #warmed = 0;
  readonly #mappings: { function: LocalFunction; mapping: EventSourceMapping }[] = [];

  constructor(options: LambdaOptions) {
    this.#options = options;
    this.#account = new Semaphore(options.concurrency);
  }

  /** The folder with the functions' logs, a file each. */
  get logs(): string {
    return path.join(this.#options.folder, "logs");
  }

  /**
   * A layer's packages, as this computer has them: native ones of the layer are for Lambda's processor. Whatever is not
   * in the layer is not found by the function, here as there.
   * @throws Error where a package is not installed here in the layer's version
   */
  async createLayer(arn: string, code: unknown): Promise<void> {
    const require = createRequire(import.meta.url);
    const modules = path.join(
      this.#options.folder,
      "layers",
      arn.replaceAll(":", "_"),
      "nodejs/node_modules",
    );
    await rm(modules, { recursive: true, force: true });
    await mkdir(modules, { recursive: true });
    for (const [file, content] of Object.entries(await assetsOf(code))) {
      const name = /^nodejs\/node_modules\/((?:@[^/]+\/)?[^/]+)\/package\.json$/.exec(file)?.[1];
      if (!name || name.startsWith("@img/")) continue;
      const there = JSON.parse(await textOf(content)) as { version: string };
      const folder = packageFolder(require, name);
      const here = require(path.join(folder, "package.json")) as { version: string };
      if (here.version !== there.version) {
        throw new Error(`the layer has ${name} ${there.version}, but ${here.version} is installed here`);
      }
      await mkdir(path.dirname(path.join(modules, name)), { recursive: true });
      await symlink(folder, path.join(modules, name), "junction");
    }
    this.#layers.set(arn, modules);
  }

  /** @returns the function's ARN @throws Error where it could not run here as it would on AWS */
  async createFunction(declared: FunctionDeclaration): Promise<string> {
    const { name, runtime, memorySize } = declared;
    const { region, accountId, endpoint, identity, events } = this.#options;
    const here = `nodejs${process.versions.node.split(".")[0]}.x`;
    if (runtime !== here) throw new Error(`runtime is ${runtime}, but this is ${here}`);

    const { taskRoot, temporary } = await this.#placeCode(declared);
    const arn = `arn:aws:lambda:${region}:${accountId}:function:${name}`;
    const credentials = identity.assumeForFunction(declared.role, name);
    const layers = declared.layers.map((layer) => {
      const modules = this.#layers.get(layer);
      if (!modules) throw new Error(`there is no layer ${layer}`);
      return modules;
    });
    const { timeLimit } = this.#options;
    const settings = {
      name,
      arn,
      get timeout() {
        return Math.min(declared.timeout, timeLimit?.() ?? declared.timeout);
      },
      memorySize,
      taskRoot,
      logFile: path.join(this.logs, `${name}.log`),
      environment: environmentOf(declared, {
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        ...(credentials.sessionToken && { AWS_SESSION_TOKEN: credentials.sessionToken }),
        AWS_DEFAULT_REGION: region,
        AWS_REGION: region,
        AWS_ENDPOINT_URL: endpoint,
        LAMBDA_TASK_ROOT: taskRoot,
        NODE_PATH: layers.join(path.delimiter),
        TMPDIR: temporary,
      }),
    };
    const onLine = (line: string, requestId: string) =>
      events.emit("logged", () => ({ functionName: name, requestId, line }));
    this.#functions.set(arn, { function: new LocalFunction(settings, this.#account, onLine), credentials });
    return arn;
  }

  /** Unpacks a function's archive where Lambda has it, beside an empty folder for temporary files. */
  async #placeCode({ name, code }: FunctionDeclaration): Promise<{ taskRoot: string; temporary: string }> {
    const { folder } = this.#options;
    const taskRoot = path.join(folder, "functions", name);
    const temporary = path.join(folder, "tmp", name);
    await rm(taskRoot, { recursive: true, force: true });
    await Promise.all([taskRoot, temporary, this.logs].map((each) => mkdir(each, { recursive: true })));
    // Lambda takes .js for CommonJS; Node would ask the next package.json up the path, which may be this project's.
    await writeFile(path.join(folder, "functions", "package.json"), '{ "type": "commonjs" }\n');
    await unpack(code, taskRoot);
    return { taskRoot, temporary };
  }

  /** @throws Error where the function's role may not do what Lambda itself does with the queue */
  createEventSourceMapping(declared: MappingDeclaration): void {
    const target = this.#functions.get(declared.functionArn);
    if (!target) throw new Error(`there is no function ${declared.functionArn}`);
    const { region, concurrency, events, identity, throttled, report } = this.#options;
    const caller = identity.lookup(target.credentials.accessKeyId);
    for (const action of POLLING) {
      const decision = caller && identity.judge(caller.principal, action, declared.queueArn);
      if (decision === undefined || decision.allowed) continue;
      throw new Error(
        `the function's role does not have permissions to call ${action.slice(4)} on SQS: ${decision.message}`,
      );
    }
    const queue = this.#options.queue(target.credentials, declared.queueUrl);
    const { function: local } = target;
    const { name: functionName, memorySize, taskRoot, logFile } = local.settings;
    const invocation = ({ Records: messages }: SqsEvent, requestId: string): BatchInvocation => ({
      requestId,
      functionName,
      timeout: local.settings.timeout,
      memorySize,
      taskRoot,
      logFile,
      messages,
    });
    const begin = () =>
      new EventSourceMapping(
        {
          ...declared,
          region,
          concurrency: Math.min(concurrency, declared.maximumConcurrency ?? concurrency),
        },
        {
          queue,
          async invoke(event, requestId) {
            if (throttled?.()) throw new InvocationError("throttled", "Rate Exceeded.");
            const onBegin = () => events.emit("begun", () => invocation(event, requestId));
            return local.invoke(event, { requestId, onBegin });
          },
          ended(event, requestId, failedMessages, error) {
            if (error && local.abandoned) return;
            events.emit("ended", () => ({ ...invocation(event, requestId), failedMessages, error }));
          },
          report,
        },
      );
    // While the rest of the program is declared there are cores to spare; more than they are would only be in the way.
    if (this.#warmed++ < concurrency) local.warm();
    this.#declared.push(() => this.#mappings.push({ function: local, mapping: begin() }));
  }

  /** Begins to poll for every mapping that is declared: not before, as half a program is not what anybody meant. */
  start(): void {
    for (const begin of this.#declared.splice(0)) begin();
  }

  /** Returns the credentials of a function. @throws Error where there is no such function */
  credentialsOf(functionName: string): Credentials {
    for (const {
      function: { settings },
      credentials,
    } of this.#functions.values()) {
      if (settings.name === functionName) return credentials;
    }
    throw new Error(`there is no function ${functionName}`);
  }

  /** Kills what the function that signs with this access key is doing; nobody's key kills nothing. */
  kill(accessKeyId: string): void {
    for (const { function: each, credentials } of this.#functions.values()) {
      if (credentials.accessKeyId === accessKeyId) each.kill();
    }
  }

  /** Takes no more messages for one function, or for all, and kills what is at work. */
  abandon(functionName?: string): void {
    for (const { function: local, mapping } of this.#mappings) {
      if (functionName !== undefined && local.settings.name !== functionName) continue;
      local.abandon();
      void mapping.stop();
    }
  }

  /** Takes no more messages; resolves when the last batch is done with. */
  async stop(): Promise<void> {
    await Promise.all(this.#mappings.map(({ mapping }) => mapping.stop()));
    await Promise.all([...this.#functions.values()].map((each) => each.function.close()));
  }
}

/**
 * What Lambda does with a queue as the function's role, and refuses a mapping without:
 * https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
 */
const POLLING = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/** The environment variables of this process that a sandbox's process cannot do without. */
function inherited(...names: string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Puts a function's code into a folder: single files, or all of a folder. */
async function unpack(archive: unknown, to: string): Promise<void> {
  const from = await (archive as Partial<pulumi.asset.FileArchive>).path;
  if (from !== undefined) {
    if ((await stat(from)).isDirectory()) return cp(from, to, { recursive: true });
    throw new Error(`the code is ${from}, which is not unpacked here: give the folder that it is made of`);
  }
  for (const [file, content] of Object.entries(await assetsOf(archive))) {
    await mkdir(path.dirname(path.join(to, file)), { recursive: true });
    await writeFile(path.join(to, file), await textOf(content));
  }
}

async function assetsOf(archive: unknown): Promise<Record<string, unknown>> {
  const assets = await (archive as Partial<pulumi.asset.AssetArchive>).assets;
  if (!assets) throw new Error("the code is no archive of single files");
  return assets;
}

async function textOf(asset: unknown): Promise<string> {
  const { text, path: file } = asset as { text?: Promise<string>; path?: Promise<string> };
  if (text !== undefined) return text;
  return readFile(String(await file), "utf8");
}

/** Finds the folder of an installed package by its main file, as not every package exports its package.json. */
function packageFolder(require: NodeJS.Require, name: string): string {
  const file = require.resolve(name);
  const end = `node_modules${path.sep}${name.replaceAll("/", path.sep)}`;
  return file.slice(0, file.lastIndexOf(end) + end.length);
}

/**
 * A function's environment: its own variables, and those that Lambda sets, of which `here` has what depends on this
 * computer (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
 */
function environmentOf(
  { environment, handler, name, runtime, memorySize, logGroup }: FunctionDeclaration,
  here: Record<string, string>,
): Record<string, string> {
  return {
    ...environment,
    ...here,
    _HANDLER: handler,
    AWS_EXECUTION_ENV: `AWS_Lambda_${runtime}`,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memorySize),
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    AWS_LAMBDA_LOG_GROUP_NAME: logGroup,
    AWS_LAMBDA_LOG_STREAM_NAME: `${name}.log`,
    LANG: "en_US.UTF-8",
    TZ: ":UTC",
    ...inherited("PATH", "SystemRoot"),
  };
}
