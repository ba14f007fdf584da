/** Runs programs under Pulumi's mocks and looks at what they register: `image-machine/testing`, and this project's own tests. */
import * as pulumi from "@pulumi/pulumi";
import { judgeLikeTheEngine } from "../machine/engine.ts";

/** A resource as it was registered. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into inputs of every resource type
  readonly inputs: Record<string, any>;
  /** URN and identifier of the provider. @default the default one */
  readonly provider?: string;
}

/** Where the resources are. */
export const HERE = { partition: "aws", region: "eu-west-1", account: "123456789012" };

/** What the program is, and which of its stacks. */
const MACHINE = { project: "machine", stack: "test" };

/**
 * Runs a piece of a Pulumi program under Pulumi's mocks, and waits until all of it is registered.
 * @returns what it registered, in order
 * @throws Error if two resources have the same name, as Pulumi's engine does
 */
export async function registered(
  program: () => unknown,
  place = HERE,
  { project, stack } = MACHINE,
): Promise<Registered[]> {
  const resources: Registered[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, provider, id }) => {
        resources.push({ type, name, inputs, ...(provider && { provider }) });
        // What exists already is known by its name, or its ARN.
        const known = id?.split(":").at(-1) || name;
        return {
          id: id || `${name}-id`,
          state: { ...inputs, ...(id && { versioning: { enabled: true } }), ...outputs(type, known, place) },
        };
      },
      call: ({ token }) => {
        throw new Error(`unexpected call of ${token}`);
      },
    },
    project,
    stack,
  );
  const refusal = Promise.withResolvers<never>();
  judgeLikeTheEngine({ refused: refusal.reject });
  await program();
  await Promise.race([pulumi.runtime.disconnect(), refusal.promise]);
  return resources;
}

/** What AWS would answer, as far as other resources refer to it. */
function outputs(type: string, name: string, place: typeof HERE): Record<string, string> {
  const { partition, region, account } = place;
  const arn = (service: string, resource: string) =>
    `arn:${partition}:${service}:${region}:${account}:${resource}`;
  switch (type) {
    case "aws:s3/bucket:Bucket":
      return { bucket: name, arn: `arn:${partition}:s3:::${name}` };
    case "aws:sns/topic:Topic":
      return { name, arn: arn("sns", name) };
    case "aws:sqs/queue:Queue":
      return { name, arn: arn("sqs", name), url: `https://sqs.${region}.amazonaws.com/${account}/${name}` };
    case "aws:iam/role:Role":
      return { name, arn: `arn:${partition}:iam::${account}:role/${name}` };
    case "aws:lambda/function:Function":
      return { name, arn: arn("lambda", `function:${name}`) };
    case "aws:lambda/layerVersion:LayerVersion":
      return { arn: arn("lambda", `layer:${name}:1`) };
    case "aws:cloudwatch/logGroup:LogGroup":
      return { name, arn: arn("logs", `log-group:${name}`) };
    case "aws:kms/key:Key":
      return { arn: arn("kms", `key/${name}`) };
    default:
      return {};
  }
}

/** Finds the only resource of a type with a name. @throws Error if there is none, or more than one */
export function find(resources: Registered[], type: string, name: string): Registered["inputs"] {
  const [found, ...more] = resources.filter((each) => each.type.endsWith(`:${type}`) && each.name === name);
  if (!found || more.length > 0)
    throw new Error(`there is ${found ? "more than one" : "no"} ${type} "${name}"`);
  return found.inputs;
}

/** Collects the statements of all policies, each with the resource that it is in. Two types of AWS's provider take only JSON. */
export function statements(resources: Registered[]): { in: string; statement: Statement }[] {
  return resources.flatMap(({ name, inputs }) =>
    [inputs.policy, inputs.assumeRolePolicy, inputs.policyDocument]
      .filter((policy) => policy !== undefined)
      .map((policy) => (typeof policy === "string" ? JSON.parse(policy) : policy))
      .flatMap((policy) => policy.Statement as Statement[])
      .map((statement) => ({ in: name, statement })),
  );
}

export interface Statement {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: "*" | Record<string, string>;
  readonly Action: string | string[];
  readonly Resource?: string | string[];
  readonly Condition?: Record<string, Record<string, string>>;
}
