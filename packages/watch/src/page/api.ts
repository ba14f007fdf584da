import type { Done, ImageSummary, Story } from "../protocol.ts";

/** The address of a picture of an image, or of what a worker made of it. */
export function pictureAddress(
  { id }: Pick<ImageSummary, "id">,
  size: "thumb" | "large",
  worker?: string,
): string {
  return `picture/${id}?${new URLSearchParams({ ...(worker !== undefined && { worker }), size })}`;
}

/** The address that downloads an image, or what a worker made of it. */
export function fileAddress(id: string, worker?: string): string {
  return `file/${id}?${new URLSearchParams({ ...(worker !== undefined && { worker }) })}`;
}

export async function storyOf(id: string): Promise<Story | undefined> {
  const answer = await fetch(`story/${id}`);
  return answer.ok ? answer.json() : undefined;
}

/** Has the server do something. @returns what came of it, in a sentence */
export async function ask(
  what: "burst" | "redrive" | "drop" | "chaos",
  query: Readonly<Record<string, string>> = {},
): Promise<Done> {
  return done(fetch(`${what}?${new URLSearchParams(query)}`, { method: "POST" }));
}

/** Puts files in, one after the other. @returns what came of it, in a sentence */
export async function upload(files: readonly File[]): Promise<Done> {
  for (const file of files) {
    const name = file.name || `pasted-${new Date().toISOString().replaceAll(/\D/g, "")}`;
    const answer = await done(
      fetch(`upload?${new URLSearchParams({ name })}`, { method: "POST", body: file }),
    );
    if (!answer.ok) return answer;
  }
  const [first] = files;
  const message =
    files.length === 1 ? `${first?.name || "The image"} is uploaded.` : `${files.length} files are uploaded.`;
  return { ok: true, message };
}

async function done(answering: Promise<Response>): Promise<Done> {
  try {
    const answer = await answering;
    const isOurs = answer.headers.get("content-type")?.startsWith("application/json");
    return isOurs ? await answer.json() : { ok: false, message: await answer.text() };
  } catch {
    return { ok: false, message: "Nobody answers: is the command still running?" };
  }
}
