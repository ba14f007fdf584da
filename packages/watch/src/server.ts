import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { bundledPage, bundlePage } from "./bundle.ts";
import { judge, type Place } from "./guard.ts";
import { Pictures, smallImage } from "./pictures.ts";
import type { Done, Snapshot, Tick } from "./protocol.ts";
import type { Source, SourceFile } from "./source.ts";

/** Bytes of an upload: as much as a worker may accept, and more. */
const MAX_UPLOAD = 256 * 1024 * 1024;
const MAX_BURST = 10_000;

/** What every answer is held to, whatever a stranger's file or name has in it. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

export interface WatchServer {
  /** What a person opens. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves the watch page on 127.0.0.1.
 * @param port where, if it is free; any other one where it is not
 */
export async function serveWatch(source: Source, port = 0): Promise<WatchServer> {
  const server = createServer();
  await listen(server, port).catch(() => listen(server, 0));
  const place = {
    port: (server.address() as AddressInfo).port,
    token: randomBytes(16).toString("base64url"),
  };
  const pictures = new Pictures();
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response, { source, pictures, place }).catch((error) => {
      if (response.headersSent) response.destroy();
      else sendText(response, 500, messageOf(error));
    });
  });
  return {
    address: `http://127.0.0.1:${place.port}/${place.token}/`,
    async close() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, "close");
    },
  };
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}

interface Context {
  readonly source: Source;
  readonly pictures: Pictures;
  readonly place: Place;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { source, pictures, place }: Context,
): Promise<void> {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  const judged = judge(request, place);
  if ("refused" in judged) return sendText(response, 403, judged.refused);
  const { query } = judged;
  const [what = "", id = ""] = judged.path.split("/");
  const { method } = request;
  if (method === "POST") return act(request, response, source, what, query);
  if (method !== "GET") return sendText(response, 405, "Method not allowed.");
  switch (what) {
    case "":
      return index(response);
    case "page.js":
    case "page.css":
      return asset(request, response, what);
    case "icon.png":
      return send(response, 200, "image/png", await smallImage(0));
    case "events":
      return events(request, response, source);
    case "story": {
      const story = await source.story(id);
      return story ? sendJson(response, 200, story) : notFound(response);
    }
    case "picture":
    case "file": {
      const opened = await source.open(id, query.get("worker") ?? undefined);
      if (!opened) return notFound(response);
      return what === "file"
        ? file(response, opened)
        : picture(response, opened, pictures, query.get("size"));
    }
    default:
      return notFound(response);
  }
}

async function index(response: ServerResponse): Promise<void> {
  const { version } = await bundlePage();
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Rube Goldberg Image Machine</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="icon.png">
<link rel="stylesheet" href="page.css?${version}">
<body><noscript>This page draws with JavaScript, which is switched off here.</noscript>
<script type="module" src="page.js?${version}"></script>
</body>
</html>
`;
  send(response, 200, "text/html; charset=utf-8", html);
}

const TYPES = { "page.js": "text/javascript", "page.css": "text/css" };

async function asset(
  request: IncomingMessage,
  response: ServerResponse,
  name: keyof typeof TYPES,
): Promise<void> {
  const { js, css } = await bundledPage();
  const body = name === "page.js" ? js : css;
  // Its address has the version of its contents.
  response.setHeader("cache-control", "private, max-age=31536000, immutable");
  const type = `${TYPES[name]}; charset=utf-8`;
  if (!/\bgzip\b/.test(String(request.headers["accept-encoding"]))) return send(response, 200, type, body);
  response.setHeader("content-encoding", "gzip");
  send(response, 200, type, await promisify(gzip)(body));
}

/** Tells of everything as it happens. A browser that is slow is told less often, and then all at once. */
function events(request: IncomingMessage, response: ServerResponse, source: Source): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  response.write("retry: 1000\n\n");
  let behind = false;
  const tell = (news: Snapshot | Tick) => {
    if (response.writableNeedDrain) behind = true;
    else response.write(`data: ${JSON.stringify(news)}\n\n`);
  };
  response.on("drain", () => {
    if (!behind) return;
    behind = false;
    tell(source.snapshot());
  });
  const stop = source.watch(tell);
  tell(source.snapshot());
  request.on("close", stop);
}

async function picture(
  response: ServerResponse,
  opened: SourceFile,
  pictures: Pictures,
  size: string | null,
): Promise<void> {
  const made = await pictures.of(opened, size === "thumb" ? "thumb" : "large");
  if (!made) return notFound(response);
  // An identifier is of one version, of which there is one result; a watch begins with other identifiers.
  response.setHeader("cache-control", "private, max-age=60");
  send(response, 200, "image/webp", made);
}

/** Sends a stranger's file, which no browser is to open by itself. */
async function file(response: ServerResponse, { key, size, body }: SourceFile): Promise<void> {
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": size,
    "content-disposition": attachment(path.posix.basename(key)),
    "content-security-policy": "default-src 'none'; sandbox",
  });
  await pipeline(body, response);
}

/** Names a download, as RFC 6266 has it: any text is safe in it. */
export function attachment(name: string): string {
  const plain = name.replaceAll(/[^\w. -]/g, "_");
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

async function act(
  request: IncomingMessage,
  response: ServerResponse,
  source: Source,
  what: string,
  query: URLSearchParams,
): Promise<void> {
  try {
    const message = await done(request, source, what, query);
    if (message === undefined) return notFound(response);
    sendJson(response, 200, { ok: true, message } satisfies Done);
  } catch (error) {
    sendJson(response, 400, { ok: false, message: messageOf(error) } satisfies Done);
  }
}

/** @returns a sentence, or nothing where the source does not do that */
async function done(
  request: IncomingMessage,
  source: Source,
  what: string,
  query: URLSearchParams,
): Promise<string | undefined> {
  switch (what) {
    case "upload": {
      const name = query.get("name");
      if (!name) throw new Error("The file has no name.");
      return source.upload?.(name, await bodyOf(request));
    }
    case "burst": {
      const count = Number(query.get("count"));
      const isCount = Number.isInteger(count) && count >= 1 && count <= MAX_BURST;
      if (!isCount) throw new Error(`A burst has 1 to ${MAX_BURST} images.`);
      return source.burst?.(count);
    }
    case "redrive":
    case "drop":
      return source.deal?.(what, query.get("image") || undefined);
    case "chaos":
      return source.chaos?.(query.get("seed") || undefined);
    default:
      return undefined;
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_UPLOAD) throw new Error(`The file is larger than ${MAX_UPLOAD / 1024 / 1024} MiB.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function notFound(response: ServerResponse): void {
  sendText(response, 404, "Not found.");
}

function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, "text/plain; charset=utf-8", text);
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, "application/json; charset=utf-8", JSON.stringify(value));
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { "content-type": type });
  response.end(body);
}
