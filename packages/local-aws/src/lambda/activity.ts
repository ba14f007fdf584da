import { EventEmitter } from "node:events";
import type { InvocationError } from "./sandbox.ts";

/** One invocation of a function for a batch of messages. */
export interface BatchInvocation {
  readonly functionName: string;
  /** Seconds. */
  readonly timeout: number;
  /** MB. */
  readonly memorySize: number;
  /** The function's code is here, and files in stack traces below it. */
  readonly taskRoot: string;
  readonly logFile: string;
  readonly messages: readonly { readonly messageId: string; readonly body: string }[];
}

/** What happens in functions, for whoever tells a person of it. */
interface ActivityEvents {
  begun: [invocation: BatchInvocation];
  /** The function answered; with messages that failed, or without. */
  answered: [invocation: BatchInvocation];
  /** The whole batch failed. */
  failed: [invocation: BatchInvocation, error: InvocationError];
  /** A function logged an error as JSON. */
  logged: [functionName: string, record: Readonly<Record<string, unknown>>];
}

/** One stream of events, that is there before the first function is. */
export class Activity extends EventEmitter<ActivityEvents> {}
