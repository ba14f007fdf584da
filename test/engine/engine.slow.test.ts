import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { credentials } from "@grpc/grpc-js";
import { expect } from "chai";
import type { Setting } from "../../src/topology/checks.ts";
import { FAN_OUT } from "../../src/topology/fan-out-settings.ts";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import type { FanOutSettings } from "../../src/topology/setting-types.ts";
import { afterTest } from "../support/cleanup.ts";
import { registered } from "../support/mocks.ts";
import { Aws, failuresOf, stateOf } from "./aws.ts";
import { differences } from "./diff.ts";
import { ALL } from "./life.ts";
import { checked, servePlugin } from "./plugin.ts";
import { type Allowed, between, SWITCHES } from "./switches.ts";
import { type Inputs, TYPES, typeOf } from "./types.ts";

// Pulumi's protocol buffers are CommonJS whose names Node cannot see from an ES module.
const require = createRequire(import.meta.url);
const provider: typeof import("@pulumi/pulumi/proto/provider_pb.js") = require("@pulumi/pulumi/proto/provider_pb.js");
const { ResourceProviderClient } = require("@pulumi/pulumi/proto/provider_grpc_pb.js");
const { Struct } = require("google-protobuf/google/protobuf/struct_pb.js");

/** What a machine's program registers with AWS, by type and name. */
async function graph(settings: FanOutSettings) {
  const resources = await registered(() => {
    const fanOut = new ImageFanOut("images", { retention: "destroy", ...settings });
    new RotationWorker("clockwise", { fanOut, angle: 90 });
  });
  return new Map(
    resources
      .filter(({ type }) => type.startsWith("aws:"))
      .map(({ type, name, inputs }) => [`${type} ${name}`, { type, name, inputs }]),
  );
}

type Graph = Awaited<ReturnType<typeof graph>>;

/** What AWS holds of a resource, once it is made. */
const held = (type: string, name: string, inputs: Inputs) =>
  stateOf(inputs, typeOf(type).answers(inputs, name).outputs ?? {}, {});

/** What an update from one graph to the other does, by the kinds of resources. */
function done(before: Graph, after: Graph): Required<Allowed> {
  const kinds = { create: new Set<string>(), update: new Set<string>(), replace: new Set<string>() };
  const gone = new Set([...before].filter(([key]) => !after.has(key)).map(([, { type }]) => kind(type)));
  for (const [key, { type, name, inputs }] of after) {
    const old = before.get(key);
    const { changed, replaced } = differences(type, held(type, name, old?.inputs ?? {}), inputs);
    if (!old) kinds.create.add(kind(type));
    else if (replaced.length > 0) kinds.replace.add(kind(type));
    else if (changed.length > 0) kinds.update.add(kind(type));
  }
  return {
    create: [...kinds.create].sort(),
    update: [...kinds.update].sort(),
    replace: [...kinds.replace].sort(),
    delete: [...gone].sort(),
    keep: [],
  };
}

const kind = (type: string) => type.split(":").at(-1) ?? "";

const sorted = ({ create = [], update = [], delete: gone = [] }: Allowed): Required<Allowed> => ({
  create: [...create].sort(),
  update: [...update].sort(),
  replace: [],
  delete: [...gone].sort(),
  keep: [],
});

