import type * as pulumi from "@pulumi/pulumi";

/**
 * The way out where a component has no argument for what is wanted of one of its resources: properties that
 * replace its own, or a function that changes them, and the resource's options, in place.
 */
export type Transform<Args> = Partial<Args> | ((args: Args, opts: pulumi.CustomResourceOptions) => void);

/** A resource's arguments and options after its transform, to be spread into its constructor. */
export function transformed<Args extends object>(
  transform: Transform<Args> | undefined,
  args: Args,
  opts: pulumi.CustomResourceOptions,
): [Args, pulumi.CustomResourceOptions] {
  if (typeof transform !== "function") return [{ ...args, ...transform }, opts];
  const own = { ...opts };
  transform(args, own);
  return [args, own];
}
