export * from "../../src/exports/testing.ts";