describe("a switch of a setting, as AWS's provider would carry it out", function () {
  this.timeout(60_000);
  let plain: Graph;

  before(async () => {
    plain = await graph({});
  });

  for (const each of SWITCHES) {
    it(`changes what it is about, there and back: ${each.setting}`, async () => {
      const switched = await graph(each.to);

      expect(done(plain, switched)).to.deep.equal(sorted(each.does));
      expect(done(switched, plain)).to.deep.equal(sorted(between(each, undefined)));
    });
  }

  it("takes away the buckets that were made, and makes none, where they are to be others' that exist", async () => {
    const existing = await graph({
      source: { existing: "my-photos", notification: true },
      results: { existing: "my-results" },
    });
    // What exists is read, and not made.
    for (const [key, { type, inputs }] of existing) {
      if (kind(type) === "Bucket" && !("forceDestroy" in inputs)) existing.delete(key);
    }

    expect(done(plain, existing)).to.deep.equal({
      create: [],
      update: ["Function", "RolePolicy", "TopicPolicy"],
      replace: ["BucketNotification"],
      delete: [
        "Bucket",
        "BucketLifecycleConfiguration",
        "BucketOwnershipControls",
        "BucketPolicy",
        "BucketPublicAccessBlock",
        "BucketServerSideEncryptionConfiguration",
        "BucketVersioning",
      ],
      keep: [],
    });
  });

  it("changes nothing where there is none, whatever a machine is made of", async () => {
    const all = await graph(ALL);

    expect(done(all, all)).to.deep.equal(sorted({}));
    expect([...new Set([...all.values()].map(({ type }) => type))]).to.have.members(TYPES);
  });

  it("keeps the key that is retired, and what is encrypted with it readable", async () => {
    const [used, retired] = [await graph({ key: "create" }), await graph({ key: "retire" })];

    expect(done(used, retired).delete).to.deep.equal([]);
    expect(done(used, retired).replace).to.deep.equal([]);
    expect(done(retired, plain)).to.deep.equal(
      sorted({ update: ["RolePolicy"], delete: ["Alias", "Key", "KeyPolicy"] }),
    );
  });

  it("is among those that are tried, for each setting there is", () => {
    const tried = SWITCHES.map(({ to }) => JSON.stringify(to)).join();
    const { workers, buckets, alarms } = FAN_OUT;
    const namesIn = ({ interfaces = {} }: Setting): string[] =>
      Object.values(interfaces).flatMap(({ settings }) => Object.keys(settings));
    const { scaling } = workers.interfaces?.WorkerSettings?.settings ?? {};
    const settings = [
      ...Object.keys(FAN_OUT),
      ...[workers, buckets, alarms, scaling].flatMap((group) => (group ? namesIn(group) : [])),
    ];
    expect(settings.filter((setting) => !tried.includes(`"${setting}"`))).to.deep.equal([]);
  });
});

describe("the provider that answers for AWS", () => {
  const queue = "aws:sqs/queue:Queue";
  const role = "aws:iam/role:Role";
  const trust = JSON.stringify({ Statement: [] });
  const refused: Record<string, [type: string, inputs: Inputs, reason: string]> = {
    "a name that is too long": [
      queue,
      { name: "q".repeat(81) },
      `name "${"q".repeat(81)}" is longer than 80`,
    ],
    "a name with a dot": [
      "aws:cloudwatch/dashboard:Dashboard",
      { dashboardName: "machine-dev.eu", dashboardBody: "{}" },
      'dashboardName "machine-dev.eu" is not /^[0-9A-Za-z_-]{1,255}$/',
    ],
    "an input that is missing": ["aws:sqs/queuePolicy:QueuePolicy", { policy: trust }, "queueUrl is missing"],
    "tags of a role that differ in case alone": [
      role,
      { assumeRolePolicy: trust, tags: { Project: "a", project: "b" } },
      'tags has "project" twice: "Duplicate tag keys found"',
    ],
    "a tag that is no text": [queue, { tags: { Cost: 5 } }, "tags Cost is no text"],
    "a policy that is no JSON": [
      role,
      { assumeRolePolicy: "everybody" },
      "assumeRolePolicy is no JSON document",
    ],
    "a policy without statements": [role, { assumeRolePolicy: "{}" }, "assumeRolePolicy has no statements"],
    "two kinds of encryption": [
      queue,
      { kmsMasterKeyId: "key", sqsManagedSseEnabled: true },
      "kmsMasterKeyId and sqsManagedSseEnabled exclude each other",
    ],
  };
  for (const [what, [type, inputs, reason]] of Object.entries(refused)) {
    it(`refuses ${what}`, () => {
      expect(failuresOf(type, inputs).map((each) => `${each.property} ${each.reason}`)).to.deep.equal([
        reason,
      ]);
    });
  }

  const urn = (type: string, name: string) => `urn:pulumi:dev::machine::${type}::${name}`;

  it("gives names as Pulumi does, keeps them, and refuses one that has no room for its digits", () => {
    const named = checked(urn(queue, "images"), {}, {});

    expect(named.name).to.match(/^images-[0-9a-f]{7}$/);
    expect(checked(urn(queue, "images"), named, {})).to.deep.equal(named);
    expect(() => checked(urn(role, "r".repeat(57)), {}, {})).to.throw("longer than maximum length 64");
  });

  it("makes another resource where AWS cannot change one, and its name cannot be taken twice", () => {
    const before = held(queue, "q", { name: "q" });

    expect(differences(queue, before, { name: "q", fifoQueue: true })).to.deep.equal({
      changed: ["fifoQueue"],
      replaced: ["fifoQueue"],
      deleteFirst: true,
    });
    expect(differences(queue, before, { name: "q", delaySeconds: 5 }).replaced).to.deep.equal([]);
  });

  it("keeps what is left out where AWS does", () => {
    const before = held(queue, "q", { name: "q", sqsManagedSseEnabled: true, delaySeconds: 5 });

    expect(differences(queue, before, { name: "q" }).changed).to.deep.equal(["delaySeconds"]);
  });

  it("refuses what refers to something that is not there, and what would be taken from another stack", () => {
    const aws = new Aws();
    const policy = "aws:sqs/queuePolicy:QueuePolicy";
    const dashboard = "aws:cloudwatch/dashboard:Dashboard";
    const board = { dashboardName: "machine", dashboardBody: "{}" };
    aws.create(urn(dashboard, "board"), board);

    expect(() => aws.create(urn(policy, "p"), { queueUrl: "https://nowhere", policy: trust })).to.throw(
      "there is no queue https://nowhere",
    );
    expect(() => aws.create(urn(dashboard, "board").replace("dev", "prod"), board)).to.throw(
      `it is ${urn(dashboard, "board")}'s`,
    );
  });
});

