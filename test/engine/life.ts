import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import type { FanOutSettings } from "../../src/topology/setting-types.ts";
import { PROJECT_NAME, projectIn } from "../support/project.ts";
import type { Aws } from "./aws.ts";
import { type Change, type Operation, pulumi, type Ran } from "./cli.ts";
import { tokenOf } from "./diff.ts";
import type { Allowed } from "./switches.ts";
import { TYPES } from "./types.ts";

/** What nothing but the end of its worker or stack may take away: what is in it is lost. */
const PRECIOUS = ["Bucket", "Queue", "Topic", "Key"];

/** Everything that a machine can be made of, so that each type is among it. */
export const ALL: FanOutSettings = {
  key: "create",
  tracing: true,
  alarms: { email: "on-call@example.com" },
};

const DONE: Record<Operation, string> = {
  create: "created",
  update: "updated",
  replace: "replaced",
  delete: "deleted",
  keep: "left on AWS",
};

/** A stack, and what has become of it so far. */
export class Life {
  readonly wrong: string[] = [];
  steps = 0;
  #project = "";
  #program = "";
  #stack = "dev";
  #stackFile: Record<string, unknown> = {};
  readonly folder: string;
  readonly aws: Aws;
  readonly environment: Readonly<Record<string, string>>;

  constructor(folder: string, aws: Aws, port: number) {
    this.folder = folder;
    this.aws = aws;
    this.environment = {
      PULUMI_BACKEND_URL: pathToFileURL(path.join(folder, "state")).href,
      PULUMI_CONFIG_PASSPHRASE: "of the test",
      PULUMI_DEBUG_PROVIDERS: `aws:${port}`,
      // Nobody's own settings, plugins and credentials.
      PULUMI_HOME: path.join(folder, "home"),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    };
  }

