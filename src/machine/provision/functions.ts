import { createHash } from "node:crypto";
import { ACCOUNT_ID } from "local-aws";
import { ProgramError } from "../program-error.ts";

type Inputs = Record<string, unknown>;
type Answer = (inputs: Inputs, region: string) => Inputs;

/** Functions of AWS that only read the account, and what they read of this one. */
const FUNCTIONS: Record<string, Answer> = {
  "aws:index/getCallerIdentity:getCallerIdentity": () => ({
    id: ACCOUNT_ID,
    accountId: ACCOUNT_ID,
    arn: `arn:aws:iam::${ACCOUNT_ID}:user/administrator`,
    userId: ACCOUNT_ID,
  }),
  "aws:index/getRegion:getRegion": (inputs, here) => {
    const region = String(inputs.region ?? inputs.name ?? here);
    return {
      id: region,
      name: region,
      region,
      description: region,
      endpoint: `ec2.${region}.amazonaws.com`,
    };
  },
  "aws:index/getPartition:getPartition": () => ({
    id: "aws",
    partition: "aws",
    dnsSuffix: "amazonaws.com",
    reverseDnsPrefix: "com.amazonaws",
  }),
  "aws:index/getAvailabilityZones:getAvailabilityZones": (inputs, here) => {
    const region = String(inputs.region ?? here);
    const [area = "", direction = "", number = ""] = region.split("-");
    const short = direction.replace(
      /^(north|south)?(.).*$/,
      (_, first = "", second) => first.charAt(0) + second,
    );
    return {
      id: region,
      region,
      groupNames: [region],
      names: ["a", "b", "c"].map((letter) => `${region}${letter}`),
      zoneIds: [1, 2, 3].map((zone) => `${area}${short}${number}-az${zone}`),
    };
  },
  "aws:index/getArn:getArn": ({ arn }) => {
    const [, partition, service, region, account, ...resource] = String(arn).split(":");
    return { id: arn, arn, partition, service, region, account, resource: resource.join(":") };
  },
  "aws:index/getDefaultTags:getDefaultTags": () => ({ id: "", tags: {} }),
  "aws:index/getServicePrincipal:getServicePrincipal": ({ serviceName, region }, here) => ({
    id: `${serviceName}.amazonaws.com`,
    name: `${serviceName}.amazonaws.com`,
    serviceName,
    region: region ?? here,
    suffix: "amazonaws.com",
  }),
  "aws:s3/getCanonicalUserId:getCanonicalUserId": () => {
    const id = createHash("sha256").update(ACCOUNT_ID).digest("hex");
    return { id, displayName: "" };
  },
  "aws:iam/getPolicyDocument:getPolicyDocument": (inputs) => {
    const document = policyDocument(inputs as PolicyInputs);
    const json = JSON.stringify(document, null, 2);
    const id = createHash("sha256").update(json).digest("hex").slice(0, 10);
    return { ...inputs, id, json, minifiedJson: JSON.stringify(document) };
  },
};

/**
 * What a function of a provider answers on this computer.
 * @param token for example `aws:index/getRegion:getRegion`
 * @throws {ProgramError} where only the account on AWS could tell
 */
export function answer(token: string, inputs: Inputs, region: string): Inputs {
  const known = FUNCTIONS[token];
  if (known) return known(inputs, region);
  throw new ProgramError(
    `The program calls ${token}, which has no answer on this computer. To run here, take the value from the stack's configuration instead.`,
  );
}

interface Principals {
  readonly type: string;
  readonly identifiers: string[];
}

interface PolicyInputs {
  readonly version?: string;
  readonly policyId?: string;
  readonly sourcePolicyDocuments?: string[];
  readonly overridePolicyDocuments?: string[];
  readonly statements?: {
    readonly sid?: string;
    readonly effect?: string;
    readonly actions?: string[];
    readonly notActions?: string[];
    readonly resources?: string[];
    readonly notResources?: string[];
    readonly principals?: Principals[];
    readonly notPrincipals?: Principals[];
    readonly conditions?: { readonly test: string; readonly variable: string; readonly values: string[] }[];
  }[];
}

interface Statement extends Inputs {
  readonly Sid?: string;
}

/** https://www.pulumi.com/registry/packages/aws/api-docs/iam/getpolicydocument/ */
function policyDocument(inputs: PolicyInputs): Inputs {
  const { version = "2012-10-17", policyId, statements = [] } = inputs;
  const parsed = (documents: string[] = []) =>
    documents.flatMap((json) =>
      [(JSON.parse(json) as { Statement: Statement | Statement[] }).Statement].flat(),
    );
  const own = statements.map(
    (each): Statement => ({
      ...(each.sid && { Sid: each.sid }),
      Effect: each.effect ?? "Allow",
      ...listed("Action", each.actions),
      ...listed("NotAction", each.notActions),
      ...listed("Resource", each.resources),
      ...listed("NotResource", each.notResources),
      ...principals("Principal", each.principals),
      ...principals("NotPrincipal", each.notPrincipals),
      ...conditions(each.conditions),
    }),
  );
  // A later statement replaces the one of its Sid, where it is meant to.
  const all: Statement[] = [...parsed(inputs.sourcePolicyDocuments), ...own];
  for (const override of parsed(inputs.overridePolicyDocuments)) {
    const index = all.findIndex(({ Sid }) => Sid !== undefined && Sid === override.Sid);
    if (index < 0) all.push(override);
    else all[index] = override;
  }
  return { Version: version, ...(policyId && { Id: policyId }), Statement: all };
}

/** One value stands alone. `&{…}` is the way to write a policy variable that Pulumi would not take for its own. */
function value(values: string[]): string | string[] {
  const [first = "", ...more] = values.map((each) => each.replaceAll("&{", "${"));
  return more.length > 0 ? [first, ...more] : first;
}

function listed(name: string, values: string[] = []): Inputs {
  return values.length > 0 ? { [name]: value(values) } : {};
}

function principals(name: string, given: Principals[] = []): Inputs {
  if (given.length === 0) return {};
  if (given.some(({ type, identifiers }) => type === "*" && identifiers.includes("*")))
    return { [name]: "*" };
  const types = Object.groupBy(given, ({ type }) => type);
  const entries = Object.entries(types).map(([type, some = []]) => [
    type,
    value(some.flatMap(({ identifiers }) => identifiers)),
  ]);
  return { [name]: Object.fromEntries(entries) };
}

function conditions(given: { test: string; variable: string; values: string[] }[] = []): Inputs {
  if (given.length === 0) return {};
  const tests: Record<string, Record<string, string | string[]>> = {};
  for (const { test, variable, values } of given) {
    const known = [tests[test]?.[variable] ?? []].flat();
    tests[test] = { ...tests[test], [variable]: value([...known, ...values]) };
  }
  return { Condition: tests };
}
