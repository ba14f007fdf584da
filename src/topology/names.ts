import { createHash } from "node:crypto";

/**
 * Maximum length: of X-Ray's policies, which are the tightest of what Pulumi cannot name. Layers have 140, dashboards 255:
 * https://docs.aws.amazon.com/xray/latest/api/API_PutResourcePolicy.html
 * https://docs.aws.amazon.com/lambda/latest/api/API_PublishLayerVersion.html
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
 */
const MAXIMUM = 128;
const DIGITS = 8;

/**
 * Makes the name of a machine, PROJECT-STACK-FANOUT, which no other in the account has: where the words could be divided otherwise,
 * as `a-b` and `c`, `a` and `b-c`, digits of a hash tell it from others.
 */
export function machineName(project: string, stack: string, fanOut: string): string {
  const name = [project, stack, fanOut].join("-");
  // Without a hyphen in either, the last two words are the stack and the fan-out.
  return `${stack}${fanOut}`.includes("-") ? `${name}-${digitsOf([project, stack, fanOut].join("/"))}` : name;
}

/** Returns how the names of the log groups of a machine's workers begin. */
export function logGroupsOf(machine: string): string {
  return `/aws/lambda/${machine}-`;
}

/**
 * Makes a name for what Pulumi cannot name, as AWS takes it: letters, digits, "-" and "_". Where dots of a project's or a stack's
 * name have to go, or it is too long, digits of a hash tell it from others.
 * @param wanted project, stack and name of the resource, which no other stack has
 */
export function physicalName(wanted: string): string {
  const name = wanted.replaceAll(/[^A-Za-z0-9_-]/g, "-");
  if (name === wanted && name.length <= MAXIMUM) return name;
  return `${name.slice(0, MAXIMUM - DIGITS - 1)}-${digitsOf(wanted)}`;
}

function digitsOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, DIGITS);
}
