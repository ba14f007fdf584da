import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";
import type { Loader } from "../../src/aws-package.ts";
import { liveAssumptions, liveDurations } from "../../src/capacity/live.ts";
import { planWith } from "./support.ts";

describe("what AWS is asked", () => {
  /** Loads packages in which every name is a class, whose clients answer a command by its name. */
  const packages =
    (answers: Record<string, (input: Record<string, unknown>) => unknown>): Loader =>
    async () =>
      new Proxy(
        {},
        {
          get: (_, name: string) => {
            // Whatever is awaited is asked whether it is a promise.
            if (name === "then") return undefined;
            return class {
              readonly answer: () => unknown;
              constructor(input: Record<string, unknown>) {
                this.answer = () => answers[name]?.(input);
              }
              async send(command: { answer: () => unknown }) {
                return command.answer();
              }
            };
          },
        },
      );

  it("are the account's quotas, and of its concurrency what it really has", async () => {
    const load = packages({
      GetServiceQuotaCommand: ({ ServiceCode, QuotaCode }) => ({
        Quota: { Value: `${ServiceCode} ${QuotaCode}` === "sns L-F8E2BA85" ? 9000 : 5000 },
      }),
      GetAccountSettingsCommand: () => ({ AccountLimit: { ConcurrentExecutions: 10 } }),
    });

    expect(await liveAssumptions("eu-west-1", load)).to.deep.equal({
      snsPublishesPerSecond: 9000,
      lambdaConcurrency: 10,
    });
  });

  it("are durations of workers that had images, by all dimensions that functions publish", async () => {
    const load = packages({
      GetMetricStatisticsCommand: (input) => {
        // CloudWatch knows a metric by the whole set of its dimensions.
        const Dimensions = [
          { Name: "service", Value: "clockwise" },
          { Name: "machine", Value: "machine-test-images" },
        ];
        const isPublished = isDeepStrictEqual(input.Dimensions, Dimensions);
        const [first, second] = { work: [1000, 2000], fetch: [200, 700], write: [150, 300] }[
          input.MetricName as string
        ] ?? [0, 0];
        const published = [
          { Sum: first, SampleCount: 2 },
          { Sum: second, SampleCount: 4 },
        ];
        return { Datapoints: isPublished ? published : [] };
      },
    });

    const dimensionsOf = (service: string) => ({ service, machine: "machine-test-images" });

    const found = await liveDurations(
      planWith(
        { name: "clockwise", dimensions: dimensionsOf("clockwise") },
        { name: "idle", dimensions: dimensionsOf("idle") },
        { name: "no ImageWorker" },
      ),
      new Date(0),
      load,
    );

    expect([...found]).to.deep.equal([["clockwise", { work: 0.5, requests: 0.15 + 0.075 }]]);
  });

  it("cannot be asked without the packages, and what is missing is said", async () => {
    const refused = await liveAssumptions("eu-west-1", () => Promise.reject(new Error("not found"))).catch(
      (error: Error) => error.message,
    );

    expect(refused).to.equal(
      '@aws-sdk/client-service-quotas is needed to ask AWS and is not installed: run "npm install --no-save @aws-sdk/client-service-quotas @aws-sdk/client-lambda @aws-sdk/client-cloudwatch".',
    );
  });
});
