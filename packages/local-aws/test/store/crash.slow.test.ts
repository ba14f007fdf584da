import { fork } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { openStore, temporaryFolder, until } from "./support.ts";

/*
 * A process that stores as fast as it can is killed at different moments. What it said was stored must be there, and
 * each notification must come: from that process or from the next.
 */

describe("after a kill -9", () => {
  for (const acknowledged of [1, 25, 120]) {
    it(`nothing is lost that was accepted (${acknowledged} puts)`, async () => {
      const root = await temporaryFolder();
      const child = fork(new URL("./crash-child.ts", import.meta.url), [root]);
      const accepted = new Map<string, string>();
      const notified = new Set<string>();
      child.on("message", (message: { put?: [string, string]; notified?: string }) => {
        if (message.put) accepted.set(...message.put);
        if (message.notified) notified.add(message.notified);
        if (accepted.size >= acknowledged) child.kill("SIGKILL");
      });
      await once(child, "exit");

      const store = await openStore({
        root,
        notify: async (_topic, message) => {
          for (const record of JSON.parse(message).Records) notified.add(record.s3.object.key);
        },
      });
      await until(() => store.idle());
      for (const [key, body] of accepted) expect(await text(store.get("bucket", key).body)).to.equal(body);
      expect([...accepted.keys()].filter((key) => !notified.has(key))).to.deep.equal([]);
    });
  }
});
