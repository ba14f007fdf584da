import { expect } from "chai";
import { PROJECT_NAME } from "../support/project.ts";
import { type RuntimeResource, runInPulumiRuntime } from "../support/pulumi-runtime.ts";

/** What each resource has of the key, by the input that says so. */
const USES = ["kmsMasterKeyId", "kmsKeyId", "rules"];

describe("the order in which a machine comes to be, with a key of its own", function () {
  this.timeout(60_000);

  // A preview knows no ARN, neither of a new stack nor where the key is new in one that runs: the same graph holds
  // for both, and the engine makes and changes resources in its order.
  for (const command of ["preview", "up"] as const) {
    describe(`in Pulumi's own runtime, ${command}`, () => {
      let resources: RuntimeResource[];
      let policy: RuntimeResource;

      before(async () => {
        const config = { [`${PROJECT_NAME}:key`]: "create" };
        ({ resources } = await runInPulumiRuntime(command, config));
        policy = one("aws:kms/keyPolicy:KeyPolicy");
      });

      const one = (type: string): RuntimeResource => {
        const [found, ...more] = resources.filter((each) => each.type === type);
        if (!found || more.length > 0) throw new Error(`there is not one ${type}`);
        return found;
      };

      it("gives the key to nothing before its policy stands", () => {
        const users = resources.filter(
          ({ type, inputs }) =>
            !type.startsWith("aws:kms") &&
            USES.some((use) => use in inputs) &&
            !type.endsWith("LifecycleConfiguration"),
        );

        expect(users.map(({ name }) => name)).to.have.members([
          ...["images-source-encryption", "images-results-encryption", "images-created", "images-alarms"],
          ...["clockwise", "counter-clockwise"].flatMap((worker) => [
            `images-${worker}-queue`,
            `images-${worker}-dead-letters`,
            `images-${worker}-log`,
          ]),
        ]);
        for (const { name, dependencies } of users) {
          expect(dependencies, name).to.include(policy.urn);
        }
      });

      it("waits with the key's policy for the key alone, and for nothing that it permits", () => {
        expect(policy.dependencies).to.deep.equal([one("aws:kms/key:Key").urn]);
      });

      it("has the key before S3 tries the topic, and before a queue is subscribed", () => {
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

      // What AWS refuses, or does otherwise, where the other is not there yet.
      const waits: Record<string, string[]> = {
        "images-clockwise-function": ["images-clockwise-role-policy", "images-clockwise-log"],
        "images-clockwise-mapping": ["images-clockwise-role-policy"],
        "images-clockwise-subscription": [
          "images-clockwise-queue-policy",
          "images-clockwise-dead-letters-policy",
        ],
        "images-source-notification": ["images-created-policy", "images-source-versioning"],
        "images-source-policy": ["images-source-public-access"],
        "images-source-lifecycle": ["images-source-versioning"],
      };
      for (const [name, others] of Object.entries(waits)) {
        it(`waits with ${name} for ${others.join(" and ")}`, () => {
          const urnOf = (each: string) => resources.find((resource) => resource.name === each)?.urn;
          const { dependencies } = resources.find((each) => each.name === name) ?? {};

          expect(dependencies).to.include.members(others.map(urnOf));
        });
      }
    });
  }
});
