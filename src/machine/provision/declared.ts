import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { DeclaredResource, ProvisionedResource } from "../program.ts";

/** A declared resource, with the name that Pulumi would give it where the program gives none. */
export interface Declared extends DeclaredResource {
  readonly physicalName: string;
}

/** Where resources would be. */
interface Place {
  readonly region: string;
  readonly accountId: string;
}

/** What AWS calls the service of a module of Pulumi's, where it is not the module's name. */
const SERVICES: Record<string, string> = {
  alb: "elasticloadbalancing",
  apigatewayv2: "apigateway",
  appautoscaling: "application-autoscaling",
  cfg: "config",
  cognito: "cognito-idp",
  efs: "elasticfilesystem",
  lb: "elasticloadbalancing",
  msk: "kafka",
  opensearch: "es",
  sfn: "states",
};

/**
 * ARNs that are not `arn:aws:SERVICE:REGION:ACCOUNT:KIND/NAME`, by the middle of the type's token:
 * https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
 */
const ARNS: Record<string, string> = {
  "apigatewayv2/api": "arn:aws:apigateway:REGION::/apis/NAME",
  "cloudfront/distribution": "arn:aws:cloudfront::ACCOUNT:distribution/NAME",
  "cloudwatch/compositeAlarm": "arn:aws:cloudwatch:REGION:ACCOUNT:alarm:NAME",
  "cloudwatch/eventBus": "arn:aws:events:REGION:ACCOUNT:event-bus/NAME",
  "cloudwatch/eventRule": "arn:aws:events:REGION:ACCOUNT:rule/NAME",
  "cloudwatch/logGroup": "arn:aws:logs:REGION:ACCOUNT:log-group:NAME",
  "cloudwatch/metricAlarm": "arn:aws:cloudwatch:REGION:ACCOUNT:alarm:NAME",
  "kinesis/firehoseDeliveryStream": "arn:aws:firehose:REGION:ACCOUNT:deliverystream/NAME",
  "lambda/alias": "arn:aws:lambda:REGION:ACCOUNT:function:NAME",
  "lambda/function": "arn:aws:lambda:REGION:ACCOUNT:function:NAME",
  "lambda/layerVersion": "arn:aws:lambda:REGION:ACCOUNT:layer:NAME",
  "rds/cluster": "arn:aws:rds:REGION:ACCOUNT:cluster:NAME",
  "rds/instance": "arn:aws:rds:REGION:ACCOUNT:db:NAME",
  "route53/zone": "arn:aws:route53:::hostedzone/NAME",
  "secretsmanager/secret": "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-DIGITS",
  "sfn/activity": "arn:aws:states:REGION:ACCOUNT:activity:NAME",
  "sfn/stateMachine": "arn:aws:states:REGION:ACCOUNT:stateMachine:NAME",
  "sns/topic": "arn:aws:sns:REGION:ACCOUNT:NAME",
  "sqs/queue": "arn:aws:sqs:REGION:ACCOUNT:NAME",
};

/** How EC2's identifiers begin, by the kind of resource. */
const EC2: Record<string, string> = {
  eip: "eipalloc",
  instance: "i",
  internetGateway: "igw",
  launchTemplate: "lt",
  natGateway: "nat",
  networkInterface: "eni",
  routeTable: "rtb",
  securityGroup: "sg",
  subnet: "subnet",
  volume: "vol",
  vpc: "vpc",
  vpcEndpoint: "vpce",
};

/** Resources that Pulumi knows by their ARN. */
const BY_ARN =
  /^(acm\/certificate|cloudwatch\/compositeAlarm|iam\/policy|a?lb\/.*|ecs\/cluster|secretsmanager\/secret|sfn\/.*|sns\/topic)$/;

const require = createRequire(import.meta.url);

/**
 * Takes a resource as it is declared, and makes up what its provider would answer: identifier and ARN in the right form,
 * a name with a suffix, and some text for every other output that always has one, so that a program that passes it on
 * gets no `undefined`.
 */
export async function takenAsDeclared(resource: Declared, place: Place): Promise<ProvisionedResource> {
  const { type, inputs, existing } = resource;
  const [provider = "", middle = "", className = ""] = type.split(":");
  const [service = "", kind = ""] = middle.split("/");
  // A name is the last part of an identifier: of a URL, an ARN, a path.
  const name = String(
    inputs.name ??
      inputs[`${kind}Name`] ??
      inputs[kind] ??
      existing?.split(/[:/]/).at(-1) ??
      resource.physicalName,
  );
  const digits = createHash("sha256").update(`${type} ${resource.physicalName}`).digest("hex");
  const arn = existing?.startsWith("arn:") ? existing : arnOf(service, kind, name, digits, place);
  const ec2 = service === "ec2" && EC2[kind];
  const made = ec2 ? `${ec2}-${digits.slice(0, 17)}` : BY_ARN.test(middle) ? arn : name;
  const id = existing ?? (provider === "aws" ? made : name);
  const host = `${name}.${SERVICES[service] ?? service}.${place.region}.amazonaws.com`;

  const output = (key: string): string => {
    if (key === "arn") return arn;
    if (/Arn$/.test(key)) return `${arn}/${kebab(key.slice(0, -3))}`;
    if (key === "region") return place.region;
    if (/^owner$|(^owner|account|registry)Id$/i.test(key)) return place.accountId;
    if (/(url|uri)$/i.test(key)) return `https://${host}`;
    if (/(endpoint|domain(Name)?|dnsName|address|host)$/i.test(key)) return host;
    return /id$/i.test(key) ? id : name;
  };
  const others = (await textOutputs(provider, service, kind, className))
    .filter((key) => inputs[key] === undefined)
    .map((key) => [key, output(key)]);
  return { id, state: { ...inputs, ...Object.fromEntries(others) } };
}

function arnOf(service: string, kind: string, name: string, digits: string, place: Place): string {
  const account = service === "iam" ? ":ACCOUNT" : "REGION:ACCOUNT";
  const form =
    service === "s3"
      ? "arn:aws:s3:::NAME"
      : (ARNS[`${service}/${kind}`] ??
        `arn:aws:${SERVICES[service] ?? service}:${account}:${kebab(kind)}/NAME`);
  return form
    .replace("REGION", place.region)
    .replace("ACCOUNT", place.accountId)
    .replace("DIGITS", digits.slice(0, 6))
    .replace("/NAME", name.startsWith("/") ? "NAME" : "/NAME")
    .replace("NAME", () => name);
}

function kebab(camel: string): string {
  return camel.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * The outputs that always have a text, by the types of the provider's own package: no list of ours could keep up with
 * AWS. Where there is no such package the resource has its inputs alone.
 */
function textOutputs(provider: string, service: string, kind: string, className: string): Promise<string[]> {
  const key = [provider, service, kind, className].join();
  const known = outputsOfTypes.get(key) ?? readTextOutputs(provider, service, kind, className);
  outputsOfTypes.set(key, known);
  return known;
}

const outputsOfTypes = new Map<string, Promise<string[]>>();

async function readTextOutputs(
  provider: string,
  service: string,
  kind: string,
  className: string,
): Promise<string[]> {
  try {
    const folder = require.resolve(`@pulumi/${provider}/package.json`).replace(/package\.json$/, "");
    const parts = service === "index" ? [kind] : [service, kind];
    const types = await readFile(`${folder}${parts.join("/")}.d.ts`, "utf8");
    const [, body = ""] = types.split(`export declare class ${className} extends`);
    return [...body.matchAll(/^ {4}readonly (\w+): pulumi\.Output<string>;$/gm)].map(([, key = ""]) => key);
  } catch {
    return [];
  }
}
