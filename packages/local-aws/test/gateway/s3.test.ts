import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { expect } from "chai";
import { afterTest } from "../../../../test/support/cleanup.ts";
import { Direct } from "../../src/gateway/direct.ts";
import { s3Service } from "../../src/gateway/s3.ts";
import { Identity } from "../../src/iam/identity.ts";
import type { Messaging } from "../../src/messaging/messaging.ts";
import { openStore, temporaryFolder } from "../store/support.ts";

const ACCOUNT = "123456789012";
const KEY = `arn:aws:kms:eu-west-1:${ACCOUNT}:key/ours`;

const allow = (Action: string[], Resource: string, Condition: object = {}) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action, Resource, Condition }],
  });

describe("a bucket with a key", () => {
  let identity: Identity;
  let client: S3Client;
  let setKey: (key: string) => void;
  let machineItself: () => Direct;

  beforeEach(async () => {
    identity = new Identity(ACCOUNT);
    const store = await openStore();
    setKey = (key) => store.setEncryptionKey("bucket", key);
    const server = createServer(s3Service(store, identity, "eu-west-1", () => {}));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const trust = {
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
      ],
    };
    const role = identity.createRole("role", JSON.stringify(trust));
    identity.addRolePolicy("role", allow(["s3:PutObject", "s3:GetObject"], "arn:aws:s3:::bucket/*"));
    const credentials = identity.assumeForFunction(role, "worker");
    machineItself = () => {
      const { principal = { type: "anonymous" } } = identity.lookup(credentials.accessKeyId) ?? {};
      const messaging = {} as Messaging;
      const endpoint = "http://127.0.0.1:1";
      return new Direct({
        ...{ region: "eu-west-1", accountId: ACCOUNT, identity, messaging, store, endpoint, principal },
      });
    };
    client = new S3Client({
      region: "eu-west-1",
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      forcePathStyle: true,
      credentials,
      maxAttempts: 1,
    });
    afterTest(() => {
      client.destroy();
      server.close();
      server.closeAllConnections();
    });
  });

  const object = { Bucket: "bucket", Key: "k" };
  const said = (request: Promise<unknown>) =>
    request.then(
      () => "allowed",
      ({ name, message }) => `${name}: ${message}`,
    );
  const put = () => said(client.send(new PutObjectCommand({ ...object, Body: "x" })));
  const get = () => said(client.send(new GetObjectCommand(object)));
  const mayUse = (action: string, service: string) =>
    identity.addRolePolicy(
      "role",
      allow([`kms:${action}`], KEY, {
        StringEquals: { "kms:ViaService": `${service}.eu-west-1.amazonaws.com` },
      }),
    );

  it("is written and read by roles that may use the key by way of S3", async () => {
    setKey(KEY);
    mayUse("GenerateDataKey", "sqs");
    expect(await put()).to.match(/^AccessDenied: role role is denied: .* kms:GenerateDataKey on .*key\/ours/);
    mayUse("GenerateDataKey", "s3");
    expect(await put()).to.equal("allowed");
    expect(await get()).to.match(/^AccessDenied: role role is denied: .* kms:Decrypt on .*key\/ours/);
    const { ServerSideEncryption } = await client.send(new HeadObjectCommand(object));
    expect(ServerSideEncryption).to.equal("aws:kms");
    mayUse("Decrypt", "s3");
    expect(await get()).to.equal("allowed");
  });

  it("is written and read by this machine itself only where it may use the key", async () => {
    const direct = machineItself();
    const putOne = () => said(direct.put("bucket", "k", [Buffer.from("x")]));
    const save = async () => said(direct.save("bucket", "k", join(await temporaryFolder(), "k")));
    setKey(KEY);
    expect(await putOne()).to.match(/^S3Error: .* kms:GenerateDataKey on .*key\/ours/);
    mayUse("GenerateDataKey", "s3");
    expect(await putOne()).to.equal("allowed");
    expect(await save()).to.match(/^S3Error: .* kms:Decrypt on .*key\/ours/);
    mayUse("Decrypt", "s3");
    expect(await save()).to.equal("allowed");
  });

  it("of AWS's own asks for no more than the bucket does", async () => {
    setKey("alias/aws/s3");
    expect([await put(), await get()]).to.deep.equal(["allowed", "allowed"]);
  });
});
