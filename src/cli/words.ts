import path from "node:path";

/** The folder with Pulumi.yaml and the program: npm runs commands there, and so does who has the machine as a package. */
export const PROJECT = process.cwd();

/** Folder in which the person is: npm runs commands in the project's. */
const HERE = process.env.INIT_CWD ?? process.cwd();

/** A path that a person gave, as it is meant from where they are. */
export function fromHere(file: string): string {
  return path.resolve(HERE, file);
}

/** A path for a person to read: from where they are, if it is below. */
export function near(file: string): string {
  const relative = path.relative(HERE, file);
  return relative.startsWith("..") ? file : relative;
}

/** A number with its noun or verb. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Seconds that the largest photo may take on this computer, where time runs faster. */
export const LARGE_IMAGE_SECONDS = 10;
