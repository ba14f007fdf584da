import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { text } from "node:stream/consumers";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { PROJECT_NAME } from "./project.ts";

// Pulumi's protocol buffers are CommonJS whose names Node cannot see from an ES module.
const require = createRequire(import.meta.url);
type Resource = typeof import("@pulumi/pulumi/proto/resource_pb.js");
type Engine = typeof import("@pulumi/pulumi/proto/engine_pb.js");
const resource: Resource = require("@pulumi/pulumi/proto/resource_pb.js");
const engine: Engine = require("@pulumi/pulumi/proto/engine_pb.js");
const { ResourceMonitorService } = require("@pulumi/pulumi/proto/resource_grpc_pb.js");
const { EngineService } = require("@pulumi/pulumi/proto/engine_grpc_pb.js");
const { Empty } = require("google-protobuf/google/protobuf/empty_pb.js");
const { Struct } = require("google-protobuf/google/protobuf/struct_pb.js");

/** What stands for a value that is not known before the resource exists. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Name of a bucket that exists and keeps no versions; all others do. */
export const WITHOUT_VERSIONS = "without-versions";

export interface RuntimeResource {
  readonly type: string;
  readonly name: string;
  readonly parent: string;
  readonly urn: string;
  readonly inputs: Record<string, unknown>;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  /** URN and identifier of the provider, where it is not the default one. */
  readonly provider: string;
  /** URNs of the resources that the engine waits for before it makes or changes this one. */
  readonly dependencies: readonly string[];
  /** URNs that it had before, those that follow from its parent's included. */
  readonly aliases: readonly string[];
}

export interface RuntimeResult {
  readonly exitCode: number | null;
  readonly resources: RuntimeResource[];
  readonly stackOutputs: Record<string, unknown>;
  /** Warnings and errors that the engine was told, and whatever was printed. */
  readonly complaints: string[];
}

/** The engine's side of a program or a component: what it was told so far. */
export interface ServedEngine {
  /** Of monitor and engine. */
  readonly address: string;
  readonly resources: RuntimeResource[];
  readonly complaints: string[];
  stackOutputs(): Record<string, unknown>;
  close(): void;
}

/**
 * Serves what Pulumi's runtime asks for: records resources, and answers with values in AWS's shape.
 * @param others what a stack that the program refers to has for outputs
 */
export async function serveEngine(
  preview: boolean,
  others: Record<string, unknown> = {},
): Promise<ServedEngine> {
  const resources: RuntimeResource[] = [];
  const complaints: string[] = [];
  let stackOutputs: Record<string, unknown> = {};
  let root = "";

  // biome-ignore lint/suspicious/noExplicitAny: the generated services are not typed
  type Call = (call: ServerUnaryCall<any, any>, answer: sendUnaryData<any>) => void;
  const nothing: Call = (_call, answer) => answer(null, new Empty());
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  const features = ["secrets", "resourceReferences", "outputValues", "deletedWith"];
  // The runtime cannot work out aliases of what it reads: it has forgotten the name by then.
  if (Object.keys(others).length > 0) features.push("aliasSpecs");
  server.addService(ResourceMonitorService, {
    supportsFeature: ((call, answer) => {
      const response = new resource.SupportsFeatureResponse();
      response.setHassupport(features.includes(call.request.getId()));
      answer(null, response);
    }) satisfies Call,
    registerResource: ((call, answer) => {
      const { request } = call;
      const [type, name, parent] = [request.getType(), request.getName(), request.getParent()];
      const inputs = request.getObject()?.toJavaScript() ?? {};
      const parentType = parent.split("::")[2] ?? "";
      const qualified =
        parentType && !parentType.startsWith("pulumi:pulumi:Stack") ? `${parentType}$${type}` : type;
      const urn = `urn:pulumi:dev::${PROJECT_NAME}::${qualified}::${name}`;
      if (resources.some((each) => each.urn === urn)) complaints.push(`registered twice: ${urn}`);
      resources.push({
        type,
        name,
        parent,
        urn,
        inputs,
        protect: request.getProtect() ?? false,
        retainOnDelete: request.getRetainondelete() ?? false,
        provider: request.getProvider(),
        dependencies: request.getDependenciesList(),
        aliases: request.getAliasurnsList(),
      });
      const outputs = request.getCustom() ? answered(type, name, inputs, preview) : {};
      const response = new resource.RegisterResourceResponse();
      response.setUrn(urn);
      response.setId(request.getCustom() && !preview ? `${name}-id` : "");
      response.setObject(Struct.fromJavaScript(outputs));
      answer(null, response);
    }) satisfies Call,
    // What exists is there in a preview, too.
    readResource: ((call, answer) => {
      const { request } = call;
      const [type, name, id] = [request.getType(), request.getName(), request.getId()];
      const response = new resource.ReadResourceResponse();
      response.setUrn(`urn:pulumi:dev::${PROJECT_NAME}::${type}::${name}`);
      const state = type.endsWith(":StackReference")
        ? { name: id, outputs: others, secretOutputNames: [] }
        : {
            ...answered(type, name, {}, false),
            ...(type.endsWith(":Topic")
              ? { arn: id }
              : { bucket: id, arn: `arn:aws:s3:::${id}`, versioning: { enabled: id !== WITHOUT_VERSIONS } }),
          };
      response.setProperties(Struct.fromJavaScript(state));
      answer(null, response);
    }) satisfies Call,
    registerResourceOutputs: ((call, answer) => {
      if (call.request.getUrn().includes("pulumi:pulumi:Stack")) {
        stackOutputs = call.request.getOutputs()?.toJavaScript() ?? {};
      }
      answer(null, new Empty());
    }) satisfies Call,
    registerStackTransform: nothing,
    registerStackInvokeTransform: nothing,
    signalAndWaitForShutdown: nothing,
  });
  server.addService(EngineService, {
    log: ((call, answer) => {
      if (call.request.getSeverity() >= engine.LogSeverity.WARNING)
        complaints.push(call.request.getMessage());
      answer(null, new Empty());
    }) satisfies Call,
    getRootResource: ((_call, answer) => {
      const response = new engine.GetRootResourceResponse();
      response.setUrn(root);
      answer(null, response);
    }) satisfies Call,
    setRootResource: ((call, answer) => {
      root = call.request.getUrn();
      answer(null, new engine.SetRootResourceResponse());
    }) satisfies Call,
  });

  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    resources,
    complaints,
    stackOutputs: () => stackOutputs,
    close: () => server.forceShutdown(),
  };
}
/**
 * Runs the program in this folder, or another, as `pulumi preview` or `pulumi up` does: in Pulumi's own Node.js
 * runtime, which registers resources over gRPC. The engine's side of it records them, and answers with values in
 * AWS's shape. It is one that leaves it to the runtime to work out aliases.
 * @param others what a stack that the program refers to has for outputs
 * @param where the project, its Node.js, and whether Pulumi compiles TypeScript there
 */
