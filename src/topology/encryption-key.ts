import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Tags } from "./later.ts";
import { keyPolicy } from "./policies.ts";
import { childOf, type Known, type Transform } from "./transform.ts";

export interface EncryptionKeyArgs {
  /** What people find the key by, without `alias/`. No other key of account and region has it. */
  readonly alias: string;

  /** Prefix of the names of the log groups that the key may be used for. */
  readonly logGroups: string;

  readonly tags: Tags;

  /** Changes to individual resources. @default none */
  readonly transform?: EncryptionKeyTransform | undefined;
}

export interface EncryptionKeyTransform {
  readonly key?: Transform<aws.kms.KeyArgs>;
  readonly alias?: Transform<aws.kms.AliasArgs>;
  readonly policy?: Transform<aws.kms.KeyPolicyArgs>;
}

export const KEY_TRANSFORMS: Known<EncryptionKeyTransform> = { key: true, alias: true, policy: true };

/**
 * A KMS key for all that a machine stores, which its owner can rotate, watch and take away.
 *
 * The options `protect` and `retainOnDelete` should be those of the buckets: without their key they are lost.
 */
export class EncryptionKey extends pulumi.ComponentResource {
  /** ARN that is known once the policy stands: what is encrypted with the key comes after it. */
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: EncryptionKeyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("image-machine:index:EncryptionKey", name, {}, opts);
    const own = childOf({ parent: this, retainOnDelete: opts?.retainOnDelete ?? false }, args.transform);
    const { alias, logGroups, tags } = args;

    const key = new aws.kms.Key(
      ...own("key", name, {
        description: `Images and messages of ${pulumi.getProject()}, stack ${pulumi.getStack()}`,
        enableKeyRotation: true,
        tags,
      }),
    );
    const policy = new aws.kms.KeyPolicy(
      ...own("policy", `${name}-policy`, {
        // By its ARN, the provider would find another id at every up, and change the policy:
        // https://github.com/hashicorp/terraform-provider-aws/issues/46432
        keyId: key.id,
        policy: pulumi.jsonStringify(key.arn.apply((keyArn) => keyPolicy(keyArn, logGroups))),
      }),
    );
    // A name, and nothing that is lost with it: where it stayed behind with the key, the next stack could not have it.
    const passing = { protect: false, retainOnDelete: false };
    new aws.kms.Alias(
      ...own("alias", `${name}-alias`, { name: `alias/${alias}`, targetKeyId: key.id }, passing),
    );
    // A topic or queue that gets the key before S3 and SNS may use it loses what they refuse to encrypt.
    this.arn = pulumi.all([key.arn, policy.id]).apply(([arn]) => arn);

    this.registerOutputs({ arn: this.arn });
  }
}