describe("the plugin that Pulumi's engine attaches to", () => {
  it("checks, makes, compares and deletes over Pulumi's protocol", async () => {
    const aws = new Aws();
    const plugin = await servePlugin(aws);
    const client = new ResourceProviderClient(`127.0.0.1:${plugin.port}`, credentials.createInsecure());
    afterTest(() => {
      client.close();
      plugin.close();
    });
    const urn = "urn:pulumi:dev::machine::aws:sqs/queue:Queue::images";
    const struct = (inputs: Inputs) => Struct.fromJavaScript(inputs);
    // biome-ignore lint/suspicious/noExplicitAny: the generated services are not typed
    const ask = async (method: string, request: any): Promise<any> => {
      request.setUrn(urn);
      return await promisify(client[method]).call(client, request);
    };

    const check = new provider.CheckRequest();
    check.setNews(struct({ delaySeconds: 5 }));
    check.setOlds(struct({}));
    const inputs = (await ask("check", check)).getInputs();
    const create = new provider.CreateRequest();
    create.setProperties(inputs);
    const created = await ask("create", create);
    const diff = new provider.DiffRequest();
    diff.setOlds(created.getProperties());
    diff.setNews(struct({ ...inputs.toJavaScript(), delaySeconds: 0, fifoQueue: true }));
    const found = await ask("diff", diff);
    const remove = new provider.DeleteRequest();
    remove.setId(created.getId());
    await ask("delete", remove);

    expect(created.getProperties().toJavaScript().url).to.equal(created.getId());
    expect(found.getDiffsList()).to.have.members(["delaySeconds", "fifoQueue"]);
    expect(found.getReplacesList()).to.deep.equal(["fifoQueue"]);
    expect(found.getDeletebeforereplace()).to.equal(false);
    expect(aws.held.size).to.equal(0);
  });
});

describe("npm run engine", function () {
  this.timeout(60_000);

  it("says that there is no Pulumi CLI where there is none, and ends with 2", async () => {
    const child = spawn(process.execPath, ["test/engine/engine.ts"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: "" },
    });
    const exited = once(child, "exit");

    expect(await text(child.stderr)).to.match(/^There is no Pulumi CLI on the PATH [^\n]*\n$/);
    expect(await exited).to.deep.equal([2, null]);
  });
});
