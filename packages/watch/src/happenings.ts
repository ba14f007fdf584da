import type { EventDetails } from "local-aws";
import type { Decision, Failed } from "./protocol.ts";

/** An object that a message tells of. */
export interface Told {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
  readonly size: number | undefined;
  /** Milliseconds since 1970. */
  readonly created: number | undefined;
}

type Of<Kind extends keyof EventDetails, Details> = { readonly kind: Kind; readonly time: number } & Details;

/**
 * What happens on a machine, as far as a person would want to see it: the events of `local-aws`, small and in JSON, so that they
 * can be told to another process.
 */
export type Happening =
  | Of<"put", Pick<EventDetails["put"], "bucket" | "key" | "versionId" | "size">>
  | Of<
      "undelivered",
      Pick<EventDetails["undelivered"], "objects" | "attempt" | "lost"> & { readonly error: string }
    >
  | Of<"published", Pick<EventDetails["published"], "topicArn" | "notificationId" | "objects">>
  | Of<"delivered", Pick<EventDetails["delivered"], "notificationId" | "queueArn" | "messageId">>
  | Of<"sent", Omit<EventDetails["sent"], "body"> & { readonly objects: readonly Told[] }>
  | Of<"received", EventDetails["received"]>
  | Of<
      "begun",
      {
        readonly requestId: string;
        readonly functionName: string;
        readonly messages: readonly { readonly messageId: string; readonly objects: readonly Told[] }[];
      }
    >
  | Of<"logged", EventDetails["logged"] & { readonly failed?: Failed | undefined }>
  | Of<
      "ended",
      {
        readonly requestId: string;
        readonly functionName: string;
        readonly messageIds: readonly string[];
        readonly failedMessages: readonly string[];
        readonly failed?: Failed | undefined;
      }
    >
  | Of<"deleted", EventDetails["deleted"]>
  | Of<"deadLettered", EventDetails["deadLettered"]>
  | Of<"decided", Omit<Decision, "time">>;
