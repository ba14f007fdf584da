/** Where a resource is: what its ARN says, so that nobody need be asked, in any partition. */
export interface Place {
  /** `aws`, `aws-cn`, `aws-us-gov` and so on. */
  readonly partition: string;
  readonly region: string;
  /** Twelve digits. */
  readonly account: string;
}

/** Where the resource with this ARN is. Buckets' ARNs name neither region nor account: take another's. */
export function placeOf(arn: string): Place {
  const [, partition = "", , region = "", account = ""] = arn.split(":");
  return { partition, region, account };
}
