import { parsed, tokenOf, UNKNOWN } from "./diff.ts";
import { type Inputs, PLACE, type ResourceType, typeOf } from "./types.ts";

/** A resource as AWS holds it. */
export interface Held {
  readonly urn: string;
  readonly token: string;
  readonly id: string;
  /** The name or number that tells it from others of its type. */
  readonly physical: string;
  state: Inputs;
}

export interface Failure {
  readonly property: string;
  readonly reason: string;
}

/** What of each kind of document there must be for AWS to take it. */
const STATEMENTS = ["policy", "assumeRolePolicy", "policyDocument"];

/**
 * What can be said of inputs before AWS is asked: what the provider's schema and AWS's API reference say of them alone.
 * Values that are not known yet are passed over.
 */
export function failuresOf(token: string, inputs: Inputs): Failure[] {
  const type = typeOf(token);
  const failures: Failure[] = [];
  const refuse = (property: string, reason: string) => failures.push({ property, reason });
  for (const input of type.required) {
    if (inputs[input] === undefined || inputs[input] === "") refuse(input, "is missing");
  }
  const { name } = type;
  const given = name && inputs[name.input];
  if (name && typeof given === "string" && given !== UNKNOWN) {
    if (given.length > name.maximum) refuse(name.input, `"${given}" is longer than ${name.maximum}`);
    else if (!name.pattern.test(given)) refuse(name.input, `"${given}" is not ${name.pattern}`);
  }
  for (const input of type.documents ?? []) {
    const text = inputs[input];
    if (typeof text !== "string" || text === UNKNOWN) continue;
    const document = parsed(text) as Inputs;
    if (typeof document !== "object" || document === null) refuse(input, "is no JSON document");
    else if (STATEMENTS.includes(input) && !Array.isArray(document.Statement))
      refuse(input, "has no statements");
  }
  checkTags(token, inputs.tags ?? {}, (reason) => refuse("tags", reason));
  for (const [property, reason] of ALONE[token]?.(inputs) ?? []) refuse(property, reason);
  return failures;
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules: of tags, IAM alone knows no case. */
function checkTags(token: string, tags: Inputs, refuse: (reason: string) => void): void {
  const names = Object.keys(tags);
  if (names.length > 50) refuse(`are ${names.length}, but AWS takes 50`);
  const folded = names.map((name) => (token.startsWith("aws:iam/") ? name.toLowerCase() : name));
  const twice = names.find((_, index) => folded.indexOf(folded[index] ?? "") !== index);
  if (twice) refuse(`has "${twice}" twice: "Duplicate tag keys found"`);
  for (const [name, value] of Object.entries(tags)) {
    if (typeof value !== "string") refuse(`${name} is no text`);
    else if (name.length > 128 || value.length > 256 || /^aws:/i.test(name))
      refuse(`${name} is not a tag that AWS takes`);
  }
}

/** What two inputs of one resource must be to each other. */
const ALONE: Record<string, (inputs: Inputs) => [property: string, reason: string][]> = {
  // https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
  "aws:lambda/eventSourceMapping:EventSourceMapping": (inputs) => [
    ...(inputs.batchSize > 10 && !(inputs.maximumBatchingWindowInSeconds >= 1)
      ? [["batchSize", "above 10 needs a batching window"] as [string, string]]
      : []),
    ...(inputs.scalingConfig && inputs.provisionedPollerConfig
      ? [["scalingConfig", "and provisionedPollerConfig exclude each other"] as [string, string]]
      : []),
  ],
  // The provider says so: ConflictsWith.
  "aws:sqs/queue:Queue": ({ kmsMasterKeyId, sqsManagedSseEnabled }) =>
    kmsMasterKeyId && sqsManagedSseEnabled !== undefined
      ? [["kmsMasterKeyId", "and sqsManagedSseEnabled exclude each other"]]
      : [],
  // https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
  "aws:lambda/function:Function": ({ environment }) =>
    JSON.stringify(environment?.variables ?? {}).length > 4096
      ? [["environment", "is larger than 4 KB"]]
      : [],
};

/** What AWS holds, for as long as this process runs, and what it refuses. */
export class Aws {
  readonly held = new Map<string, Held>();
  /** Types of which it refuses one resource more when it is to be made. */
  readonly refuses = new Set<string>();
  /** What it has refused because of that, by URN. */
  readonly refused: string[] = [];
  #count = 0;

  /** @throws Error where AWS would refuse it */
  create(urn: string, inputs: Inputs): Held {
    const token = tokenOf(urn);
    if (this.refuses.delete(token)) {
      this.refused.push(urn);
      throw new Error(`${token} "${urn.split("::")[3]}": refused for the sake of the test.`);
    }
    const type = typeOf(token);
    const physical = this.#physical(type, inputs);
    const { id, outputs = {} } = type.answers(inputs, physical);
    const region = type.kept.includes("region") ? { region: PLACE.region } : {};
    const held: Held = { urn, token, id, physical, state: stateOf(inputs, outputs, region) };
    this.#refuseUnless(held, inputs);
    this.#checkName(held, type);
    if (this.held.has(keyOf(token, id)) && !type.name?.overwrites) {
      throw new Error(`${token} ${id}: there is one already.`);
    }
    this.held.set(keyOf(token, id), held);
    return held;
  }

  /** @throws Error where AWS would refuse it, or there is none */
  update(token: string, id: string, inputs: Inputs): Held {
    const held = this.get(token, id);
    if (!held) throw new Error(`${token} ${id}: there is none.`);
    const type = typeOf(token);
    const kept = Object.fromEntries(
      Object.entries(held.state).filter(([input]) => type.kept.includes(input)),
    );
    // SQS has one kind of encryption at a time.
    if (token === QUEUE && inputs.kmsMasterKeyId) kept.sqsManagedSseEnabled = false;
    const { outputs = {} } = type.answers(inputs, held.physical);
    const state = stateOf(inputs, outputs, kept);
    this.#refuseUnless({ ...held, state }, inputs);
    held.state = state;
    return held;
  }

  get(token: string, id: string): Held | undefined {
    return this.held.get(keyOf(token, id));
  }

  /** @throws Error where something else must be deleted before */
  delete(token: string, id: string): void {
    // https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
    if (token === ROLE && this.all("aws:iam/rolePolicy:RolePolicy").some(({ role }) => role === id)) {
      throw new Error(`${token} ${id}: DeleteConflict, it still has a policy.`);
    }
    this.held.delete(keyOf(token, id));
  }

  all(token: string): Inputs[] {
    return [...this.held.values()].filter((held) => held.token === token).map(({ state }) => state);
  }

  byArn(token: string, arn: string): Inputs | undefined {
    return this.all(token).find((each) => each.arn === arn);
  }

  /** The name that Pulumi or the program gave, or one that AWS makes. */
  #physical(type: ResourceType, inputs: Inputs): string {
    this.#count++;
    if (inputs.layerName) return String(this.#count);
    const given = type.name && inputs[type.name.input];
    // As long as the provider's: a time and a number.
    if (!given && inputs.namePrefix) return `${inputs.namePrefix}${String(this.#count).padStart(26, "0")}`;
    return given ?? `00000000-0000-4000-8000-${String(this.#count).padStart(12, "0")}`;
  }

  /** What would take the place of another stack's, without a word, is none of this one's. */
  #checkName({ urn, token, state }: Held, { name }: ResourceType): void {
    if (!name?.overwrites) return;
    const stackOf = (each: string) => each.split("::").slice(0, 2).join("::");
    const other = [...this.held.values()].find(
      (each) =>
        each.token === token &&
        each.state[name.input] === state[name.input] &&
        (stackOf(each.urn) !== stackOf(urn) || each.urn !== urn),
    );
    if (other) throw new Error(`${token} ${state[name.input]}: it is ${other.urn}'s.`);
  }

  /** @throws Error where what a resource refers to is not there, or not as AWS wants it */
  #refuseUnless({ token, id, state }: Held, inputs: Inputs): void {
    const [failure] = failuresOf(token, inputs);
    if (failure) throw new Error(`${token} ${id}: ${failure.property} ${failure.reason}.`);
    for (const [met, reason] of [
      ...everyonesNeeds(this, token, state),
      ...(NEEDS[token]?.(this, state) ?? []),
    ]) {
      if (!met) throw new Error(`${token} ${id}: ${reason}.`);
    }
  }
}

