import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { createdObjects } from "../../src/delivery/envelope.ts";
import { CLIENT } from "../../src/delivery/handler.ts";
import { writeResult } from "../../src/delivery/result.ts";
import { type Within, within } from "../../src/delivery/send.ts";
import { readSource } from "../../src/delivery/source.ts";
import { s3Record } from "../support/events.ts";

/** How many times faster than the functions' clients those of this test lose patience. */
const FASTER = 20;

async function withS3<T>(listener: RequestListener, use: (s3: S3Client) => Promise<T>): Promise<T> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { connectionTimeout, socketTimeout, requestTimeout, ...handler } = CLIENT.requestHandler;
  const s3 = new S3Client({
    ...CLIENT,
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: "us-east-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    forcePathStyle: true,
    requestHandler: {
      ...handler,
      connectionTimeout,
      socketTimeout: socketTimeout / FASTER,
      requestTimeout: requestTimeout / FASTER,
    },
  });
  try {
    return await use(s3);
  } finally {
    s3.destroy();
    server.closeAllConnections();
    server.close();
  }
}

const [source = expect.fail()] = createdObjects(JSON.stringify({ Records: [s3Record("a")] }));
const inTime: Within = (request) => within(20_000, 0, request);

describe("the requests of a worker", function () {
  this.timeout(30_000);

  it("take a large result on a slow line, for longer than any other request may take", async () => {
    const started = performance.now();
    let bytes = 0;
    const slowly: RequestListener = async (request, response) => {
      for await (const chunk of request) {
        bytes += (chunk as Buffer).length;
        await setTimeout(1);
      }
      response.writeHead(200, { etag: '"r"' }).end();
    };
    const result = { body: Buffer.alloc(64 * 2 ** 20), contentType: "image/test" };

    const written = await withS3(slowly, (s3) =>
      writeResult(s3, { bucket: "results", key: "a" }, source, result, inTime, Date.now),
    );

    expect(written.outcome).to.equal("processed");
    expect(bytes).to.be.at.least(result.body.length);
    expect(performance.now() - started).to.be.above(CLIENT.requestHandler.requestTimeout / FASTER);
  });

  it("are made again on another connection where nothing moves on one", async () => {
    let requests = 0;
    const second: RequestListener = (_, response) => {
      if (++requests > 1) response.writeHead(200, { etag: '"e"' }).end("abc");
    };

    const { bytes } = await withS3(second, (s3) => readSource(s3, source, 1000, inTime, Date.now));

    expect(bytes.toString()).to.equal("abc");
    expect(requests).to.equal(2);
  });
});
