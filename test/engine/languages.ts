import { execFile } from "node:child_process";
import { access, constants, cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { pulumi, type Ran } from "./cli.ts";

const run = promisify(execFile);

/** The component package as `npm run build` makes it. */
const COMPONENT = path.resolve("dist/component");

/** A language, and what makes a copy of its example ready. */
interface Language {
  readonly name: string;
  readonly host: string;
  /** Whether it has the machine as a component package, by `pulumi package add`. */
  readonly adds: boolean;
  readonly prepare: (project: string) => Promise<unknown>;
}

const LANGUAGES: readonly Language[] = [
  {
    name: "typescript",
    host: "pulumi-language-nodejs",
    adds: false,
    // What npm would install.
    prepare: async (project) => {
      const modules = path.join(project, "node_modules");
      await mkdir(path.join(modules, "@types"), { recursive: true });
      for (const name of ["@pulumi", "@types/node", "typescript"]) {
        await symlink(path.resolve("node_modules", name), path.join(modules, name), "junction");
      }
      await symlink(path.dirname(COMPONENT), path.join(modules, "image-machine"), "junction");
    },
  },
  {
    name: "python",
    host: "pulumi-language-python",
    adds: true,
    prepare: async (project) => {
      await run("python3", ["-m", "venv", "venv"], { cwd: project });
      await run("venv/bin/pip", ["install", "--quiet", "--requirement", "requirements.txt"], {
        cwd: project,
      });
    },
  },
  { name: "yaml", host: "pulumi-language-yaml", adds: true, prepare: async () => {} },
];

/**
 * Takes the example of each language that has its host on the PATH through preview, up, up again and destroy.
 * @returns what was wrong
 */
export async function speakLanguages(
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<string[]> {
  const wrong: string[] = [];
  let built = false;
  for (const { name, host, adds, prepare } of LANGUAGES) {
    if (!(await isOnPath(host))) {
      console.log(`skip  ${name}: there is no ${host} on the PATH`);
      continue;
    }
    const project = path.join(await mkdtemp(path.join(folder, `${name}-`)), "example");
    await cp(path.join("examples", name), project, { recursive: true });
    await mkdir(path.join(folder, "state"), { recursive: true });
    await prepare(project);
    if (!built) await run("npm", ["run", "build"]);
    built = true;
    const step = async (title: string, args: string[], expected: (ran: Ran) => boolean) => {
      const ran = await pulumi(project, args, environment);
      const counts = `${ran.changes.length} changed, ${ran.unchanged} unchanged`;
      const right = ran.exitCode === 0 && expected(ran);
      console.log(`${right ? "ok   " : "WRONG"} ${title} in ${name}: ${counts}`);
      if (!right) wrong.push(`${title} in ${name}: it ended with ${ran.exitCode}, ${counts}: ${ran.printed}`);
    };
    const creates = ({ changes }: Ran) =>
      changes.length > 50 && changes.every(({ operation }) => operation === "create");
    if (adds) await step("package add", ["package", "add", COMPONENT], () => true);
    await step("stack init", ["stack", "init", "dev"], () => true);
    await step("preview", ["preview"], creates);
    await step("up", ["up", "--yes", "--skip-preview"], creates);
    await step(
      "up again",
      ["up", "--yes", "--skip-preview"],
      ({ changes, unchanged }) => changes.length === 0 && unchanged > 50,
    );
    await step("destroy", ["destroy", "--yes", "--skip-preview"], ({ changes }) => changes.length > 50);
    await rm(project, { recursive: true, force: true });
  }
  return wrong;
}

async function isOnPath(command: string): Promise<boolean> {
  for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
    const found = await access(path.join(folder, command), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
