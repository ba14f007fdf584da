/**
 * `npm run check:component`: the component package as it is published, installed into empty folders, and started as Pulumi's
 * language host starts it, on the oldest and newest Node.js.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { credentials } from "@grpc/grpc-js";
import { expect } from "chai";
import { serveEngine } from "./support/pulumi-runtime.ts";

// Pulumi's protocol buffers are CommonJS whose names Node cannot see from an ES module.
const require = createRequire(import.meta.url);
const provider: typeof import("@pulumi/pulumi/proto/provider_pb.js") = require("@pulumi/pulumi/proto/provider_pb.js");
const { ResourceProviderClient } = require("@pulumi/pulumi/proto/provider_grpc_pb.js");
const { Struct } = require("google-protobuf/google/protobuf/struct_pb.js");

const run = promisify(execFile);

/** Node.js, and the newest of Pulumi's runtimes that it runs. */
const HOSTS: Record<string, string[]> = {
  "node@20.20.2": ["@pulumi/pulumi@3.230.0"],
  "node@24.21.0": ["@pulumi/pulumi@3.270.0"],
};

/** Runs npm without this project's settings. */
async function npm(folder: string, ...args: string[]): Promise<string> {
  const own = Object.keys(process.env).filter((name) =>
    /^(npm_|INIT_CWD$|NODE_(OPTIONS|PATH|COMPILE_CACHE)$)/.test(name),
  );
  const env = { ...process.env, ...Object.fromEntries(own.map((name) => [name, undefined])) };
  return (await run("npm", args, { cwd: folder, env, maxBuffer: 2 ** 26 })).stdout;
}

describe("the component package", function () {
  this.timeout(400_000);
  let root: string;
  let tarball: string;

  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), "component-"));
    await run("npm", ["run", "build"]);
    const [packed] = JSON.parse(await npm(root, "pack", "--json", path.resolve("dist")));
    tarball = path.join(root, packed.filename);
  });

  after(() => rm(root, { recursive: true, force: true }));

  for (const [node, runtime] of Object.entries(HOSTS)) {
    describe(`on ${node}`, () => {
      let folder: string;
      let host: ChildProcess;
      let port: string;
      let engine: Awaited<ReturnType<typeof serveEngine>>;

      // biome-ignore lint/suspicious/noExplicitAny: the generated services are not typed
      const ask = async (method: string, request: object): Promise<any> => {
        const client = new ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
          "grpc.max_receive_message_length": -1,
        });
        try {
          return await promisify(client[method]).call(client, request);
        } finally {
          client.close();
        }
      };
      const construct = (inputs: object) => {
        const request = new provider.ConstructRequest();
        request.setProject("somebody");
        request.setStack("dev");
        request.setOrganization("organization");
        request.setDryrun(false);
        request.setParallel(16);
        request.setMonitorendpoint(engine.address);
        request.setType("image-machine:index:ImageMachine");
        request.setName("images");
        request.setInputs(Struct.fromJavaScript(inputs));
        return ask("construct", request);
      };

      before(async () => {
        folder = path.join(root, node);
        await mkdir(folder);
        await writeFile(
          path.join(folder, "package.json"),
          JSON.stringify({ private: true, allowScripts: { node: true } }),
        );
        await npm(folder, "install", "--no-audit", "--no-fund", node, tarball, ...runtime);
        engine = await serveEngine(false);
        const modules = path.join(folder, "node_modules");
        host = spawn(
          path.join(modules, ".bin/node"),
          [
            path.join(modules, "@pulumi/pulumi/cmd/run-plugin"),
            path.join(modules, "image-machine/component"),
            engine.address,
          ],
          { cwd: folder, stdio: ["ignore", "pipe", "inherit"] },
        );
        [port] = (await once(createInterface({ input: host.stdout as NodeJS.ReadableStream }), "line")) as [
          string,
        ];
        expect(port).to.match(/^\d+$/);
      });

      after(async () => {
        engine?.close();
        if (host?.kill()) await once(host, "exit");
      });

      it("says its schema: one component, with flat arguments and outputs", async () => {
        const response = await ask("getSchema", new provider.GetSchemaRequest());
        const schema = JSON.parse(response.getSchema());
        const { inputProperties, properties } = schema.resources["image-machine:index:ImageMachine"];

        expect([schema.name, Object.keys(schema.resources)]).to.deep.equal([
          "image-machine",
          ["image-machine:index:ImageMachine"],
        ]);
        expect(inputProperties).to.include.keys(
          "rotations",
          "thumbnails",
          "processors",
          "workers",
          "alarms",
          "tags",
        );
        expect(inputProperties.retention.description).to.match(
          /^What happens to images, .*Default:\s+keep\.$/s,
        );
        expect(Object.keys(properties).sort()).to.deep.equal([
          ...["alarmTopic", "resultsBucket", "sourceBucket", "topic", "workers"],
        ]);
        expect(Object.keys(schema.types)).to.include("image-machine:index:Rotation");
      });

      it("declares a machine", async () => {
        const response = await construct({
          retention: "destroy",
          rotations: [
            { name: "clockwise", angle: 90 },
            { name: "half", angle: 180, memorySize: 3008 },
          ],
          alarms: { late: { enabled: false } },
        });

        expect(response.getUrn()).to.match(/::image-machine:index:ImageMachine::images$/);
        expect(response.getState().toJavaScript().workers).to.have.all.keys("clockwise", "half");
        expect(engine.complaints).to.deep.equal([]);
        const of = (type: string) => engine.resources.filter((each) => each.type === type);
        expect(of("aws:lambda/function:Function").map(({ inputs }) => inputs.memorySize)).to.have.members([
          1769, 3008,
        ]);
        expect(of("aws:lambda/layerVersion:LayerVersion")).to.have.length(1);
        expect(
          of("aws:cloudwatch/metricAlarm:MetricAlarm").filter(({ name }) => name.includes("late")),
        ).to.deep.equal([]);
        const parent = of("image-machine:index:ImageFanOut")[0]?.parent;
        expect(parent).to.equal(response.getUrn());
      });

      it("refuses what is out of range in a sentence", async () => {
        const refused = await construct({ retention: "forever" }).catch(({ message }: Error) => message);

        expect(`${refused}${engine.complaints}`).to.contain(
          'retention is "forever", but must be keep or destroy.',
        );
      });
    });
  }
});
