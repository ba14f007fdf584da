/** Turns images: bytes in, bytes out. README.md says what each format keeps. */
export * from "./contract.ts";
export type { MetadataPolicy } from "./privacy.ts";
export * from "./rotate.ts";
