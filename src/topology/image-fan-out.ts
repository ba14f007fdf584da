import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { sharpLayer } from "../packaging/sharp-layer.ts";
import type { DeclaredOutputs } from "../stack-outputs.ts";
import { AlarmTopic } from "./alarm-topic.ts";
import { createAlarms, topicAlarms } from "./alarms.ts";
import { ArgumentError } from "./argument-error.ts";
import { Attached } from "./attached.ts";
import { checkFullName, checkName } from "./checks.ts";
import { bodyOfAll } from "./dashboard.ts";
import { EncryptionKey } from "./encryption-key.ts";
import type { NotificationToAdd } from "./existing-bucket.ts";
import { checkFanOutSettings } from "./fan-out-settings.ts";
import { FAN_OUT_TRANSFORMS, type ImageFanOutTransform } from "./fan-out-transform.ts";
import { type Granted, grant } from "./grants.ts";
import { guarded, kept } from "./kept.ts";
import { merged } from "./later.ts";
import { checkListener, claimPolicies, type Listener, subscribeListener } from "./listeners.ts";
import { logGroupsOf, machineName, physicalName } from "./names.ts";
import { warnOfMissedObjective } from "./objective.ts";
import { type FanOutOutputs, type Origin, otherStack, resultsOf, UPLOADS } from "./origin.ts";
import * as policies from "./policies.ts";
import type { FanOutSettings, StandardScaling, WorkerSettings } from "./setting-types.ts";
import { type Bucket, type FanOut, type KeyArn, type Told, tellOf } from "./told-bucket.ts";
import { checkTransforms, childOf } from "./transform.ts";
import { Way } from "./ways.ts";
import { type CheckedWorkerSettings, checkWorkerSettings } from "./worker-settings.ts";

export interface ImageFanOutArgs extends FanOutSettings {
  /**
   * Fan-out whose results are the images of this one, as soon as they exist. This one then has neither a source bucket nor a
   * topic of its own. @default none
   */
  readonly after?: ImageFanOut;

  /** Changes to individual resources. @default none */
  readonly transform?: ImageFanOutTransform;
}

/** Stands for outputs among arguments, which only {@link ImageFanOut.get} gives. */
const EXISTING = Symbol("a fan-out of another stack");

/** Resources of a fan-out besides its buckets and topics. */
export interface FanOutNodes extends Pick<Told, "topicPolicy" | "notification"> {
  /** Layer with sharp and libvips for linux-arm64, for every function that processes images. */
  readonly layer: aws.lambda.LayerVersion;
  /** Key that was made for this machine, if there is one. */
  readonly key: EncryptionKey | undefined;
}

/** What a fan-out hands to a worker that is attached to it, and to nobody else. */
export interface Attachment {
  readonly fanOut: FanOut & {
    readonly layer: aws.lambda.LayerVersion;
    /** ARN of the key of the fan-out whose results are this one's images; undefined where it has none, or there is none. */
    readonly sourceKeyArn: KeyArn;
  };
  /** How the names of the worker's resources begin: the fan-out's name, and its own. */
  readonly name: string;
  /** How keys of its results begin, up to a slash. */
  readonly prefix: string;
  /** Settings of the worker, with all defaults. */
  readonly settings: CheckedWorkerSettings;
  /** How its queue is emptied: what it has of its own, or its share of the fan-out's concurrency. */
  readonly scaling: CheckedWorkerSettings["scaling"] | pulumi.Output<StandardScaling>;
  /** Records outputs of the worker, for the stack's outputs and the dashboard. */
  readonly record: (outputs: Partial<DeclaredOutputs>) => void;
}

/**
 * Everything that workers share: the bucket that images are dropped into, the topic that tells every worker of each
 * new image, the bucket for results, and the layer with sharp.
 *
 * @example
 * const fanOut = new ImageFanOut("images");
 * new RotationWorker("clockwise", { fanOut, angle: 90 });
 */
