import { readFileSync } from "node:fs";
import { cp, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";

/** The name in Pulumi.yaml, which the keys of a stack's configuration begin with. */
export const PROJECT_NAME: string = parse(readFileSync("Pulumi.yaml", "utf8")).name;

const LOCKFILE = "layers/sharp/package-lock.json";
const LAYER = "layers/sharp/node_modules";

/** What a project is made of, but for what npm installs. */
const SOURCES = [
  "index.ts",
  "package.json",
  "Pulumi.yaml",
  "Pulumi.dev.yaml",
  "src",
  "packages",
  "handlers",
  LOCKFILE,
];

/**
 * A copy of this project in a folder, with an `ImageWorker` more for each handler, whose names they have.
 * @param changes get the text of a file and return another
 */
export async function projectIn(
  folder: string,
  handlers: Record<string, string>,
  changes: Record<string, (text: string) => string> = {},
): Promise<string> {
  const project = path.join(folder, "project");
  for (const source of SOURCES) await cp(source, path.join(project, source), { recursive: true });
  await symlink(path.resolve(LAYER), path.join(project, LAYER), "junction");
  // The project's own packages are links there, and lead to the copy's here.
  await mkdir(path.join(project, "node_modules"));
  for (const module of await readdir("node_modules", { withFileTypes: true })) {
    const own = path.join("node_modules", module.name);
    const target = module.isSymbolicLink()
      ? path.join(project, "node_modules", await readlink(own))
      : undefined;
    await symlink(target ?? path.resolve(own), path.join(project, own), "junction");
  }
  let program = await readFile("index.ts", "utf8");
  if (Object.keys(handlers).length > 0) {
    program = `import { ImageWorker } from "./src/topology/image-worker.ts";\n${program}`;
  }
  for (const [name, code] of Object.entries(handlers)) {
    await writeFile(path.join(project, "handlers", `${name}.ts`), code);
    program = program.replace(
      "export const sourceBucket",
      `new ImageWorker("${name}", { fanOut, handler: "handlers/${name}.ts" });\n$&`,
    );
  }
  await writeFile(path.join(project, "index.ts"), program);
  for (const [name, change] of Object.entries(changes)) {
    const file = path.join(project, name);
    await writeFile(file, change(await readFile(file, "utf8")));
  }
  return project;
}
