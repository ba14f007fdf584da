import path from "node:path";

/** The folder with layers/, handlers/ and samples/: this repository, or the package that is made of it. */
export const ROOT = path.join(import.meta.dirname, "../..");
