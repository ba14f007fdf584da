import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

/**
 * Builds the component package in the npm package: a plugin of Pulumi, in a folder of its own. Hosts run index.js, and read
 * index.ts and settings.ts for the schema. It is not called `package`, as Pulumi would read another package.json then.
 */
export async function buildComponent(dist: string, version: string): Promise<void> {
  const folder = path.join(dist, "component");
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: ["component/index.ts"],
    outfile: path.join(folder, "index.js"),
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    packages: "external",
    // Whatever is exported is in the schema, so that this one name must be seen; and the classes are those of the library.
    plugins: [
      {
        name: "library",
        setup: (hooks) =>
          hooks.onResolve({ filter: /\/src\/exports\/index\.ts$/ }, () => ({
            path: "../lib/cjs/index.js",
            external: true,
          })),
      },
    ],
    logLevel: "warning",
  });
  const write = (file: string, content: string) => writeFileSync(path.join(folder, file), `${content}\n`);
  write("PulumiPlugin.yaml", "runtime: nodejs");
  const description =
    "An image dropped into a bucket comes back from every worker that is declared for it, on AWS";
  // The package's name is the first part of its type tokens.
  write(
    "package.json",
    JSON.stringify({ name: "image-machine", version, description, main: "index.js" }, null, 2),
  );
  // The oldest TypeScript that reads them, the one within Pulumi, finds no file by the end of its name.
  for (const file of ["index.ts", "settings.ts"]) {
    write(
      file,
      readFileSync(path.join("component", file), "utf8").trimEnd().replace('"./settings.ts"', '"./settings"'),
    );
  }
  // The schema needs no types of AWS, which take long to read.
  write(
    "tsconfig.json",
    JSON.stringify({ compilerOptions: { types: [] }, files: ["index.ts", "settings.ts"] }),
  );
}