  async begin(): Promise<void> {
    await mkdir(path.join(this.folder, "state"));
    this.#project = await projectIn(path.join(this.folder, "here"), {});
    await rm(path.join(this.#project, "Pulumi.dev.yaml"));
    this.#program = await readFile(path.join(this.#project, "index.ts"), "utf8");
    await this.#initStack();
  }

  /** Runs steps on another stack of the project, beside the first. */
  async inStack(name: string, steps: () => Promise<void>): Promise<void> {
    const [stack, file] = [this.#stack, this.#stackFile];
    this.#stack = name;
    await this.#initStack();
    await steps();
    [this.#stack, this.#stackFile] = [stack, file];
  }

  async #initStack(): Promise<void> {
    const { exitCode, printed } = await pulumi(
      this.#project,
      ["stack", "init", this.#stack],
      this.environment,
    );
    if (exitCode !== 0) throw new Error(`pulumi stack init ${this.#stack}: ${printed}`);
    this.#stackFile = parse(await readFile(this.#file(), "utf8"));
  }

  #file(): string {
    return path.join(this.#project, `Pulumi.${this.#stack}.yaml`);
  }

  /**
   * Runs a command with settings, prints what it did, and holds that against what it may do.
   * @param refusal what the engine says where it is to refuse it: in the preview, before anything is gone
   * @param atOnce whether there is no preview
   */
  async step(
    title: string,
    settings: FanOutSettings,
    allowed: Allowed,
    command: "preview" | "up" | "refresh" | "destroy" = "up",
    refusal?: string,
    atOnce = refusal === undefined,
  ): Promise<void> {
    const ran = await this.#run(settings, command, atOnce);
    const wrong = judged(ran, allowed);
    if (refusal === undefined ? ran.exitCode !== 0 : !ran.printed.includes(refusal)) {
      wrong.push(`it ended with ${ran.exitCode}: ${ran.complaints.join(" ") || ran.printed}`);
    } else if (refusal === undefined) {
      wrong.push(...ran.complaints);
    }
    this.#tell(refusal ? `${title}: it ${refusal}` : title, ran, wrong);
  }

  /** Refuses one resource of each type when it is to be made, and repeats `up` until all are made. */
  async refuseEachTypeOnce(): Promise<void> {
    for (const type of TYPES) this.aws.refuses.add(type);
    let ups = 0;
    while (this.aws.refuses.size > 0) {
      const refused = this.aws.refused.length;
      const ran = await this.#run(ALL, "up");
      ups++;
      const now = this.aws.refused.slice(refused);
      const wrong = judged(ran, { create: ["*"] });
      if (now.length === 0)
        wrong.push(`it ended with ${ran.exitCode} and refused nothing: ${ran.complaints.join(" ")}`);
      this.#tell(`up ${ups}, where AWS refuses ${now.map(shortOf).join(", ") || "nothing"}`, ran, wrong);
      if (now.length === 0) return;
    }
    await this.step("up, once nothing is refused any more", ALL, { create: ["*"] });
    await this.step("up again", ALL, {});
    const urns = [...this.aws.held.values()].map(({ urn }) => urn);
    if (new Set(urns).size < urns.length) this.wrong.push("after refusals, AWS holds a resource twice");
  }

  /** Makes a project of another name of this one by `pulumi new`, and holds every file of it against its source. */
  async newProject(): Promise<void> {
    const made = path.join(this.folder, "new", "photos");
    await mkdir(made, { recursive: true });
    // What is in a clone, and no more.
    const template = path.join(this.folder, "template");
    for (const file of await trackedFiles()) await cp(file, path.join(template, file));
    const options = ["--name=photos", "--generate-only", "--yes", "--offline"];
    const { exitCode, printed } = await pulumi(made, ["new", template, ...options], this.environment);
    if (exitCode !== 0) this.wrong.push(`pulumi new: it ended with ${exitCode}: ${printed}`);
    for (const file of await trackedFiles()) {
      const [was, is] = await Promise.all(
        [template, made].map((each) => readFile(path.join(each, file), "latin1").catch(() => undefined)),
      );
      if (was !== is && file !== "Pulumi.yaml")
        this.wrong.push(`pulumi new: ${file} is another, or not there`);
    }
    const { name, template: left } = parse(await readFile(path.join(made, "Pulumi.yaml"), "utf8"));
    if (name !== "photos" || left !== undefined)
      this.wrong.push("pulumi new: Pulumi.yaml is not that of the new project");
    this.steps++;
    console.log("      pulumi new");
  }

  /** Runs steps in a copy of the project in another folder, as somebody else's clone is. */
  async inClone(steps: () => Promise<void>): Promise<void> {
    const mine = this.#project;
    this.#project = await projectIn(path.join(this.folder, "some/where/else"), {});
    await steps();
    this.#project = mine;
  }

  /** Gives the stack another program, or index.ts again. */
  async program(change = (text: string) => text): Promise<void> {
    await writeFile(path.join(this.#project, "index.ts"), change(this.#program));
  }

  /** Changes what AWS holds without Pulumi's knowledge. */
  byHand(token: string, change: Record<string, unknown>): void {
    for (const held of this.aws.held.values()) if (held.token === token) Object.assign(held.state, change);
  }

  /** Lets go of what is protected, as `pulumi destroy` says it can be done. */
  async unprotect(): Promise<void> {
    const command = ["state", "unprotect", "--all", "--yes", `--stack=${this.#stack}`];
    const { exitCode, printed } = await pulumi(this.#project, command, this.environment);
    if (exitCode !== 0) this.wrong.push(`${command.join(" ")}: ${printed}`);
  }

  expectNothingLeft(): void {
    for (const { urn } of this.aws.held.values()) this.wrong.push(`destroy: ${shortOf(urn)} is left on AWS`);
  }

  async #run(settings: FanOutSettings, command: string, atOnce = true): Promise<Ran> {
    const config = Object.fromEntries(
      Object.entries({ retention: "destroy", ...settings }).map(([key, value]) => [
        `${PROJECT_NAME}:${key}`,
        value,
      ]),
    );
    const file = { ...this.#stackFile, config: { "aws:region": "us-east-1", ...config } };
    await writeFile(this.#file(), stringify(file));
    const flags = command === "preview" ? [] : ["--yes", ...(atOnce ? ["--skip-preview"] : [])];
    const ran = await pulumi(this.#project, [command, `--stack=${this.#stack}`, ...flags], this.environment);
    // The engine calls it deleted, too, where it only forgets it.
    const held = new Set([...this.aws.held.values()].map(({ urn }) => urn));
    const changes = ran.changes.map((change) =>
      change.operation === "delete" && held.has(change.urn) && command !== "preview"
        ? { ...change, operation: "keep" as const }
        : change,
    );
    return { ...ran, changes };
  }

  #tell(title: string, ran: Ran, wrong: readonly string[]): void {
    this.steps++;
    console.log(`${wrong.length === 0 ? "ok   " : "WRONG"} ${title}`);
    for (const line of told(ran)) console.log(`        ${line}`);
    for (const line of wrong) console.log(`        must not be: ${line}`);
    if (wrong.length > 0) this.wrong.push(`${title}: ${wrong.join("; ")}`);
  }
}

/** The files of this project as they are in a clone. */
async function trackedFiles(): Promise<string[]> {
  const { stdout } = await promisify(execFile)("git", ["ls-files", "-z"], { maxBuffer: 2 ** 24 });
  return stdout.split("\0").filter((file) => file !== "");
}

/** What a step did that it must not do. */
function judged({ changes }: Ran, allowed: Allowed): string[] {
  const wrong: string[] = [];
  for (const { operation, urn } of changes) {
    const [short, type] = [shortOf(urn), typeName(urn)];
    const may = (allowed[operation] ?? []).some(
      (each) => each === "*" || each === type || (each.includes(" ") && short.startsWith(each)),
    );
    if (!may) wrong.push(`${short} is ${DONE[operation]}`);
    else if (operation === "replace" && PRECIOUS.includes(type))
      wrong.push(`${short} is replaced, and what is in it lost`);
  }
  return wrong;
}

/** What a step did: how many resources of each type, and by which inputs. */
function told({ changes, unchanged }: Ran): string[] {
  const lines = Object.entries(DONE).flatMap(([operation, done]) => {
    const found = changes.filter((change) => change.operation === operation);
    if (found.length === 0) return [];
    const types = [...new Set(found.map(({ urn }) => typeName(urn)))].map((type) => kind(type, found));
    return [`${found.length} ${done}: ${types.join(", ")}`];
  });
  return [...lines, ...(unchanged > 0 ? [`${unchanged} unchanged`] : [])];
}

function kind(type: string, changes: readonly Change[]): string {
  const found = changes.filter(({ urn }) => typeName(urn) === type);
  const inputs = [...new Set(found.flatMap((change) => change.inputs))];
  return `${found.length} ${type}${inputs.length > 0 ? ` (${inputs.join(", ")})` : ""}`;
}

function typeName(urn: string): string {
  return tokenOf(urn).split(":").at(-1) ?? "";
}

function shortOf(urn: string): string {
  return `${typeName(urn)} ${urn.split("::")[3]}`;
}
