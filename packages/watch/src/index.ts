/** A page that shows a machine at work, and what feeds it. README.md says how it is used. */

export { bundlePage, type PageBundle } from "./bundle.ts";
export {
  DeployedSource,
  type LogPage,
  type Metrics,
  type Minutes,
  type StackAccess,
  type WorkerMetric,
} from "./deployed.ts";
export type { Happening, Told } from "./happenings.ts";
export { LiveSource, type MachineAccess } from "./live.ts";
export type { LoggedLine } from "./log-lines.ts";
export type { Failed } from "./protocol.ts";
export { serveWatch, type WatchServer } from "./server.ts";
export type { Access, ObjectVersion, SourceFile } from "./source.ts";
export { lastPart, type WiredWorker, type Wiring } from "./wiring.ts";
