import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Where the page is served, and the word that whoever asks must know. */
export interface Place {
  readonly port: number;
  readonly token: string;
}

/** A request, as far as it says who asks. */
export interface Asked {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** What is asked for, below the token; or why it is refused. */
export type Judged =
  | { readonly path: string; readonly query: URLSearchParams }
  | { readonly refused: string };

/**
 * Judges a request: the page is for the person at this computer, not for what other sites' pages make a browser ask for.
 * Another name for this computer in `Host` is one that a stranger's DNS points here; another `Origin` is a stranger's page.
 */
export function judge({ method = "GET", url = "/", headers }: Asked, { port, token }: Place): Judged {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  const { host = "", origin } = headers;
  if (!hosts.includes(host)) return { refused: "This page is served only on 127.0.0.1." };
  const own = `http://${host}`;
  if (origin !== undefined && origin !== own) return { refused: "Requests from other sites are refused." };
  const reads = method === "GET" || method === "HEAD";
  if (!reads && origin !== own) return { refused: "Only the page itself may change anything." };
  const site = headers["sec-fetch-site"];
  const isFromElsewhere = site !== undefined && site !== "same-origin" && site !== "none";
  if (isFromElsewhere && headers["sec-fetch-mode"] !== "navigate")
    return { refused: "Requests from other sites are refused." };
  const { pathname, searchParams } = new URL(url, own);
  const [, given = "", ...rest] = pathname.split("/");
  if (!isSame(given, token)) return { refused: "The address lacks the token that the command printed." };
  return { path: rest.join("/"), query: searchParams };
}

function isSame(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
