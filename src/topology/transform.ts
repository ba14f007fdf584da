import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { checkTagNames, choose } from "./checks.ts";

/**
 * The way out where a component has no argument for what is wanted of one of its resources: properties that
 * replace its own, or a function that changes them, and the resource's options, in place. New tags, and a function's
 * environment variables, are added to the component's own.
 */
export type Transform<Args> = Partial<Args> | ((args: Args, opts: pulumi.CustomResourceOptions) => void);

/**
 * Checks that transforms are of resources that there are.
 * @param component whose they are: its class and name
 * @param known names of all resources that have one
 * @throws RangeError where one is of none, and would do nothing
 */
export function checkTransform(component: string, given: object, known: Record<string, true>): void {
  choose(`${component}: transform.`, given, {}, Object.keys(known));
}

/** A resource's arguments and options after its transform, to be spread into its constructor. */
export function transformed<Args extends object>(
  transform: Transform<Args> | undefined,
  args: Args,
  opts: pulumi.CustomResourceOptions,
): [Args, pulumi.CustomResourceOptions] {
  const tags = (args as { tags?: object }).tags && { ...(args as { tags?: object }).tags };
  const given: Args & { tags?: pulumi.Input<object> } = { ...args, ...(tags && { tags }) };
  const options = { ...opts };
  if (typeof transform === "function") transform(given, options);
  else Object.assign(given, transform);
  // Not the component's own, edited in place, but others.
  if (tags && given.tags !== tags) given.tags = merged(tags, given.tags);
  return [given, options];
}

type Variables = Readonly<Record<string, pulumi.Input<string>>>;
type Environment = aws.types.input.lambda.FunctionEnvironment;

/**
 * Like {@link transformed}, for a function that could not do its work without the variables that the component gives it.
 * @param component the class and name, for messages
 * @throws RangeError where the transform replaces one of them; where it gives an output, its `apply` does
 */
export function transformedFunction(
  component: string,
  transform: Transform<aws.lambda.FunctionArgs> | undefined,
  args: aws.lambda.FunctionArgs & { environment: { variables: Variables } },
  opts: pulumi.CustomResourceOptions,
): [aws.lambda.FunctionArgs, pulumi.CustomResourceOptions] {
  const own = { ...args.environment.variables };
  const environment = { variables: { ...own } };
  const [given, options] = transformed<aws.lambda.FunctionArgs>(transform, { ...args, environment }, opts);
  const subject = `${component}: transform.function.environment.variables`;
  const after = given.environment as pulumi.Input<Environment> | undefined;
  const withOwn = (environment: Environment = {}, variables: Variables = own): Environment => ({
    ...environment,
    variables: withVariables(subject, environment.variables as Variables | undefined, variables),
  });
  const known =
    after === undefined || (isPlain(after) && (!("variables" in after) || isPlain(after.variables)));
  given.environment = known
    ? withOwn(after as Environment | undefined)
    : pulumi.output({ own, after }).apply((all) => withOwn(all.after as Environment | undefined, all.own));
  return [given, options];
}

/** Variables of the component's own that the runtime reads, not the handler: they may be replaced. */
const TUNING = ["MALLOC_ARENA_MAX", "NODE_OPTIONS"];

/**
 * Merges variables that are given into a component's own.
 * @param subject whose they are, for messages
 * @throws RangeError where one of its own is given another value
 */
export function withVariables(subject: string, given: Variables | undefined, own: Variables) {
  const replaced = Object.entries(given ?? {}).find(
    ([name, value]) => name in own && own[name] !== value && !TUNING.includes(name),
  );
  if (replaced) {
    throw new RangeError(
      `${subject}.${replaced[0]} cannot be set: the machine sets it, and its function needs it as it is.`,
    );
  }
  return { ...own, ...given };
}

/** Merges two maps; the second replaces values of the first. */
function merged(own: object, others: pulumi.Input<object> | undefined): pulumi.Input<object> {
  const both = (known: object = {}) => {
    checkTagNames("The transform's tag ", Object.keys(own), Object.keys(known));
    return { ...own, ...known };
  };
  return others === undefined || isPlain(others) ? both(others) : pulumi.output(others).apply(both);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
