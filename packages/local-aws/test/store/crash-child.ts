import { ObjectStore } from "../../src/store/object-store.ts";

/* What crash.test.ts kills: it stores until it ends, and tells its parent of each put that was accepted. */

const [root = ""] = process.argv.slice(2);
const store = await ObjectStore.open({
  root,
  region: "eu-west-1",
  accountId: "123456789012",
  notify: async (_topic, message) => {
    for (const record of JSON.parse(message).Records ?? [])
      process.send?.({ notified: record.s3.object.key });
  },
});
await store.createBucket("bucket");
await store.setNotification("bucket", {
  topics: [{ id: "all", topicArn: "arn:aws:sns:eu-west-1:123456789012:all", events: ["s3:ObjectCreated:*"] }],
});

async function storeWithoutEnd(writer: number): Promise<never> {
  for (let index = 0; ; index += 1) {
    const key = `${writer}/${index}`;
    const body = `body of ${key} `.repeat(100);
    await store.put("bucket", key, [Buffer.from(body)]);
    process.send?.({ put: [key, body] });
  }
}

await Promise.all([1, 2, 3, 4].map(storeWithoutEnd));
