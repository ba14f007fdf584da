/** The part of an SDK client that is used. */
export interface Client {
  send(command: unknown): Promise<unknown>;
}

/** Loads an SDK that is no dependency; replaced in tests. */
export type Loader = (name: string) => Promise<Record<string, new (input: object) => unknown>>;

export const load: Loader = (name) => import(name) as ReturnType<Loader>;

/**
 * Loads a package that is needed for one question alone.
 * @param all packages that the question needs, to be installed together
 * @throws Error in a sentence where it is not installed
 */
export async function packageNamed(loader: Loader, name: string, all: readonly string[]): ReturnType<Loader> {
  try {
    return await loader(name);
  } catch {
    throw new Error(
      `${name} is needed to ask AWS and is not installed: run "npm install --no-save ${all.join(" ")}".`,
    );
  }
}

/** Makes an instance of a class of a package. */
export function made<T>(library: Awaited<ReturnType<Loader>>, name: string, input: object): T {
  const Class = library[name];
  if (!Class) throw new Error(`There is no ${name} in the package that was loaded.`);
  return new Class(input) as T;
}
