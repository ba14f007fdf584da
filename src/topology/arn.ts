/** Partition, region and account of a resource, read from its ARN, so that no request is needed. */
export interface Place {
  /** `aws`, `aws-cn`, `aws-us-gov` and so on. */
  readonly partition: string;
  readonly region: string;
  /** Twelve digits. */
  readonly account: string;
}

/** Reads the place from an ARN. Buckets' ARNs name neither region nor account: take another resource's. */
export function placeOf(arn: string): Place {
  const [, partition = "", , region = "", account = ""] = arn.split(":");
  return { partition, region, account };
}
