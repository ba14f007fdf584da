import { expect } from "chai";
import { type RuntimeResource, runInPulumiRuntime } from "../support/pulumi-runtime.ts";

/** What each resource has of the key, by the input that says so. */
const USES = ["kmsMasterKeyId", "kmsKeyId", "rules"];

describe("a key that is switched on", function () {
  this.timeout(60_000);

  // A preview knows no ARN, neither of a new stack nor where the key is new in one that runs: the same graph holds
  // for both, and the engine makes and changes resources in its order.
  for (const command of ["preview", "up"] as const) {
    describe(`in Pulumi's own runtime, ${command}`, () => {
      let resources: RuntimeResource[];
      let policy: RuntimeResource;

      before(async () => {
        const config = { "rube-goldberg-image-machine:customerManagedKey": "true" };
        ({ resources } = await runInPulumiRuntime(command, config));
        policy = one("aws:kms/keyPolicy:KeyPolicy");
      });

      const one = (type: string): RuntimeResource => {
        const [found, ...more] = resources.filter((each) => each.type === type);
        if (!found || more.length > 0) throw new Error(`there is not one ${type}`);
        return found;
      };

      it("is given to nothing before its policy stands", () => {
        const users = resources.filter(
          ({ type, inputs }) =>
            !type.startsWith("aws:kms") &&
            USES.some((use) => use in inputs) &&
            !type.endsWith("LifecycleConfiguration"),
        );

        expect(users.map(({ name }) => name)).to.have.members([
          ...["images-source-encryption", "images-results-encryption", "images-created", "images-alarms"],
          ...["clockwise", "counter-clockwise"].flatMap((worker) => [
            `${worker}-queue`,
            `${worker}-dead-letters`,
            `${worker}-log`,
          ]),
        ]);
        for (const { name, dependencies } of users) {
          expect(dependencies, name).to.include(policy.urn);
        }
      });

      it("has a policy that waits for the key alone, and for nothing that it permits", () => {
        expect(policy.dependencies).to.deep.equal([one("aws:kms/key:Key").urn]);
      });

      it("stands before S3 tries the topic, and before a queue is subscribed", () => {
        const queues = resources.filter(({ type }) => type === "aws:sqs/queue:Queue").map(({ urn }) => urn);
        const topic = resources.find(({ name }) => name === "images-created")?.urn;

        expect(one("aws:s3/bucketNotification:BucketNotification").dependencies).to.include(topic);
        const versioning = resources.find(({ name }) => name === "images-source-versioning")?.urn;
        expect(one("aws:s3/bucketNotification:BucketNotification").dependencies).to.include(versioning);
        for (const { type, dependencies } of resources) {
          if (!type.endsWith(":TopicSubscription")) continue;
          expect(dependencies).to.include(topic);
          expect(dependencies.filter((urn) => queues.includes(urn))).to.have.length(2);
        }
      });
    });
  }
});
