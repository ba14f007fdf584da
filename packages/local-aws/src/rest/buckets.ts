import { invalidArgument, S3Error } from "../store/errors.ts";
import type { TopicNotification } from "../store/model.ts";
import type { Exchange } from "./exchange.ts";
import { readText } from "./payload.ts";
import { children, malformedXml, type Parsed, parseXml, text } from "./xml.ts";

export async function createBucket(exchange: Exchange): Promise<void> {
  const { store, request, bucket } = exchange;
  exchange.authorize("s3:CreateBucket");
  const body = request.header("content-length") === undefined ? "" : await readText(exchange);
  const location = body && text(parseXml(body, "CreateBucketConfiguration"), "LocationConstraint");
  if (location && location !== store.region) {
    throw new S3Error(
      400,
      "IllegalLocationConstraintException",
      `The ${location} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    );
  }
  await store.createBucket(bucket);
  exchange.set({ location: `/${bucket}` }).empty();
}

export async function deleteBucket(exchange: Exchange): Promise<void> {
  exchange.authorize("s3:DeleteBucket");
  await exchange.store.deleteBucket(exchange.bucket);
  exchange.empty(204);
}

export async function headBucket(exchange: Exchange): Promise<void> {
  exchange.authorize("s3:ListBucket");
  exchange.store.bucket(exchange.bucket);
  exchange.set({ "x-amz-bucket-region": exchange.store.region }).empty();
}

export async function getBucketLocation(exchange: Exchange): Promise<void> {
  exchange.authorize("s3:GetBucketLocation");
  exchange.store.bucket(exchange.bucket);
  const { region } = exchange.store;
  exchange.xml("LocationConstraint", region === "us-east-1" ? {} : { "#text": region });
}

export async function getBucketVersioning(exchange: Exchange): Promise<void> {
  exchange.authorize("s3:GetBucketVersioning");
  exchange.xml("VersioningConfiguration", { Status: exchange.store.bucket(exchange.bucket).versioning });
}

export async function putBucketVersioning(exchange: Exchange): Promise<void> {
  exchange.authorize("s3:PutBucketVersioning");
  const status = text(parseXml(await readText(exchange), "VersioningConfiguration"), "Status");
  if (status !== "Enabled" && status !== "Suspended") throw malformedXml();
  await exchange.store.setVersioning(exchange.bucket, status);
  exchange.empty();
}

export async function getBucketNotification(exchange: Exchange): Promise<void> {
  exchange.authorize("s3:GetBucketNotification");
  const { topics } = exchange.store.bucket(exchange.bucket).notification;
  exchange.xml("NotificationConfiguration", {
    TopicConfiguration: topics.map(({ id, topicArn, events, filterPrefix, filterSuffix }) => {
      const rules = [
        ...(filterPrefix ? [{ Name: "Prefix", Value: filterPrefix }] : []),
        ...(filterSuffix ? [{ Name: "Suffix", Value: filterSuffix }] : []),
      ];
      const filter = rules.length > 0 ? { S3Key: { FilterRule: rules } } : undefined;
      return { Id: id, Topic: topicArn, Event: [...events], Filter: filter };
    }),
  });
}

export async function putBucketNotification(exchange: Exchange): Promise<void> {
  exchange.authorize("s3:PutBucketNotification");
  const parsed = parseXml(await readText(exchange), "NotificationConfiguration");
  const other = Object.keys(parsed).find(
    (name) => /Configuration$/.test(name) && name !== "TopicConfiguration",
  );
  if (other) {
    throw new S3Error(501, "NotImplemented", `Only topics are notified here: ${other} is not implemented.`);
  }
  const topics = children(parsed, "TopicConfiguration").map(readTopic);
  await exchange.store.setNotification(exchange.bucket, { topics });
  exchange.empty();
}

/** What keys begin or end with; S3 takes the name in any case. */
function readRule(parsed: Parsed): { readonly name: string; readonly value: string } {
  const [name, value] = [text(parsed, "Name"), text(parsed, "Value")];
  if (name === undefined || value === undefined) throw malformedXml();
  if (!/^(prefix|suffix)$/i.test(name)) {
    throw invalidArgument("filter rule name must be either prefix or suffix", "FilterRule.Name", name);
  }
  return { name: name.toLowerCase(), value };
}

function readTopic(parsed: Parsed, index: number): TopicNotification {
  const topicArn = text(parsed, "Topic");
  const events = parsed.Event;
  if (!topicArn || !Array.isArray(events)) throw malformedXml();
  const filter = (parsed.Filter ?? {}) as Parsed;
  const rules = children((filter.S3Key ?? {}) as Parsed, "FilterRule").map(readRule);
  const rule = (name: string) => rules.find((candidate) => candidate.name === name)?.value;
  return {
    id: text(parsed, "Id") ?? `notification-${index + 1}`,
    topicArn,
    events: events.map(String),
    filterPrefix: rule("prefix"),
    filterSuffix: rule("suffix"),
  };
}