export class ImageFanOut extends pulumi.ComponentResource {
  /** Bucket that images are dropped into. */
  readonly source: aws.s3.Bucket;
  /** Bucket for results, under `PREFIX/KEY`, by default `WORKER/KEY`. It is a second bucket, so that no result is taken for a source. */
  readonly results: aws.s3.Bucket;
  /** Topic with one message for every object created in the source bucket. */
  readonly topic: aws.sns.Topic;
  /** Topic that all alarms go to. It stays while alarms are turned off, and so do its subscriptions. */
  readonly alarmTopic: AlarmTopic;
  /** Outputs of the workers attached so far, by name. */
  readonly workers: Readonly<Record<string, DeclaredOutputs>>;
  /** What the owner of the source bucket must add to its notifications; undefined if the machine has done so. */
  readonly notificationToAdd: pulumi.Output<NotificationToAdd> | undefined;
  /** Further resources, for what neither arguments nor `transform` can do. */
  readonly nodes: FanOutNodes;
  readonly #attached: Attached;
  readonly #origin: Origin;
  readonly #shared: Attachment["fanOut"];
  readonly #way: Way;
  readonly #results: Bucket;
  readonly #granted = new Set<string>();
  readonly #listeners = new Set<string>();
  #completed: Told | undefined;

  constructor(name: string, args: ImageFanOutArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    checkName("ImageFanOut", name);
    const subject = `ImageFanOut "${name}"`;
    const { after, transform = {}, ...given } = args;
    checkTransforms(`${subject}: transform.`, transform, FAN_OUT_TRANSFORMS);
    const checked = checkFanOutSettings(`${subject}: `, given, ["after", "transform"]);
    const origin = ImageFanOut.#originOf(subject, args);
    const settings = origin.settings(subject, checked, transform);
    super("image-machine:index:ImageFanOut", name, checked, opts);
    const machine = machineName(pulumi.getProject(), pulumi.getStack(), name);
    const tags = merged({ Project: pulumi.getProject(), Stack: pulumi.getStack() }, settings.tags);
    const own = childOf({ parent: this }, transform);
    const setup = { name, component: this, machine, settings: { ...settings, tags }, transform, own };

    const { key, ...keyArns } = createKey(setup);
    const fanOut: FanOut = { ...setup, ...keyArns };
    const source = origin.source(fanOut);
    this.source = source.bucket;
    this.#results = origin.results(fanOut);
    this.results = this.#results.bucket;
    this.#way = new Way(name, source, this.#results, origin.workers);
    const { topic, notificationToAdd, ...telling } = origin.told(fanOut, source, this.#way);
    this.topic = topic;
    this.notificationToAdd = notificationToAdd;
    const layer = createLayer(fanOut);

    this.#attached = new Attached(settings.concurrency);
    this.workers = this.#attached.outputs;
    this.alarmTopic = createAlarmTopic(fanOut);
    if (!origin.isWatchedThere) watchDelivery(fanOut, topic, this.alarmTopic);
    if (settings.dashboard) createDashboard(fanOut, topic, this.#attached);
    warnOfMissedObjective(this, given.objective, this.#attached);

    this.nodes = { ...telling, layer, key };
    this.#origin = origin;
    this.#shared = { ...fanOut, layer, sourceKeyArn: origin.keyArn };

    this.registerOutputs({
      source: this.source.bucket,
      results: this.results.bucket,
      topic: this.topic.arn,
      ...(notificationToAdd && { notificationToAdd }),
    });
  }

  /**
   * Returns a fan-out of another stack, for workers of this one. They process its images and write into its results bucket. Nothing
   * changes in that stack. Layer, alarms and dashboard are this stack's own.
   * @param name the fan-out's name in this stack
   * @param args settings for what is created here
   *
   * @example
   * const stack = new pulumi.StackReference("organization/rube-goldberg-image-machine/prod");
   * const [sourceBucket, resultsBucket, topic, workers] =
   *   ["sourceBucket", "resultsBucket", "topic", "workers"].map((name) => stack.requireOutput(name));
   * const fanOut = ImageFanOut.get("more", { sourceBucket, resultsBucket, topic, workers });
   */
  static get(
    name: string,
    outputs: FanOutOutputs,
    args: Omit<ImageFanOutArgs, "after"> = {},
    opts?: pulumi.ComponentResourceOptions,
  ): ImageFanOut {
    return new ImageFanOut(name, { ...args, [EXISTING]: outputs } as ImageFanOutArgs, opts);
  }

  /**
   * Topic with one message for every result, so that the next system need not poll. It is created, and the results bucket
   * notifies it, once the program reads this property.
   */
  get completed(): aws.sns.Topic {
    return this.#tellOfResults().topic;
  }

  /**
   * What others need to know of this fan-out. A program with several fan-outs exports the outputs of each under a name, which commands
   * take with `--fan-out`. Another stack passes them to {@link ImageFanOut.get}.
   */
  get outputs() {
    return {
      sourceBucket: this.source.bucket,
      resultsBucket: this.results.bucket,
      topic: this.topic.arn,
      workers: this.workers,
    };
  }

  #tellOfResults(): Told {
    const { ofOthers } = this.#results;
    if (ofOthers !== undefined) {
      throw new ArgumentError(`ImageFanOut "${this.#shared.name}": completed would change ${ofOthers}.`);
    }
    this.#completed ??= tellOf(this.#shared, "results", this.#results, this.#way);
    return this.#completed;
  }

  /** Returns where images come from. @throws ArgumentError where `after` is no fan-out */
  static #originOf(subject: string, args: ImageFanOutArgs): Origin {
    const { after, [EXISTING]: outputs } = args as ImageFanOutArgs & { readonly [EXISTING]?: FanOutOutputs };
    if (outputs) return otherStack(outputs);
    if (after === undefined) return UPLOADS;
    if (after instanceof ImageFanOut)
      return resultsOf(after.#shared, after.#results, () => after.#tellOfResults());
    throw new ArgumentError(`${subject}: after is ${typeof after}, but must be an ImageFanOut.`);
  }

  /**
   * Notifies another system of new images, or of results.
   * @param name of the listener, unique in this fan-out
   * @throws ArgumentError if it is not a listener, or there is one of that name already
   */
  subscribe(name: string, listener: Listener): aws.sns.TopicSubscription {
    const own = this.#shared.name;
    const subject = `ImageFanOut "${own}": subscribe`;
    checkName(subject, name);
    checkListener(`${subject} "${name}"`, listener, this.#shared.settings);
    if (this.#listeners.has(name)) {
      throw new ArgumentError(`${subject} has a listener "${name}" already.`);
    }
    claimPolicies(`${subject} "${name}"`, listener);
    this.#listeners.add(name);
    const topic = listener.topic === "completed" ? this.completed : this.topic;
    return subscribeListener(`${own}-listener-${name}`, listener, topic, { parent: this });
  }

  /**
   * Lets a role upload images to the source bucket, with tags if a worker carries them.
   * @param role its resource, or the name of an existing role
   * @throws ArgumentError if it is not a role, or was granted this already
   */
  grantUpload(role: Granted): aws.iam.RolePolicy {
    if (!this.#origin.isUploaded) {
      throw new ArgumentError(
        `ImageFanOut "${this.#shared.name}": grantUpload has no bucket to grant, because its images are results of another fan-out: call it there.`,
      );
    }
    const { complete, settings } = this.#attached;
    const tags = complete.then(() => Object.values(settings).some(({ carry }) => carry.includes("tags")));
    const arns = pulumi.output({ sourceArn: this.source.arn, keyArn: this.#shared.encryptionKeyArn, tags });
    return this.#grant("grantUpload", role, "upload", arns.apply(policies.uploadPolicy));
  }

  /**
   * Lets a role list and read the results of all workers.
   * @param role its resource, or the name of an existing role
   * @throws ArgumentError if it is not a role, or was granted this already
   */
  grantRead(role: Granted): aws.iam.RolePolicy {
    const arns = pulumi.output({ resultsArn: this.results.arn, keyArn: this.#shared.keyArn });
    return this.#grant("grantRead", role, "read", arns.apply(policies.readPolicy));
  }

  #grant(method: string, role: Granted, what: string, policy: pulumi.Output<aws.iam.PolicyDocument>) {
    const { name } = this.#shared;
    const of = { component: `ImageFanOut "${name}"`, method, prefix: `${name}-${what}`, policy };
    return grant(role, of, this.#granted, this);
  }

  /**
   * Attaches a worker. Components of workers call this, and get what the fan-out shares with them.
   * @param given the worker's own settings, which override the fan-out's defaults
   * @param prefix how keys of its results begin
   * @param type class of the worker, for messages
   * @throws ArgumentError if it comes too late, its name is taken or too long, its results would be among those of another worker, or
   *   its settings are out of range
   */
  attach(worker: string, given: WorkerSettings, prefix = worker, type = "ImageWorker"): Attachment {
    const component = `${type} "${worker}"`;
    const fanOut = this.#shared;
    const attached = this.#attached;
    checkFullName(component, fanOut.name, worker);
    const settings = checkWorkerSettings(`${component}: `, { ...fanOut.settings.workers, ...given });
    this.#way.add(component, worker, prefix);
    attached.add(component, worker, settings);
    const shares = fanOut.settings.concurrency !== undefined && settings.scaling === undefined;
    return {
      fanOut,
      name: `${fanOut.name}-${worker}`,
      prefix,
      settings,
      scaling: shares
        ? pulumi.output(attached.complete.then(() => attached.scalingOf(worker) as StandardScaling))
        : settings.scaling,
      record: (outputs) => attached.record(worker, outputs),
    };
  }
}

type Setup = Omit<FanOut, "keyArn" | "encryptionKeyArn">;

function createKey({ name, component, machine, settings, transform }: Setup) {
  const { key: given, tags } = settings;
  if (given === undefined) return { key: undefined, keyArn: undefined, encryptionKeyArn: undefined };
  if (given !== "create" && given !== "retire") {
    const keyArn = pulumi.output(given);
    return { key: undefined, keyArn, encryptionKeyArn: keyArn };
  }
  const names = { alias: physicalName(machine), logGroups: logGroupsOf(machine) };
  const args = { ...names, tags, transform: transform.key };
  const key = new EncryptionKey(`${name}-key`, args, { parent: component, ...kept(settings) });
  return { key, keyArn: key.arn, encryptionKeyArn: given === "create" ? key.arn : undefined };
}

function createLayer({ name, machine, own }: FanOut): aws.lambda.LayerVersion {
  return new aws.lambda.LayerVersion(
    ...own("layer", `${name}-sharp`, {
      // Machines of one account must not share a layer: each would take away the other's versions.
      layerName: physicalName(`${machine}-sharp`),
      description: "sharp and libvips",
      code: sharpLayer(),
      compatibleArchitectures: ["arm64"],
      compatibleRuntimes: ["nodejs24.x"],
    }),
  );
}

function createAlarmTopic({ name, component, settings, transform, encryptionKeyArn }: FanOut): AlarmTopic {
  const { alarms, tags } = settings;
  const args = { email: alarms.email, keyArn: encryptionKeyArn, tags, transform };
  return new AlarmTopic(`${name}-alarms`, args, { parent: component, ...guarded(settings) });
}

function watchDelivery({ name, settings, own }: FanOut, topic: aws.sns.Topic, alarmTopic: AlarmTopic): void {
  const { alarms, tags } = settings;
  if (alarms.enabled) createAlarms(topicAlarms(topic.name, alarms), alarmTopic.arn, { name, tags, own });
}

function createDashboard({ name, machine, own }: FanOut, topic: aws.sns.Topic, attached: Attached): void {
  const dashboardBody = bodyOfAll({ topic, machine, attached });
  new aws.cloudwatch.Dashboard(
    ...own("dashboard", `${name}-dashboard`, { dashboardName: physicalName(machine), dashboardBody }),
  );
}
