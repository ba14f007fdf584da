import { createHash } from "node:crypto";
import { type AccessRequest, type Decision, evaluate, type Principal } from "./iam/decision.ts";
import { checkPolicy, type Policy } from "./iam/policy.ts";
import type { Credential } from "./iam/signature.ts";

/** What a client signs its requests with. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * Who is who on this computer, and what the program's policies allow them: the roles of the functions, each with
 * an access key of its own, the policies of buckets, topics and queues, and one administrator, the person here.
 */
export class Identity {
  /** May do everything that no policy forbids. */
  readonly administrator: Credentials;
  readonly #accountId: string;
  readonly #keys = new Map<string, Credential<Principal>>();
  readonly #identityPolicies = new Map<string, Policy[]>();
  readonly #trustPolicies = new Map<string, Policy>();
  readonly #resourcePolicies = new Map<string, Policy>();

  constructor(accountId: string) {
    this.#accountId = accountId;
    const arn = `arn:aws:iam::${accountId}:user/administrator`;
    this.administrator = this.#issue({ type: "user", arn, id: uniqueId("AIDA", arn) });
    const everything = {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
    };
    this.#identityPolicies.set(arn, [
      checkPolicy(everything, { kind: "identity", source: "the administrator" }),
    ]);
  }

  /** @returns the role's ARN @throws {PolicyError} */
  createRole(name: string, trustPolicy: string): string {
    const arn = `arn:aws:iam::${this.#accountId}:role/${name}`;
    this.#trustPolicies.set(
      arn,
      checkPolicy(trustPolicy, { kind: "trust", source: `trust policy of ${name}` }),
    );
    this.#identityPolicies.set(arn, []);
    return arn;
  }

  /** @throws {PolicyError} */
  addRolePolicy(roleName: string, document: string): void {
    const arn = `arn:aws:iam::${this.#accountId}:role/${roleName}`;
    this.#identityPolicies
      .get(arn)
      ?.push(checkPolicy(document, { kind: "identity", source: `role ${roleName}` }));
  }

  /** @param arn of a bucket, topic or queue @throws {PolicyError} */
  setResourcePolicy(arn: string, document: string): void {
    this.#resourcePolicies.set(arn, checkPolicy(document, { kind: "resource", source: `policy of ${arn}` }));
  }

  /** The access key of a function that runs with this role. @throws Error where Lambda may not assume the role. */
  assumeForFunction(roleArn: string, functionName: string): Credentials {
    const trust = this.#trustPolicies.get(roleArn);
    const decision = evaluate(
      {
        principal: { type: "service", name: "lambda.amazonaws.com" },
        action: "sts:AssumeRole",
        resource: roleArn,
        time: new Date(),
      },
      trust ? [trust] : [],
    );
    if (!decision.allowed) throw new Error(decision.message);
    return this.#issue({
      type: "role",
      arn: roleArn,
      id: uniqueId("AROA", roleArn),
      sessionName: functionName,
    });
  }

  lookup(accessKeyId: string): Credential<Principal> | undefined {
    return this.#keys.get(accessKeyId);
  }

  /** What the policies say. A loopback connection counts as secure transport: nobody can listen in between. */
  judge(
    principal: Principal,
    action: string,
    resource: string,
    context: AccessRequest["context"] = {},
  ): Decision {
    const own = "arn" in principal ? (this.#identityPolicies.get(principal.arn) ?? []) : [];
    const ofResource = this.#resourcePolicies.get(resource.replace(/^(arn:[^:]*:s3:::[^/]+)\/.*$/s, "$1"));
    return evaluate(
      {
        principal,
        action,
        resource,
        time: new Date(),
        context: { "aws:SecureTransport": "true", ...context },
      },
      ofResource ? [...own, ofResource] : own,
    );
  }

  /** What a service may do on behalf of a resource of this account: S3 for a bucket, SNS for a topic. */
  judgeService(service: string, sourceArn: string, action: string, resource: string): Decision {
    return this.judge({ type: "service", name: service }, action, resource, {
      "aws:SourceArn": sourceArn,
      "aws:SourceAccount": this.#accountId,
    });
  }

  /** Keys follow from whom they are for, so that they are the same at the next start. They open nothing but this machine. */
  #issue(principal: Principal & { arn: string }): Credentials {
    const session = "sessionName" in principal ? principal.sessionName : "";
    const credentials = {
      accessKeyId: uniqueId("AKIA", principal.arn + session),
      secretAccessKey: createHash("sha256")
        .update(`secret of ${principal.arn} ${session}`)
        .digest("base64url")
        .slice(0, 40),
    };
    this.#keys.set(credentials.accessKeyId, { ...credentials, principal });
    return credentials;
  }
}

/** An identifier in IAM's shape: a prefix that says of what, and 16 capitals and digits. */
function uniqueId(prefix: string, of: string): string {
  const digits = createHash("sha256").update(of).digest("hex").toUpperCase();
  return prefix + digits.slice(0, 16);
}
