import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What a bundler makes of a handler. */
export interface Bundle {
  readonly code: string;
  readonly map: string;
}

interface Kept extends Bundle {
  /** What was bundled, relative to the project. */
  readonly inputs: readonly string[];
  /** Of all that the bundle follows from. */
  readonly digest: string;
}

/** Settings that are read beside a source, in each folder above it. */
const SETTINGS = ["package.json", "tsconfig.json"];

/**
 * Bundles that were made before, in npm's place for such things. One is taken again only while everything that it followed
 * from is what it was, byte for byte: sources, settings, what is installed, and how it is bundled.
 */
export class BundleCache {
  readonly #project: string;
  readonly #recipe: string;
  readonly #installed: { readonly modules: string; readonly list: Buffer } | undefined;

  /** @param recipe says how is bundled, the bundler's version included */
  constructor(project: string, recipe: string) {
    this.#project = project;
    this.#recipe = recipe;
    this.#installed = installed(project);
  }

  /** Returns the bundle of a handler, made by `bundle` where none is kept that is still right. */
  get(entry: string, bundle: () => Bundle & { readonly inputs: readonly string[] }): Bundle {
    // What no list of npm's tells of may have changed without anything to see it by.
    if (!this.#installed) return bundle();
    const name = createHash("sha256").update(path.relative(this.#project, entry)).digest("hex").slice(0, 16);
    const file = path.join(this.#installed.modules, ".cache/image-machine/bundles", `${name}.json`);
    const kept = read(file);
    if (kept && this.#digest(kept.inputs) === kept.digest) return kept;
    const { code, map, inputs } = bundle();
    const digest = this.#digest(inputs);
    if (digest !== undefined) write(file, { code, map, inputs, digest });
    return { code, map };
  }

  /** The digest of all that a bundle follows from; undefined where one of its sources is gone. */
  #digest(inputs: readonly string[]): string | undefined {
    const hash = createHash("sha256").update(this.#recipe);
    const add = (name: string, content: Buffer | undefined) => {
      hash.update(`\0${name}\0${content?.length ?? "none"}\0`);
      if (content) hash.update(content);
    };
    add("installed", this.#installed?.list);
    const folders = new Set<string>();
    for (const input of inputs) {
      const content = contentOf(path.join(this.#project, input));
      if (!content) return undefined;
      add(input, content);
      // The settings of what is installed follow from the list.
      if (input.split("/").includes("node_modules")) continue;
      for (let folder = path.dirname(input); !folders.has(folder); folder = path.dirname(folder)) {
        folders.add(folder);
      }
    }
    for (const folder of folders) {
      for (const name of SETTINGS) {
        const file = path.join(folder, name);
        add(file, contentOf(path.join(this.#project, file)));
      }
    }
    return hash.digest("hex");
  }
}

/** The modules of a project, and npm's own list of what it has installed there. */
function installed(project: string): { modules: string; list: Buffer } | undefined {
  for (let folder = project; ; folder = path.dirname(folder)) {
    const modules = path.join(folder, "node_modules");
    const list = contentOf(path.join(modules, ".package-lock.json"));
    if (list) return { modules, list };
    if (folder === path.dirname(folder)) return undefined;
  }
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

function read(file: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Kept;
  } catch {
    return undefined;
  }
}

/** Several processes may write the same: whole or not at all. A bundle that cannot be kept is made again. */
function write(file: string, kept: Kept): void {
  try {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(kept));
    renameSync(`${file}.${process.pid}`, file);
  } catch {}
}
