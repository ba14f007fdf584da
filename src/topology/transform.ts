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

/** Arguments of the resource that a transform is of. */
type ArgsOf<Of> = Of extends (args: infer Args, opts: pulumi.CustomResourceOptions, name: string) => void
  ? Args
  : never;

interface Names {
  readonly [kind: string]: true | Names;
}

/** Names of all transforms that there are; of a component's resources with the names of theirs. */
export type Known<Transforms> = Record<keyof Transforms, true | Names>;

/**
 * Checks that transforms are of resources that there are.
 * @param prefix whose they are, up to the name: `ImageWorker "grey": transform.`
 * @throws ArgumentError where one is of none, and would do nothing
 */
export function checkTransforms(prefix: string, given: object, known: Names): void {
  checkNames(prefix, given, Object.keys(known));
  for (const [kind, transforms] of Object.entries(given)) {
    const within = known[kind];
    if (transforms !== undefined && typeof within === "object")
      checkTransforms(`${prefix}${kind}.`, transforms, within);
  }
}

/** Returns a child's name, and its arguments and options after their transforms, to be spread into its constructor. */
export type Child<Transforms> = <Kind extends keyof Transforms>(
  kind: Kind,
  name: string,
  args: ArgsOf<Transforms[Kind]>,
  opts?: pulumi.CustomResourceOptions,
) => [string, ArgsOf<Transforms[Kind]>, pulumi.CustomResourceOptions];

/**
 * @param options of all children
 * @param transforms of each kind of child, one after the other where there are several
 */
export function childOf<Transforms>(
  options: pulumi.CustomResourceOptions,
  ...transforms: (Transforms | undefined)[]
): Child<Transforms> {
  return (kind, name, args, opts) => {
    let [after, optionsAfter] = [args as object, { ...options, ...opts }];
    for (const each of transforms) {
      [after, optionsAfter] = changed(
        each?.[kind] as Transform<object> | undefined,
        name,
        after,
        optionsAfter,
      );
    }
    return [name, after as typeof args, optionsAfter];
  };
}

/** Properties that a transform adds to. */
interface Added {
  tags?: Tags;
  environment?: aws.lambda.FunctionArgs["environment"];
}

function changed(
  transform: Transform<object> | undefined,
  name: string,
  args: object,
  opts: pulumi.CustomResourceOptions,
): [object, pulumi.CustomResourceOptions] {
  const { tags: own, environment }: Added = args;
  const tags = isPlain(own) ? { ...own } : own;
  const variables = environment && variablesOf(environment);
  const given: Added = {
    ...args,
    ...(tags && { tags }),
    ...(variables && { environment: { variables: isPlain(variables) ? { ...variables } : variables } }),
  };
  const options = { ...opts };
  if (typeof transform === "function") transform(given, options, name);
  else Object.assign(given, transform);
  // Not the component's own, edited in place, but others.
  if (tags && given.tags !== tags) {
    given.tags = merged(tags, given.tags, (own, others) =>
      checkTagNames("The transform's tag ", Object.keys(own), Object.keys(others)),
    );
  }
  if (variables) given.environment = { variables: merged(variables, variablesOf(given.environment)) };
  return [given, options];
}

/** A function's environment variables. */
export type Variables = pulumi.Input<Record<string, pulumi.Input<string>>>;

export function variablesOf(environment: Added["environment"]): Variables {
  if (environment === undefined || isPlain(environment)) return (environment?.variables ?? {}) as Variables;
  return pulumi.output(environment).apply((known) => known?.variables ?? {});
}

/** Variables of the component's own that the runtime reads, not the handler: they may be replaced. */
const TUNING = ["MALLOC_ARENA_MAX", "NODE_OPTIONS"];

/**
 * Merges variables that are given into a component's own, without which its function could not do its work.
 * @param subject whose they are, for messages
 * @throws ArgumentError where one of its own is given another value; its `apply` does where that is only known later
 */
export function withVariables(subject: string, given: Variables, own: Variables): Variables {
  return merged(own, given, (own, others) => {
    const replaced = Object.keys(others).find(
      (name) => name in own && own[name] !== others[name] && !TUNING.includes(name),
    );
    if (replaced === undefined) return;
    throw new ArgumentError(
      `${subject}.${replaced} cannot be set, because the machine sets it and depends on it.`,
    );
  });
}
