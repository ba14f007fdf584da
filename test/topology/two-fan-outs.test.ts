import { expect } from "chai";
import { planOf } from "../../src/capacity/graph.ts";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { ImageWorker } from "../../src/topology/image-worker.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import { failuresOf } from "../engine/aws.ts";
import { ALL } from "../engine/life.ts";
import { checked } from "../engine/plugin.ts";
import { find, HERE, type Registered, registered } from "../support/mocks.ts";

describe("two fan-outs with workers of one name", () => {
  let resources: Registered[];
  const ofAws = () => resources.filter(({ type }) => type.startsWith("aws:"));

  before(async () => {
    resources = await registered(() => {
      for (const name of ["photos", "scans"]) {
        const fanOut = new ImageFanOut(name, ALL);
        new RotationWorker("clockwise", { fanOut, angle: 90 });
      }
    });
  });

  it("have resources whose names begin with their fan-out's, and are as many", () => {
    const [photos, scans] = ["photos-", "scans-"].map((prefix) =>
      ofAws().filter(({ name }) => name.startsWith(prefix)),
    );

    expect(photos?.length).to.equal(scans?.length);
    expect(ofAws()).to.have.length(2 * Number(photos?.length));
  });

  it("have metrics, logs, dashboard, layer and results' permissions of their own", () => {
    for (const name of ["photos", "scans"]) {
      const worker = `${name}-clockwise`;
      const machine = `machine-test-${name}`;
      const { environment } = find(resources, "Function", `${worker}-function`);
      const { dashboardName, dashboardBody } = find(resources, "Dashboard", `${name}-dashboard`);

      expect(environment.variables).to.include({ WORKER: "clockwise", MACHINE: machine });
      expect(find(resources, "MetricAlarm", `${worker}-rejected-alarm`).dimensions).to.deep.equal({
        service: "clockwise",
        machine,
      });
      expect(find(resources, "LogGroup", `${worker}-log`).namePrefix).to.equal(
        `/aws/lambda/${machine}-clockwise-`,
      );
      expect(find(resources, "KeyPolicy", `${name}-key-policy`).policy).to.contain(
        `log-group:/aws/lambda/${machine}-*`,
      );
      expect(find(resources, "LayerVersion", `${name}-sharp`).layerName).to.equal(`${machine}-sharp`);
      expect(find(resources, "ResourcePolicy", `${name}-tracing-policy`).policyName).to.equal(machine);
      expect(dashboardName).to.equal(machine);
      expect(dashboardBody).to.contain(`${worker}-queue`).and.contain(machine);
      expect(dashboardBody).to.not.contain(name === "photos" ? "scans" : "photos");
      expect(JSON.stringify(find(resources, "RolePolicy", `${worker}-role-policy`).policy)).to.contain(
        `arn:aws:s3:::${name}-results/clockwise/*`,
      );
    }
  });

  it("are told apart by the model of their capacity, with the dimensions of each", () => {
    const { workers } = planOf(resources, "eu-west-1");

    expect(workers.map(({ name, dimensions }) => [name, dimensions])).to.deep.equal(
      ["photos", "scans"].map((name) => [
        `machine-test-${name}/clockwise`,
        { service: "clockwise", machine: `machine-test-${name}` },
      ]),
    );
  });
});

describe("machines of projects and stacks that join to the same words", () => {
  /** The names that Pulumi does not make: of dashboard, policy of X-Ray, layer and alias. */
  const named = async (project: string, stack: string, name: string) => {
    const program = () => new ImageFanOut(name, { key: "create", tracing: true });
    const resources = await registered(program, HERE, { project, stack });
    return {
      dashboard: find(resources, "Dashboard", `${name}-dashboard`).dashboardName,
      policy: find(resources, "ResourcePolicy", `${name}-tracing-policy`).policyName,
      layer: find(resources, "LayerVersion", `${name}-sharp`).layerName,
      alias: find(resources, "Alias", `${name}-key-alias`).name,
    };
  };

  it("share no name, and have digits only where the words could be divided otherwise", async () => {
    const all = [
      await named("a-b", "c", "images"),
      await named("a", "b-c", "images"),
      await named("a", "b", "c-images"),
    ];

    expect(all[0]).to.deep.equal({
      dashboard: "a-b-c-images",
      policy: "a-b-c-images",
      layer: "a-b-c-images-sharp",
      alias: "alias/a-b-c-images",
    });
    for (const kind of ["dashboard", "policy", "layer", "alias"] as const) {
      expect(new Set(all.map((names) => names[kind])).size, kind).to.equal(3);
    }
    expect(all[1]?.dashboard).to.match(/^a-b-c-images-[0-9a-f]{8}$/);
  });
});

describe("the names of a worker and its fan-out together", () => {
  const make = (fanOut: string, worker: string) =>
    registered(() => {
      new ImageWorker(worker, { fanOut: new ImageFanOut(fanOut, ALL), handler: "handlers/rotate.ts" });
    });
  const named = (length: number) => "n".repeat(length);

  for (const [fanOut, worker] of [
    [32, 14],
    [14, 32],
  ] as const) {
    it(`may be ${fanOut} and ${worker} characters, which AWS takes with suffix and digits`, async () => {
      const resources = await make(named(fanOut), named(worker));

      for (const { type, name, inputs } of resources.filter(({ type }) => type.startsWith("aws:"))) {
        const urn = `urn:pulumi:test::machine::${type}::${name}`;
        const given = checked(urn, {}, inputs);
        expect(failuresOf(type, given), name).to.deep.equal([]);
      }
    });
  }

  for (const [fanOut, worker] of [
    [32, 15],
    [15, 32],
  ] as const) {
    it(`may not be ${fanOut} and ${worker} characters, which AWS refuses`, async () => {
      const thrown = await make(named(fanOut), named(worker)).catch((error: Error) => error);

      expect(thrown)
        .to.be.instanceOf(ArgumentError)
        .with.property("message")
        .that.matches(
          /^ImageWorker "n+": the names of its resources begin with "n+-n+", which is 48 characters, but the maximum is 47, because AWS allows 64 for functions and roles\. Shorten the worker's name or the fan-out's\.$/,
        );
    });
  }
});
