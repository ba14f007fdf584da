import * as pulumi from "@pulumi/pulumi";
import { ArgumentError } from "./argument-error.ts";

/** A value that is known while the program runs, or only later. */
export type Later<T> = T | pulumi.Output<T>;

/** Whether a value is only known later. */
export function isLater(value: unknown): value is pulumi.Output<unknown> | Promise<unknown> {
  return pulumi.Output.isInstance(value) || value instanceof Promise;
}

/** Whether a value is a map, and neither a resource nor another object with a class of its own. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Whether a value is known, with all that is in it. */
export function isKnown(value: unknown): boolean {
  if (isLater(value)) return false;
  return !(Array.isArray(value) || isPlain(value)) || Object.values(value).every(isKnown);
}

/**
 * Computes something at once where all that it takes is known, and in an `apply` where some is only known later: what is wrong then is
 * traced to where the values were given.
 */
export function from<Values, Result>(
  values: Values,
  compute: (values: pulumi.Unwrap<Values>) => Result,
): Later<Result> {
  if (isKnown(values)) return compute(values as pulumi.Unwrap<Values>);
  const { stack } = new Error();
  const output = pulumi.output(values);
  return output.apply(async (known) => {
    try {
      return compute(known);
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      const isSecret = await pulumi.isSecret(output);
      const sentence = error.message.replace(/ is .*, but /s, isSecret ? " is [secret], but " : "$&");
      const shown = new ArgumentError(sentence);
      shown.trace = stack;
      throw shown;
    }
  }) as pulumi.Output<Result>;
}

/** Tags of a resource, as its arguments have them. */
export type Tags = pulumi.Input<Record<string, pulumi.Input<string>>>;

/**
 * Merges maps such as tags; the second's values replace those of the same name.
 * @param check looks at both, once they are known
 */
export function merged(
  own: Tags,
  others: Tags = {},
  check: (own: Record<string, unknown>, others: Record<string, unknown>) => void = () => {},
): Tags {
  const both = <Value>(own: Record<string, Value>, others: Record<string, Value> | undefined) => {
    check(own, others ?? {});
    return { ...own, ...others };
  };
  if (isPlain(own) && isPlain(others)) return both<pulumi.Input<string>>(own as never, others as never);
  return pulumi.all([own, others]).apply(([mine, theirs]) => both(mine, theirs));
}
