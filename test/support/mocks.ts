import * as pulumi from "@pulumi/pulumi";

/** A resource as it was registered. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into inputs of every resource type
  readonly inputs: Record<string, any>;
}

/**
 * Runs a piece of a Pulumi program under Pulumi's mocks, and waits until all of it is registered.
 * @returns what it registered, in order
 */
export async function registered(program: () => void): Promise<Registered[]> {
  const resources: Registered[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        resources.push({ type, name, inputs });
        return { id: `${name}-id`, state: { ...inputs, ...outputs(type, name) } };
      },
      call: ({ token }) => {
        throw new Error(`unexpected call of ${token}`);
      },
    },
    "machine",
    "test",
  );
  program();
  await pulumi.runtime.disconnect();
  return resources;
}

/** What AWS would answer, as far as other resources refer to it. */
function outputs(type: string, name: string): Record<string, string> {
  const arn = (service: string, resource: string) => `arn:aws:${service}:eu-west-1:123456789012:${resource}`;
  switch (type) {
    case "aws:s3/bucket:Bucket":
      return { bucket: name, arn: `arn:aws:s3:::${name}` };
    case "aws:sns/topic:Topic":
      return { name, arn: arn("sns", name) };
    case "aws:sqs/queue:Queue":
      return { name, arn: arn("sqs", name), url: `https://sqs.eu-west-1.amazonaws.com/123456789012/${name}` };
    case "aws:iam/role:Role":
      return { name, arn: `arn:aws:iam::123456789012:role/${name}` };
    case "aws:lambda/function:Function":
      return { name, arn: arn("lambda", `function:${name}`) };
    case "aws:lambda/layerVersion:LayerVersion":
      return { arn: arn("lambda", `layer:${name}:1`) };
    case "aws:cloudwatch/logGroup:LogGroup":
      return { name, arn: arn("logs", `log-group:${name}`) };
    default:
      return {};
  }
}

/** The only resource of a type with a name. @throws Error where there is none, or more than one */
export function find(resources: Registered[], type: string, name: string): Registered["inputs"] {
  const [found, ...more] = resources.filter((each) => each.type.endsWith(`:${type}`) && each.name === name);
  if (!found || more.length > 0)
    throw new Error(`there is ${found ? "more than one" : "no"} ${type} "${name}"`);
  return found.inputs;
}
