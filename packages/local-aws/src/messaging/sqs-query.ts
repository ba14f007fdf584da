import { randomUUID } from "node:crypto";
import { document, type Xml } from "../rest/xml.ts";
import { ServiceError } from "../service-error.ts";

/*
 * SQS's older protocol, forms and XML, which the AWS CLI before May 2024 and many SDKs speak. Requests are translated
 * into the JSON protocol, and answers back. Names are those of version 2012-11-05 of the API.
 */

/** Parameters by what the JSON protocol calls the list of them: `AttributeName.1`, `AttributeName.2`. */
const LISTS: Readonly<Record<string, string>> = {
  AttributeName: "AttributeNames",
  MessageAttributeName: "MessageAttributeNames",
  MessageSystemAttributeName: "MessageSystemAttributeNames",
  TagKey: "TagKeys",
  AWSAccountId: "AWSAccountIds",
  ActionName: "Actions",
};
/** The same for `Attribute.1.Name` and `Attribute.1.Value`. */
const MAPS: Readonly<Record<string, string>> = {
  Attribute: "Attributes",
  MessageAttribute: "MessageAttributes",
  MessageSystemAttribute: "MessageSystemAttributes",
  Tag: "Tags",
};
const NUMBERS = /^(VisibilityTimeout|DelaySeconds|MaxNumberOfMessages|WaitTimeSeconds|MaxResults)$/;

/** Elements by the member of an answer that they repeat. */
const ITEMS: Readonly<Record<string, string>> = {
  Messages: "Message",
  QueueUrls: "QueueUrl",
  queueUrls: "QueueUrl",
  Failed: "BatchResultErrorEntry",
};

type Tree = Map<string, Tree | string>;

/**
 * The operation that a form asks for, and its input in the JSON protocol.
 * @param url the queue's, where the request was sent there; it alone may say which queue it is
 * @throws {ServiceError} where a parameter comes twice or is none of SQS
 */
export function fromQuery(form: string, url?: string): { operation: string; input: Record<string, unknown> } {
  const root: Tree = new Map();
  let operation = "";
  for (const [name, value] of new URLSearchParams(form)) {
    if (name === "Action") operation = value;
    else if (name !== "Version") plant(root, name.split("."), value, name);
  }
  const input = structure(root, operation);
  if (url !== undefined) input.QueueUrl ??= url;
  return { operation, input };
}

/** Puts a value where its name's parts say. */
function plant(tree: Tree, [first = "", ...rest]: readonly string[], value: string, name: string): void {
  const known = tree.get(first);
  if (rest.length === 0 && known === undefined) tree.set(first, value);
  else if (rest.length === 0 || typeof known === "string") {
    throw new ServiceError("InvalidParameterValue", `the parameter ${name} comes twice`);
  } else {
    const branch: Tree = known ?? new Map();
    tree.set(first, branch);
    plant(branch, rest, value, name);
  }
}

function structure(tree: Tree, operation: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, value] of tree) {
    const [list, map] = [own(LISTS, name), own(MAPS, name)];
    if (typeof value === "string") found[name] = NUMBERS.test(name) ? Number(value) : value;
    else if (list !== undefined) found[list] = inOrder(value);
    else if (name === `${operation}RequestEntry`) {
      found.Entries = inOrder(value).map((entry) => valueIn(entry, operation));
    } else if (map !== undefined) {
      // Creating a queue is the one operation that writes it so.
      found[operation === "CreateQueue" && name === "Tag" ? "tags" : map] = Object.fromEntries(
        inOrder(value).map((entry) => {
          const pair: Tree = typeof entry === "string" ? new Map() : entry;
          return [pair.get("Name") ?? pair.get("Key"), valueIn(pair.get("Value") ?? "", operation)];
        }),
      );
    } else throw new ServiceError("InvalidParameterValue", `SQS has no parameter ${name}`);
  }
  return found;
}

function valueIn(value: Tree | string, operation: string): unknown {
  return typeof value === "string" ? value : structure(value, operation);
}

/** Numbered parameters, by their numbers. */
function inOrder(tree: Tree): (Tree | string)[] {
  return [...tree].sort(([a], [b]) => Number(a) - Number(b)).map(([, value]) => value);
}

function own(names: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(names, name) ? names[name] : undefined;
}

/** An answer of the JSON protocol in the older one. */
export function toQuery(operation: string, answer: object = {}): string {
  return document({
    [`${operation}Response`]: {
      "@xmlns": "http://queue.amazonaws.com/doc/2012-11-05/",
      [`${operation}Result`]: elements(answer, operation),
      ResponseMetadata: { RequestId: randomUUID() },
    },
  });
}

/** An error, in SNS too. */
export function toQueryError({ fault, queryCode, message }: ServiceError): string {
  const error = { Type: fault, Code: queryCode, Message: message };
  return document({ ErrorResponse: { Error: error, RequestId: randomUUID() } });
}

function elements(members: object, operation: string): { [name: string]: Xml } {
  const found: { [name: string]: Xml } = {};
  for (const [name, value] of Object.entries(members)) {
    const map = Object.keys(MAPS).find((item) => MAPS[item] === name);
    if (Array.isArray(value)) {
      found[own(ITEMS, name) ?? `${operation}ResultEntry`] = value.map((item) => element(item, operation));
    } else if (map !== undefined) {
      found[map] = Object.entries(value).map(([key, each]) => ({
        [map === "Tag" ? "Key" : "Name"]: key,
        Value: element(each, operation),
      }));
    } else found[name] = element(value, operation);
  }
  return found;
}

function element(value: unknown, operation: string): Xml {
  return typeof value === "object" && value !== null ? elements(value, operation) : (value as Xml);
}