/** Whether something is as it must be, and what is to be said where it is not. */
type Need = readonly [met: unknown, reason: string];

/** What is said of resources of any type that have these inputs. */
function everyonesNeeds(aws: Aws, token: string, state: Inputs): Need[] {
  const needs: Need[] = [];
  const { bucket, queueUrl, redrivePolicy = "{}" } = state;
  if (bucket && token !== BUCKET) needs.push([aws.get(BUCKET, bucket), `there is no bucket ${bucket}`]);
  if (queueUrl) needs.push([aws.get(QUEUE, queueUrl), `there is no queue ${queueUrl}`]);
  const { deadLetterTargetArn: target } = parsed(redrivePolicy) as Inputs;
  if (target) needs.push([aws.byArn(QUEUE, target), `there is no queue ${target}`]);
  const key = state.kmsMasterKeyId ?? state.kmsKeyId;
  if (key) {
    // CloudWatch Logs refuses it: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    // A topic or queue is taken, and loses what services send to it.
    const policy = aws.get("aws:kms/keyPolicy:KeyPolicy", lastOf(key));
    needs.push([aws.byArn(KEY, key), `there is no key ${key}`], [policy, `its key ${key} has no policy yet`]);
  }
  return needs;
}

const BUCKET = "aws:s3/bucket:Bucket";
const QUEUE = "aws:sqs/queue:Queue";
const TOPIC = "aws:sns/topic:Topic";
const ROLE = "aws:iam/role:Role";
const KEY = "aws:kms/key:Key";
const FUNCTION = "aws:lambda/function:Function";
const MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping";

