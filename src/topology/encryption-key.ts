import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { keyPolicy } from "./policies.ts";
import { type Transform, transformed } from "./transform.ts";

export interface EncryptionKeyArgs {
  readonly tags: Record<string, string>;

  /** Changes to single resources. @default none */
  readonly transform?: EncryptionKeyTransform | undefined;
}

export interface EncryptionKeyTransform {
  readonly key?: Transform<aws.kms.KeyArgs>;
  readonly policy?: Transform<aws.kms.KeyPolicyArgs>;
}

/**
 * A KMS key for all that a machine stores, which its owner can rotate, watch and take away. It is made first and
 * permitted last: its policy names what is encrypted with it.
 *
 * The options `protect` and `retainOnDelete` should be those of the buckets: without their key they are lost.
 */
export class EncryptionKey extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;
  readonly #name: string;
  readonly #args: EncryptionKeyArgs;
  readonly #options: pulumi.CustomResourceOptions;

  constructor(name: string, args: EncryptionKeyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("image-machine:index:EncryptionKey", name, {}, opts);
    this.#name = name;
    this.#args = args;
    this.#options = { parent: this, retainOnDelete: opts?.retainOnDelete ?? false };

    const key = new aws.kms.Key(
      name,
      ...transformed(
        args.transform?.key,
        {
          description: `Images and messages of ${pulumi.getProject()}, stack ${pulumi.getStack()}`,
          enableKeyRotation: true,
          tags: args.tags,
        },
        this.#options,
      ),
    );
    this.arn = key.arn;

    this.registerOutputs({ arn: this.arn });
  }

  /** Lets bucket, topic, alarms and logs use the key. Without this policy the account's own roles alone may. */
  permit(users: {
    bucketArn: pulumi.Input<string>;
    topicArn: pulumi.Input<string>;
    /** How the names of the log groups begin. */
    logGroups: string;
  }): aws.kms.KeyPolicy {
    return new aws.kms.KeyPolicy(
      `${this.#name}-policy`,
      ...transformed(
        this.#args.transform?.policy,
        {
          keyId: this.arn,
          policy: pulumi
            .output({ ...users, keyArn: this.arn })
            .apply((arns) => JSON.stringify(keyPolicy(arns))),
        },
        this.#options,
      ),
    );
  }
}
