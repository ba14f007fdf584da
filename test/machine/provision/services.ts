import type { DeclaredResource, ProvisionedResource } from "../../../src/machine/program.ts";
import { Omitted, type Services } from "../../../src/machine/provision/provider.ts";
import { provision } from "../../../src/machine/provision/provision.ts";

/** Services that only note what they are asked. */
export function fakeServices({
  strict = false,
  isThere = true,
  refusal,
}: {
  strict?: boolean;
  isThere?: boolean;
  refusal?: string;
} = {}) {
  const asked: unknown[][] = [];
  const noted =
    (name: string, answer?: unknown) =>
    (...args: unknown[]) => {
      asked.push([name, ...args]);
      return answer;
    };
  const ask = (name: string, input: object) => {
    asked.push([name, input]);
  };
  const direct = {
    sqs: async (name: string, input: object) => ask(name, input),
    async sns(name: string, input: object) {
      ask(name, input);
      const TopicArn = "Name" in input ? `arn:${input.Name}` : undefined;
      return { answer: { TopicArn, SubscriptionArn: "arn:subscription" }, members: [] };
    },
  };
  const services = {
    ...{
      endpoint: "http://here",
      region: "eu-west-1",
      accountId: "000000000000",
      arns: new Map(),
      made: new Map(),
      elsewhere: new Set(),
    },
    omitted: new Omitted(strict),
    direct,
    store: {
      buckets: () => [{ name: "kept" }],
      createBucket: noted("createBucket"),
      setVersioning: noted("setVersioning"),
      setNotification: noted("setNotification"),
      setEncryptionKey: noted("setEncryptionKey"),
    },
    identity: {
      createRole: noted("createRole", "arn:role"),
      addRolePolicy: noted("addRolePolicy", isThere),
      setResourcePolicy: noted("setResourcePolicy"),
      refusalOfService: () => refusal,
    },
    lambda: {
      createLayer: noted("createLayer"),
      createFunction: noted("createFunction", "arn:function"),
      createEventSourceMapping: noted("createEventSourceMapping"),
    },
  } as unknown as Services;
  /** Provisions one resource, named `it`. */
  const make = (
    type: string,
    inputs: Record<string, unknown>,
    more: Partial<DeclaredResource> = {},
  ): Promise<ProvisionedResource> =>
    provision({ type, name: "it", inputs, ...more }, services, "project/dev");
  return { asked, make, services };
}

/** What something is refused with. */
export function refusalOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "not refused",
    (error: Error) => `${error.name}: ${error.message}`,
  );
}
