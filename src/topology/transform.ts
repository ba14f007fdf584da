import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./argument-error.ts";
import { checkNames, checkTagNames } from "./checks.ts";
import { isPlain, merged, type Tags } from "./later.ts";

/**
 * The way out where a component has no argument for what is wanted of one of its resources: properties that
 * replace its own, or a function that changes them, and the resource's options, in place; the name tells apart
 * resources of one kind, such as alarms. New tags, and a function's environment variables, are added to the component's own.
 */
export type Transform<Args> =
  | Partial<Args>
  | ((args: Args, opts: pulumi.CustomResourceOptions, name: string) => void);

/** One after the other, where there are several. */
export type Transforms<Args> = Transform<Args> | undefined | readonly (Transform<Args> | undefined)[];

/**
 * Checks that transforms are of resources that there are.
 * @param prefix whose they are, up to the name: `ImageWorker "grey": transform.`
 * @param known names of all resources that have one
 * @throws ArgumentError where one is of none, and would do nothing
 */
export function checkTransform(prefix: string, given: object, known: Record<string, true>): void {
  checkNames(prefix, given, Object.keys(known));
}

/** A resource's name, and its arguments and options after their transforms, to be spread into its constructor. */
export function transformed<Args extends object>(
  transforms: Transforms<Args>,
  name: string,
  args: Args,
  opts: pulumi.CustomResourceOptions,
): [string, Args, pulumi.CustomResourceOptions] {
  return listed(transforms).reduce<[string, Args, pulumi.CustomResourceOptions]>(
    ([, before, options], transform) => changed(transform, name, before, options),
    [name, args, opts],
  );
}

function listed<Args>(transforms: Transforms<Args>): readonly (Transform<Args> | undefined)[] {
  return Array.isArray(transforms) ? transforms : [transforms as Transform<Args> | undefined];
}

function changed<Args extends object>(
  transform: Transform<Args> | undefined,
  name: string,
  args: Args,
  opts: pulumi.CustomResourceOptions,
): [string, Args, pulumi.CustomResourceOptions] {
  const { tags: own } = args as { tags?: Tags };
  const tags = isPlain(own) ? { ...own } : own;
  const given: Args & { tags?: Tags } = { ...args, ...(tags && { tags }) };
  const options = { ...opts };
  if (typeof transform === "function") transform(given, options, name);
  else Object.assign(given, transform);
  // Not the component's own, edited in place, but others.
  if (tags && given.tags !== tags) {
    given.tags = merged(tags, given.tags, (own, others) =>
      checkTagNames("The transform's tag ", own, others),
    );
  }
  return [name, given, options];
}

type Variables = Readonly<Record<string, pulumi.Input<string>>>;
type Environment = aws.types.input.lambda.FunctionEnvironment;

/**
 * Like {@link transformed}, for a function that could not do its work without the variables that the component gives it.
 * @param component the class and name, for messages
 * @throws ArgumentError where a transform replaces one of them; where it gives an output, its `apply` does
 */
export function transformedFunction(
  component: string,
  transforms: Transforms<aws.lambda.FunctionArgs>,
  name: string,
  args: aws.lambda.FunctionArgs & { environment: { variables: pulumi.Input<Variables> } },
  opts: pulumi.CustomResourceOptions,
): [string, aws.lambda.FunctionArgs, pulumi.CustomResourceOptions] {
  const own = args.environment.variables;
  const subject = `${component}: transform.function.environment.variables`;
  const joined = (
    before: Environment = {},
    after: Environment = {},
    variables: Variables = own as Variables,
  ): Environment => {
    const given = withVariables(subject, after.variables as Variables | undefined, variables);
    return { ...after, variables: { ...(before.variables as Variables), ...given } };
  };
  return listed(transforms).reduce<[string, aws.lambda.FunctionArgs, pulumi.CustomResourceOptions]>(
    ([, { environment: before, ...others }, options], transform) => {
      const environment = isKnown(before) ? { variables: { ...before.variables } } : before;
      const result = changed<aws.lambda.FunctionArgs>(
        transform,
        name,
        { ...others, ...(environment && { environment }) },
        options,
      );
      const after = result[1].environment;
      result[1].environment =
        isKnown(before) && (after === undefined || isKnown(after))
          ? joined(before, after)
          : pulumi.output({ before, after, own }).apply((all) => joined(all.before, all.after, all.own));
      return result;
    },
    [name, args, opts],
  );
}

function isKnown(environment: unknown): environment is { variables?: Variables } {
  return isPlain(environment) && (environment.variables === undefined || isPlain(environment.variables));
}

/** Variables of the component's own that the runtime reads, not the handler: they may be replaced. */
const TUNING = ["MALLOC_ARENA_MAX", "NODE_OPTIONS"];

/**
 * Merges variables that are given into a component's own.
 * @param subject whose they are, for messages
 * @throws ArgumentError where one of its own is given another value
 */
export function withVariables(subject: string, given: Variables | undefined, own: Variables) {
  const replaced = Object.entries(given ?? {}).find(
    ([name, value]) => name in own && own[name] !== value && !TUNING.includes(name),
  );
  if (replaced) {
    throw new ArgumentError(
      `${subject}.${replaced[0]} cannot be set: the machine sets it, and its function needs it as it is.`,
    );
  }
  return { ...own, ...given };
}
