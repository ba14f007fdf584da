import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { keyArn } from "../arn.ts";
import { Events } from "../events.ts";
import { type AccessRequest, type Decision, evaluate, type Principal } from "./decision.ts";
import { checkPolicy, type Policy } from "./policy.ts";
import type { Credential } from "./signature.ts";

/** Credentials that a client signs its requests with. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Goes with every request of a role. */
  readonly sessionToken?: string;
}

/**
 * The principals on this computer, and the policies that judge them: the roles of the functions, each with
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
  readonly #documents = new Map<string, string>();
  readonly #file: string | undefined;
  readonly #events: Events;
  /** ARNs whose policies are those of an earlier process. */
  readonly #restored: Set<string>;

  /**
   * @param file keeps the policies of resources for the next process; without one they are gone at the end
   * @param events is told of every decision
   */
  constructor(accountId: string, file?: string, events = new Events()) {
    this.#accountId = accountId;
    this.#events = events;
    this.#file = file;
    for (const [arn, document] of file && existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : []) {
      this.#setResourcePolicy(arn, document);
    }
    this.#restored = new Set(this.#documents.keys());
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

  /** @returns whether there is such a role @throws {PolicyError} */
  addRolePolicy(roleName: string, document: string): boolean {
    const policies = this.#identityPolicies.get(`arn:aws:iam::${this.#accountId}:role/${roleName}`);
    // The source and a statement's Sid or number name it among all statements.
    const others = policies?.length ? `, policy ${policies.length + 1}` : "";
    const policy = checkPolicy(document, { kind: "identity", source: `role ${roleName}${others}` });
    policies?.push(policy);
    return policies !== undefined;
  }

  /** The policies of each role, in the order in which both were made. */
  rolePolicies(): { readonly role: string; readonly policies: readonly Policy[] }[] {
    return [...this.#identityPolicies]
      .filter(([arn]) => this.#trustPolicies.has(arn))
      .map(([arn, policies]) => ({ role: arn.slice(arn.indexOf("/") + 1), policies }));
  }

  /** True where policies of an earlier process are in force: what it ran goes on running, as on AWS. */
  get resumed(): boolean {
    return this.#restored.size > 0;
  }

  /** @param arn of a bucket, topic, queue or key @param document none where it is empty @throws {PolicyError} */
  setResourcePolicy(arn: string, document: string): void {
    this.#restored.delete(arn);
    if ((this.#documents.get(arn) ?? "") === document) return;
    this.#setResourcePolicy(arn, document);
    this.#save();
  }

  /** Takes away the policies of an earlier process that were not set again by this one. */
  dropRestored(): void {
    for (const arn of this.#restored) this.setResourcePolicy(arn, "");
  }

  #setResourcePolicy(arn: string, document: string): void {
    if (document === "") {
      this.#resourcePolicies.delete(arn);
      this.#documents.delete(arn);
    } else {
      this.#resourcePolicies.set(
        arn,
        checkPolicy(document, { kind: "resource", source: `policy of ${arn}` }),
      );
      this.#documents.set(arn, document);
    }
  }

  #save(): void {
    if (this.#file === undefined) return;
    mkdirSync(path.dirname(this.#file), { recursive: true });
    // All or nothing, whatever ends this process or computer.
    writeFileSync(`${this.#file}.new`, JSON.stringify([...this.#documents]), { flush: true });
    renameSync(`${this.#file}.new`, this.#file);
  }

  /** The temporary credentials of a function that runs with this role. @throws Error where Lambda may not assume the role. */
  assumeForFunction(roleArn: string, functionName: string): Credentials {
    const trust = this.#trustPolicies.get(roleArn);
    const decision = this.#evaluate(
      {
        principal: { type: "service", name: "lambda.amazonaws.com" },
        action: "sts:AssumeRole",
        resource: roleArn,
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

  /**
   * Judges a request by the policies. A loopback connection counts as secure transport: nobody can listen in between.
   * @param requestId of the request that asks, where its service gives one
   */
  judge(
    principal: Principal,
    action: string,
    resource: string,
    context: AccessRequest["context"] = {},
    requestId?: string,
  ): Decision {
    const own = "arn" in principal ? (this.#identityPolicies.get(principal.arn) ?? []) : [];
    const ofResource = this.#resourcePolicies.get(resource.replace(/^(arn:[^:]*:s3:::[^/]+)\/.*$/s, "$1"));
    return this.#evaluate(
      {
        principal,
        action,
        resource,
        context: { "aws:SecureTransport": "true", ...context },
      },
      ofResource ? [...own, ofResource] : own,
      requestId,
    );
  }

  #evaluate(request: AccessRequest, policies: readonly Policy[], requestId?: string): Decision {
    const decision = evaluate(request, policies);
    const { principal, action, resource } = request;
    this.#events.emit("decided", () => ({
      ...{ principal, action, resource, requestId, allowed: decision.allowed },
      statement: decision.allowed ? decision.by : decision.explicit,
      message: decision.allowed ? undefined : decision.message,
    }));
    return decision;
  }

  /**
   * Returns why a service may not act on behalf of a resource of this account, S3 for a bucket or SNS for a topic;
   * undefined where nothing does.
   * @param keyId what the resource that is acted on is encrypted with: then the key's policy must let the service use it
   */
  refusalOfService(
    service: string,
    sourceArn: string,
    action: string,
    resource: string,
    keyId?: string,
  ): string | undefined {
    const context = {
      "aws:SourceArn": sourceArn,
      ...(NAMES_ACCOUNT.has(service) && { "aws:SourceAccount": this.#accountId }),
    };
    const needed = [[action, resource]];
    if (keyId) for (const use of KEY_USES) needed.push([use, keyArn(keyId, resource)]);
    for (const [what = "", on = ""] of needed) {
      const decision = this.judge({ type: "service", name: service }, what, on, context);
      if (!decision.allowed) return decision.message;
    }
    return undefined;
  }

  /** Keys follow from whom they are for, so that they are the same at the next start. They open nothing but this machine. */
  #issue(principal: Principal & { arn: string }): Credentials {
    const isRole = "sessionName" in principal;
    const of = isRole ? `${principal.arn} ${principal.sessionName}` : principal.arn;
    const secret = (what: string) => createHash("sha256").update(`${what} of ${of}`).digest("base64url");
    const credentials = {
      accessKeyId: uniqueId(isRole ? "ASIA" : "AKIA", of),
      secretAccessKey: secret("secret").slice(0, 40),
      ...(isRole && { sessionToken: secret("session token") }),
    };
    this.#keys.set(credentials.accessKeyId, { ...credentials, principal });
    return credentials;
  }
}

/**
 * The services that say whose account they act for, beside the resource. SNS is documented to say the topic alone, whose
 * ARN has the account in it.
 */
const NAMES_ACCOUNT = new Set(["s3.amazonaws.com"]);

/** Actions on a key that a service needs to write to an encrypted topic or queue. */
const KEY_USES = ["kms:GenerateDataKey", "kms:Decrypt"];

/** An identifier in IAM's shape: a prefix that says of what, and 16 capitals and digits. */
function uniqueId(prefix: string, of: string): string {
  const digits = createHash("sha256").update(of).digest("hex").toUpperCase();
  return prefix + digits.slice(0, 16);
}
