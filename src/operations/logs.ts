import { readFile } from "node:fs/promises";
import path from "node:path";
import { load } from "../aws-package.ts";
import type { WorkerOutputs } from "../stack-outputs.ts";

/** Place of the logs, and what is looked for in them. */
export interface LogQuestion {
  /** The folder with the logs of a machine on this computer; undefined on AWS. */
  readonly folder: string | undefined;
  readonly region: string | undefined;
  /** Lines that name it are shown, or the last ones where none does. */
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

const PACKAGE = "@aws-sdk/client-cloudwatch-logs";

/** Lines that are shown where none is about the key. */
const LAST = 20;

/**
 * What a worker's log says about a key: its lines, or the command that shows them where they cannot be read from here.
 * @param loader loads the package that is needed on AWS, and for this alone
 */
export async function logOf(
  worker: WorkerOutputs,
  { folder, region, key, since }: LogQuestion,
  loader = load,
): Promise<string[]> {
  if (folder !== undefined) {
    const file = path.join(folder, `${worker.function}.log`);
    const log = await readFile(file, "utf8").catch(() => "");
    return [`${file}:`, ...telling(log.split("\n"), key)];
  }
  const minutes = Math.ceil((Date.now() - since) / 60_000) + 1;
  const command = `aws logs tail ${worker.logGroup} --since ${minutes}m${region ? ` --region ${region}` : ""}`;
  try {
    const { CloudWatchLogsClient, FilterLogEventsCommand } = await loader(PACKAGE);
    if (!CloudWatchLogsClient || !FilterLogEventsCommand) throw new Error(`${PACKAGE} is another one`);
    const client = new CloudWatchLogsClient(region ? { region } : {}) as {
      send(command: unknown): Promise<{ events?: { message?: string }[] }>;
    };
    const { events = [] } = await client.send(
      new FilterLogEventsCommand({ logGroupName: worker.logGroup, startTime: since }),
    );
    const lines = events.map(({ message = "" }) => message.trimEnd());
    return [`${worker.logGroup}:`, ...telling(lines, key)];
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    return [
      missing
        ? `Its log is ${worker.logGroup}. To have it shown here, run "npm install --no-save ${PACKAGE}". This command shows it, too:`
        : `Its log cannot be read: ${(error as Error).message}. This command shows it:`,
      `  ${command}`,
    ];
  }
}

function telling(lines: readonly string[], key: string): string[] {
  const written = lines.filter((line) => line !== "");
  const about = written.filter((line) => line.includes(key));
  const shown = about.length > 0 ? about : written.slice(-LAST);
  return shown.length > 0 ? shown.map((line) => `  ${line}`) : ["  (empty)"];
}