export async function runInPulumiRuntime(
  command: "preview" | "up",
  config: Record<string, string> = {},
  program = ".",
  others: Record<string, unknown> = {},
  where = { folder: process.cwd(), node: process.execPath, typescript: false },
): Promise<RuntimeResult> {
  const preview = command === "preview";
  const { address, resources, complaints, stackOutputs, close } = await serveEngine(preview, others);
  const child = spawn(
    where.node,
    [
      createRequire(path.join(where.folder, "index.js")).resolve("@pulumi/pulumi/cmd/run"),
      `--monitor=${address}`,
      `--engine=${address}`,
      "--organization=organization",
      `--project=${PROJECT_NAME}`,
      "--stack=dev",
      `--root-directory=${where.folder}`,
      `--pwd=${where.folder}`,
      "--parallel=16",
      ...(preview ? ["--dry-run"] : []),
      program,
    ],
    {
      cwd: where.folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        PULUMI_NODEJS_TYPESCRIPT: `${where.typescript}`,
        PULUMI_CONFIG: JSON.stringify(config),
        PULUMI_CONFIG_SECRET_KEYS: "[]",
      },
    },
  );
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const [printed, warned, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  close();
  complaints.push(...`${printed}${warned}`.split("\n").filter((line) => line.trim() !== ""));
  return { exitCode, resources, stackOutputs: stackOutputs(), complaints };
}

/** The inputs, and what AWS adds to them: known after `up`, unknown in a preview. */
function answered(
  type: string,
  name: string,
  inputs: Record<string, unknown>,
  preview: boolean,
): Record<string, unknown> {
  const physical = `${name}-0123456`;
  const arn = (service: string, resource: string) => `arn:aws:${service}:eu-west-1:123456789012:${resource}`;
  const computed: Record<string, Record<string, string>> = {
    "aws:s3/bucket:Bucket": { bucket: physical, arn: `arn:aws:s3:::${physical}` },
    "aws:sns/topic:Topic": { name: physical, arn: arn("sns", physical) },
    "aws:sqs/queue:Queue": {
      name: physical,
      arn: arn("sqs", physical),
      url: `https://sqs.eu-west-1.amazonaws.com/123456789012/${physical}`,
    },
    "aws:iam/role:Role": { name: physical, arn: `arn:aws:iam::123456789012:role/${physical}` },
    "aws:lambda/function:Function": { name: physical, arn: arn("lambda", `function:${physical}`) },
    "aws:lambda/layerVersion:LayerVersion": { arn: arn("lambda", `layer:${physical}:1`) },
    "aws:cloudwatch/logGroup:LogGroup": { name: physical, arn: arn("logs", `log-group:${physical}`) },
    "aws:kms/key:Key": { keyId: physical, arn: arn("kms", `key/${physical}`) },
  };
  const known = Object.entries(computed[type] ?? {});
  return {
    ...Object.fromEntries(known.map(([output, value]) => [output, preview ? UNKNOWN : value])),
    ...inputs,
  };
}
