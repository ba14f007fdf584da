import { XMLBuilder, XMLParser, XMLValidator } from "fast-xml-parser";
import { S3Error } from "../store/errors.ts";

const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

/** Keys may hold what XML would take for markup, or would not keep: a parser makes `\r\n` a `\n`. */
const ESCAPED = /[&<>"\r\n\t]/g;
const NAMED: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const builder = new XMLBuilder({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  suppressEmptyNode: true,
  processEntities: false,
  tagValueProcessor: (_name, value) =>
    String(value).replace(ESCAPED, (found) => NAMED[found] ?? `&#${found.charCodeAt(0)};`),
});

const REPEATED = ["Part", "Object", "TopicConfiguration", "Event", "FilterRule"];
const parser = new XMLParser({
  ignoreDeclaration: true,
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  htmlEntities: true,
  isArray: (name) => REPEATED.includes(name),
});

/** Content of XML: text, elements by name, and repeated elements. Undefined is left out. */
export type Xml = string | number | boolean | undefined | { readonly [name: string]: Xml } | readonly Xml[];

/** A document of S3's namespace. */
export function toXml(root: string, content: { readonly [name: string]: Xml }): string {
  return document({ [root]: { "@xmlns": NAMESPACE, ...content } });
}

/** S3's errors are in no namespace. */
export function errorXml(content: { readonly [name: string]: Xml }): string {
  return document({ Error: content });
}

/** A document of one root element, in whatever namespace that states as `@xmlns`. */
export function document(content: { readonly [name: string]: Xml }): string {
  // The round trip through JSON drops what is undefined.
  return `<?xml version="1.0" encoding="UTF-8"?>\n${builder.build(JSON.parse(JSON.stringify(content)))}`;
}

/** An element that was parsed: text, or its elements by name; those that may repeat are arrays. */
export type Parsed = { readonly [name: string]: unknown };

/** @throws 400 MalformedXML where the text is no XML or has another root. */
export function parseXml(text: string, root: string): Parsed {
  const content: unknown = XMLValidator.validate(text) === true ? parser.parse(text)[root] : undefined;
  if (typeof content === "string" && content.trim() === "") return {};
  if (typeof content !== "object" || content === null) throw malformedXml();
  return content as Parsed;
}

export function malformedXml(): S3Error {
  return new S3Error(
    400,
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
  );
}

/** The text of a child element, or undefined. */
export function text(parsed: Parsed, name: string): string | undefined {
  const value = parsed[name];
  return typeof value === "string" ? value : undefined;
}

/** The children of one name. */
export function children(parsed: Parsed, name: string): Parsed[] {
  const value = parsed[name];
  return Array.isArray(value) ? (value as Parsed[]) : [];
}
