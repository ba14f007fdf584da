import { createRequire } from "node:module";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import type { Aws } from "./aws.ts";
import { failuresOf } from "./aws.ts";
import { differences, tokenOf, UNKNOWN } from "./diff.ts";
import { type Inputs, type ResourceType, typeOf } from "./types.ts";

// Pulumi's protocol buffers are CommonJS whose names Node cannot see from an ES module.
const require = createRequire(import.meta.url);
type Provider = typeof import("@pulumi/pulumi/proto/provider_pb.js");
const provider: Provider = require("@pulumi/pulumi/proto/provider_pb.js");
const { PluginInfo } = require("@pulumi/pulumi/proto/plugin_pb.js");
const { ResourceProviderService } = require("@pulumi/pulumi/proto/provider_grpc_pb.js");
const { Empty } = require("google-protobuf/google/protobuf/empty_pb.js");
const { Struct } = require("google-protobuf/google/protobuf/struct_pb.js");
const { version } = require("@pulumi/aws/package.json");

/** Digits that Pulumi puts behind a resource's name. */
const DIGITS = 7;

/** The inputs as the provider takes them: documents as text, with a name. @throws Error where there is no room for one */
export function checked(urn: string, olds: Inputs, news: Inputs): Inputs {
  const type = typeOf(tokenOf(urn));
  const documents = (type.documents ?? []).filter((input) => typeof news[input] === "object");
  return withName(urn, type, olds, {
    ...news,
    ...Object.fromEntries(documents.map((input) => [input, asText(news[input])])),
  });
}

/** JSON, or what stands for all of it where a part is not known yet. */
function asText(document: unknown): string {
  const text = JSON.stringify(document);
  return text.includes(UNKNOWN) ? UNKNOWN : text;
}

/** The name that Pulumi makes where the program gives none: it stays the same from one update to the next. */
function withName(urn: string, { name }: ResourceType, olds: Inputs, news: Inputs): Inputs {
  if (!name?.automatic || news[name.input] !== undefined || news.namePrefix !== undefined) return news;
  const logical = urn.split("::")[3] ?? "";
  if (logical.length + 1 + DIGITS > name.maximum) {
    throw new Error(
      `failed to apply auto-naming: name '${logical}-' plus ${DIGITS} random chars is longer than maximum length ${name.maximum}`,
    );
  }
  const before = olds.__defaults?.includes(name.input) ? olds[name.input] : undefined;
  const digits = Math.floor(Math.random() * 16 ** DIGITS)
    .toString(16)
    .padStart(DIGITS, "0");
  return { ...news, [name.input]: before ?? `${logical}-${digits}`, __defaults: [name.input] };
}

/** The plugin `aws`, as the engine attaches to it: PULUMI_DEBUG_PROVIDERS=aws:PORT. */
export async function servePlugin(aws: Aws): Promise<{ readonly port: number; close(): void }> {
  // biome-ignore lint/suspicious/noExplicitAny: the generated services are not typed
  type Request = any;
  // biome-ignore lint/suspicious/noExplicitAny: the generated services are not typed
  type Call = (call: ServerUnaryCall<any, any>, answer: sendUnaryData<any>) => void;
  const answering =
    (respond: (request: Request) => unknown): Call =>
    ({ request }, answer) => {
      try {
        answer(null, respond(request));
      } catch (error) {
        answer({ code: status.UNKNOWN, details: (error as Error).message });
      }
    };
  const inputsOf = (struct: { toJavaScript(): Inputs } | undefined): Inputs => struct?.toJavaScript() ?? {};
  const struct = (inputs: Inputs) => Struct.fromJavaScript(inputs);
  const nothing = answering(() => new Empty());
  const unimplemented: Call = (_, answer) =>
    answer({ code: status.UNIMPLEMENTED, details: "not known here" });

  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.addService(ResourceProviderService, {
    handshake: unimplemented,
    attach: nothing,
    cancel: nothing,
    getPluginInfo: answering(() => {
      const response = new PluginInfo();
      response.setVersion(version);
      return response;
    }),
    getSchema: answering(() => {
      const response = new provider.GetSchemaResponse();
      response.setSchema("{}");
      return response;
    }),
    getMapping: unimplemented,
    getMappings: unimplemented,
    checkConfig: answering((request) => {
      const response = new provider.CheckResponse();
      response.setInputs(request.getNews());
      return response;
    }),
    diffConfig: answering(() => {
      const response = new provider.DiffResponse();
      response.setChanges(provider.DiffResponse.DiffChanges.DIFF_NONE);
      return response;
    }),
    configure: answering(() => {
      const response = new provider.ConfigureResponse();
      response.setSupportspreview(false);
      return response;
    }),
    check: answering((request) => {
      const token = tokenOf(request.getUrn());
      const inputs = checked(request.getUrn(), inputsOf(request.getOlds()), inputsOf(request.getNews()));
      const response = new provider.CheckResponse();
      response.setInputs(struct(inputs));
      response.setFailuresList(
        failuresOf(token, inputs).map(({ property, reason }) => {
          const failure = new provider.CheckFailure();
          failure.setProperty(property);
          failure.setReason(`${property} ${reason}`);
          return failure;
        }),
      );
      return response;
    }),
    diff: answering((request) => {
      const token = tokenOf(request.getUrn());
      const found = differences(token, inputsOf(request.getOlds()), inputsOf(request.getNews()));
      const { DIFF_SOME, DIFF_NONE } = provider.DiffResponse.DiffChanges;
      const response = new provider.DiffResponse();
      response.setChanges(found.changed.length > 0 ? DIFF_SOME : DIFF_NONE);
      response.setDiffsList(found.changed);
      response.setReplacesList(found.replaced);
      response.setDeletebeforereplace(found.deleteFirst);
      return response;
    }),
    create: answering((request) => {
      const { id, state } = aws.create(request.getUrn(), inputsOf(request.getProperties()));
      const response = new provider.CreateResponse();
      response.setId(id);
      response.setProperties(struct(state));
      return response;
    }),
    read: answering((request) => {
      const held = aws.get(tokenOf(request.getUrn()), request.getId());
      const response = new provider.ReadResponse();
      if (held) {
        response.setId(held.id);
        response.setProperties(struct(held.state));
        response.setInputs(request.getInputs());
      }
      return response;
    }),
    update: answering((request) => {
      const { state } = aws.update(tokenOf(request.getUrn()), request.getId(), inputsOf(request.getNews()));
      const response = new provider.UpdateResponse();
      response.setProperties(struct(state));
      return response;
    }),
    delete: answering((request) => {
      aws.delete(tokenOf(request.getUrn()), request.getId());
      return new Empty();
    }),
    invoke: answering((request) => {
      throw new Error(`the program asks for ${request.getTok()}, which is not known here.`);
    }),
    call: unimplemented,
    parameterize: unimplemented,
    list: unimplemented,
    construct: unimplemented,
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, close: () => server.forceShutdown() };
}
