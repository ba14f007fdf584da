import { readFile } from "node:fs/promises";
import { GetObjectTaggingCommand, HeadObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { withFolder, withMachine } from "../support/machine.ts";
import { projectIn } from "../support/project.ts";

/** Settings under which all goes along. */
const carrying = () => `config:
  workers:
    carry: [cache-control, content-disposition, metadata, tags]
`;

describe("what a source is described with, on this computer", function () {
  this.timeout(60_000);

  it("goes along with its results where that is asked for, by a role that may do so", async () => {
    await withFolder(async (folder) => {
      const project = await projectIn(folder, {}, { "Pulumi.dev.yaml": carrying });
      await withMachine({ project }, async ({ s3, outputs, workers, events }) => {
        const missing = new Set(workers.map(({ prefix }) => `${prefix}/cat.jpg`));
        const done = Promise.withResolvers<void>();
        events.on("put", ({ bucket, key }) => {
          if (bucket === outputs.resultsBucket && missing.delete(key) && missing.size === 0) done.resolve();
        });
        const described = {
          CacheControl: "max-age=60",
          ContentDisposition: 'attachment; filename="cat.jpg"',
        };
        await s3.send(
          new PutObjectCommand({
            Bucket: outputs.sourceBucket,
            Key: "cat.jpg",
            Body: await readFile("samples/cat.jpg"),
            ...described,
            Metadata: { title: "=?UTF-8?B?w6TDtg==?=", "source-version": "somebody's" },
            Tagging: "kind=holiday%20photo",
          }),
        );
        await done.promise;

        for (const Key of ["clockwise/cat.jpg", "counter-clockwise/cat.jpg"]) {
          const result = { Bucket: outputs.resultsBucket, Key };
          const { Metadata = {}, ...head } = await s3.send(new HeadObjectCommand(result));
          expect(head).to.include({ ...described, ContentType: "image/jpeg" });
          expect(Metadata).to.have.all.keys("title", "source-version", "source-etag");
          expect(Metadata.title).to.equal("=?UTF-8?B?w6TDtg==?=");
          expect(Metadata["source-version"]).to.not.equal("somebody's");
          expect((await s3.send(new GetObjectTaggingCommand(result))).TagSet).to.deep.equal([
            { Key: "kind", Value: "holiday photo" },
          ]);
        }
      });
    });
  });
});
