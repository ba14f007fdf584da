import type { AwsEvent, EventDetails, Events } from "local-aws";
import type { Failed, Happening, Told } from "machine-watch";
import { createdObjects } from "../delivery/envelope.ts";
import { firstLine, lines, loggedError, placeIn, sourceLine } from "../machine/failures.ts";

/** Characters of a line of a log that are passed on: a handler may print a whole image. */
const MAX_LINE = 4000;

/** Actions whose decisions concern one image. Others, of polls for example, are told only where they are denied. */
const OF_IMAGES = /^(s3:(Get|Put|Delete)Object|sns:Publish$|sqs:SendMessage$)/;

/**
 * Tells what happens, from the next event on.
 * @param project the folder that places in sources are relative to
 * @returns what ends it
 */
export function tellHappenings(
  events: Events,
  project: string,
  tell: (happening: Happening) => void,
): () => void {
  /** Where each function's code was unpacked to. */
  const taskRoots = new Map<string, string>();
  return events.on((event) => {
    if (event.kind === "begun") taskRoots.set(event.functionName, event.taskRoot);
    const happening = happeningOf(event, (functionName) => taskRoots.get(functionName) ?? "", project);
    if (happening) tell(happening);
  });
}

/** @returns nothing for what nobody would look at */
function happeningOf(
  event: AwsEvent,
  taskRootOf: (functionName: string) => string,
  project: string,
): Happening | undefined {
  const { kind, time } = event;
  switch (kind) {
    case "put":
    case "delivered":
    case "received":
    case "deleted":
    case "deadLettered":
      return event;
    case "undelivered":
      return { ...event, error: messageOf(event.error) };
    case "published": {
      const { topicArn, notificationId, objects } = event;
      return { kind, time, topicArn, notificationId, objects };
    }
    case "sent": {
      const { queueArn, messageId, body } = event;
      return { kind, time, queueArn, messageId, objects: toldIn(body) };
    }
    case "begun": {
      const { requestId, functionName } = event;
      const messages = event.messages.map(({ messageId, body }) => ({ messageId, objects: toldIn(body) }));
      return { kind, time, requestId, functionName, messages };
    }
    case "logged": {
      const { functionName, requestId, line } = event;
      const error = loggedError(line)?.error as Partial<Error> | undefined;
      const failed = error && failedWith(error, taskRootOf(functionName), project);
      return { kind, time, functionName, requestId, line: line.slice(0, MAX_LINE), failed };
    }
    case "ended": {
      const { requestId, functionName, failedMessages, error, taskRoot } = event;
      const messageIds = event.messages.map(({ messageId }) => messageId);
      const thrown = error && { message: error.message, stack: error.error?.stackTrace };
      const failed = thrown && failedWith(thrown, taskRoot, project);
      return { kind, time, requestId, functionName, messageIds, failedMessages, failed };
    }
    case "decided": {
      const { principal, action, resource, allowed, statement, message } = event;
      if (allowed && !OF_IMAGES.test(action)) return undefined;
      const by = statement && `${statement.policy}, ${statement.sid}`;
      return { kind, time, who: nameOf(principal), action, resource, allowed, by, message };
    }
  }
}

function toldIn(body: string): Told[] {
  try {
    return createdObjects(body).map(({ bucket, key, versionId, size, createdAt }) => {
      return { bucket, key, versionId, size, created: createdAt?.getTime() };
    });
  } catch {
    return [];
  }
}

function failedWith(
  error: { readonly name?: string; readonly message?: string; readonly stack?: unknown },
  taskRoot: string,
  project: string,
): Failed {
  const { name, message = "", stack } = error;
  const trace = lines(stack);
  const place = placeIn(trace, taskRoot);
  return {
    what: firstLine(name ? `${name}: ${message}` : message),
    place,
    code: place && sourceLine(project, place),
    stack: trace.join("\n").slice(0, MAX_LINE),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function nameOf(principal: EventDetails["decided"]["principal"]): string {
  switch (principal.type) {
    case "service":
      return principal.name;
    case "anonymous":
      return "anybody";
    case "role":
    case "user":
      return principal.arn.slice(principal.arn.lastIndexOf(":") + 1);
  }
}
