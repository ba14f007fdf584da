import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { SignedRequest } from "../../src/iam/signature.ts";

/** A request that a client sent, with the body it had. */
export type Captured = SignedRequest & { readonly body: Buffer };

/**
 * Lets a client send one request to a server on this computer that answers nothing of use, and returns what arrived.
 * What the client makes of the answer matters only where nothing arrived.
 */
export async function capture(send: (endpoint: string) => Promise<unknown>): Promise<Captured> {
  const captured: Captured[] = [];
  const server = createServer(async (request, response) => {
    const { method = "", url = "", headers } = request;
    captured.push({ method, url, headers, body: Buffer.concat(await request.toArray()) });
    response.setHeader("connection", "close");
    response.end();
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  const failure = await send(`http://127.0.0.1:${port}`).catch((error: unknown) => error);
  server.close();
  const [request] = captured;
  if (!request) throw new Error("nothing arrived", { cause: failure });
  return request;
}