/** What is said of resources of one type. */
const NEEDS: Record<string, (aws: Aws, state: Inputs) => Need[]> = {
  "aws:sns/topicPolicy:TopicPolicy": (aws, { arn }) => [[aws.byArn(TOPIC, arn), `there is no topic ${arn}`]],
  "aws:sns/topicSubscription:TopicSubscription": (aws, { topic, protocol, endpoint }) => {
    const queue = aws.byArn(QUEUE, endpoint)?.url;
    return [
      [aws.byArn(TOPIC, topic), `there is no topic ${topic}`],
      // It is taken, and what is sent before the policy is there is lost: a client error is not tried again.
      [
        protocol !== "sqs" || aws.get("aws:sqs/queuePolicy:QueuePolicy", queue),
        "its queue has no policy yet",
      ],
    ];
  },
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
  "aws:s3/bucketNotification:BucketNotification": (aws, { topics = [] }) =>
    topics.map(({ topicArn }: Inputs) => {
      const policy = aws.get("aws:sns/topicPolicy:TopicPolicy", topicArn)?.state.policy ?? "";
      return [
        policy.includes('"s3.amazonaws.com"'),
        "Unable to validate the following destination configurations",
      ];
    }),
  "aws:iam/rolePolicy:RolePolicy": (aws, { role }) => [[aws.get(ROLE, role), `there is no role ${role}`]],
  "aws:kms/keyPolicy:KeyPolicy": (aws, { keyId }) => [
    [aws.get(KEY, lastOf(keyId)), `there is no key ${keyId}`],
  ],
  [FUNCTION]: (aws, state) => {
    const { role, loggingConfig } = state;
    const log = loggingConfig?.logGroup;
    return [
      [aws.byArn(ROLE, role), `there is no role ${role}`],
      [
        !log || aws.get("aws:cloudwatch/logGroup:LogGroup", log),
        `Lambda would make the log group ${log} itself`,
      ],
      ...aws
        .all(MAPPING)
        .filter(({ functionName }) => functionName === state.arn)
        .map(({ eventSourceArn }) => hidesLongEnough(aws.byArn(QUEUE, eventSourceArn), state)),
    ];
  },
  [MAPPING]: (aws, { eventSourceArn, functionName }) => {
    const [queue, target] = [aws.byArn(QUEUE, eventSourceArn), aws.byArn(FUNCTION, functionName)];
    const policies = aws
      .all("aws:iam/rolePolicy:RolePolicy")
      .filter(({ role }) => role === lastOf(String(target?.role)))
      .map(({ policy }) => String(policy));
    return [
      [queue, `there is no queue ${eventSourceArn}`],
      [target, `there is no function ${functionName}`],
      hidesLongEnough(queue, target ?? {}),
      [
        policies.some((policy) => policy.includes("sqs:ReceiveMessage") && policy.includes(eventSourceArn)),
        "The provided execution role does not have permissions to call ReceiveMessage on SQS",
      ],
    ];
  },
};

/** https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html */
function hidesLongEnough(queue: Inputs | undefined, { timeout = 3 }: Inputs): Need {
  const hidden = queue?.visibilityTimeoutSeconds ?? 30;
  return [
    hidden >= timeout,
    `Queue visibility timeout: ${hidden} seconds is less than Function timeout: ${timeout} seconds`,
  ];
}

/** A name at the end of an ARN, or alone. */
function lastOf(arn: string): string {
  return arn.replace(/^.*\//, "");
}

/** What is given, what is kept where it is not given, and what AWS adds. */
export function stateOf(inputs: Inputs, answers: Inputs, kept: Inputs): Inputs {
  return { ...kept, ...inputs, ...answers, __answers: answers };
}

function keyOf(token: string, id: string): string {
  return `${token} ${id}`;
}
