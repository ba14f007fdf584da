/**
 * Writes docs/settings.md: `npm run docs`. What a setting decides is said by its doc comment in src/topology, what it may
 * be by the code that checks it, and a comment that says otherwise is an error.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { CARRIED } from "../src/delivery/carry.ts";
import type { Range } from "../src/topology/checks.ts";
import {
  ALARM_CHOICES,
  ALARM_THRESHOLDS,
  BUCKET_CHOICES,
  CONCURRENCY,
  EXISTING,
  FAN_OUT_CHOICES,
  MAXIMUM_TAGS,
  NOTIFICATION,
  OBJECTIVE_RANGES,
  STORAGE_CHOICES,
  STORAGE_RANGES,
} from "../src/topology/fan-out-settings.ts";
import { KEY_PART, KEY_PARTS, ONLY_BYTES } from "../src/topology/filters.ts";
import { RESERVED_CONCURRENCY, SCALING_RANGES, WORKER_CHOICES } from "../src/topology/worker-settings.ts";

const PAGE = path.join(import.meta.dirname, "settings.md");
const SOURCES = ["fan-out-settings.ts", "worker-settings.ts", "filters.ts"].map((file) =>
  path.join(import.meta.dirname, "../src/topology", file),
);

type Choice =
  | boolean
  | readonly (boolean | string)[]
  | (Omit<Range, "default"> & { readonly default?: number | undefined })
  | { readonly text: string };

/** What each setting may be, by its key. */
const CHOICES: Readonly<Record<string, Choice>> = {
  ...prefixed("workers.", { ...WORKER_CHOICES, reservedConcurrency: RESERVED_CONCURRENCY }),
  "workers.carry": { text: `list of ${CARRIED.join(", ")}` },
  ...prefixed("workers.scaling.", SCALING_RANGES),
  ...prefixed("workers.only.", {
    prefix: KEY_PARTS,
    suffix: KEY_PARTS,
    minimumBytes: ONLY_BYTES,
    maximumBytes: ONLY_BYTES,
  }),
  prefix: KEY_PART,
  suffix: KEY_PART,
  "source.existing": EXISTING,
  "source.notification": NOTIFICATION,
  "results.existing": EXISTING,
  ...prefixed("buckets.", BUCKET_CHOICES),
  ...prefixed("lifecycle.source.", { ...STORAGE_CHOICES, ...STORAGE_RANGES }),
  ...prefixed("lifecycle.results.", { ...STORAGE_CHOICES, ...STORAGE_RANGES }),
  ...prefixed("alarms.", {
    ...ALARM_CHOICES,
    email: { text: "one address" },
    ...Object.fromEntries(
      Object.entries(ALARM_THRESHOLDS).map(([kind, range]) => [`${kind}.threshold`, range]),
    ),
  }),
  ...prefixed("objective.", OBJECTIVE_RANGES),
  ...FAN_OUT_CHOICES,
  concurrency: CONCURRENCY,
  key: { text: "create, retire, or an ARN" },
  tags: { minimum: 0, maximum: MAXIMUM_TAGS, unit: "tags" },
};

const INTRODUCTION = `# Settings

What a stack decides, in Pulumi.STACK.yaml. One of them is set so, in the project's folder:

\`\`\`sh
# needs pulumi
pulumi config set --path workers.memorySize 3008
\`\`\`

[Pulumi.dev.yaml](../Pulumi.dev.yaml) and [Pulumi.prod.yaml](../Pulumi.prod.yaml) say why they set what they set. A name that is
not known or a value out of its range ends \`pulumi preview\`, \`npm start\` and \`npm run capacity\` with a sentence, before
anything is changed. \`npm run capacity -- --config workers.memorySize=3008\` says what a setting would do.

This page is written by \`npm run docs\` from the code that checks settings.
`;

/** A setting, or a group of them, as an interface declares it. */
interface Declared {
  readonly name: string;
  readonly words: string;
  readonly standard: string;
  /** Interfaces that say what is in the group; none for a setting. */
  readonly groups: readonly string[];
}

/** The page, as it must be. @throws Error where a doc comment and the code do not say the same */
export function settingsPage(): string {
  const interfaces = declaredInterfaces();
  const top = interfaces.get("FanOutSettings") ?? [];
  const groups = top.filter((each) => each.groups.length > 0);
  const order = ["workers", "source", "results", "buckets", "lifecycle", "alarms", "objective"];
  groups.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  const rowsOf = (prefix: string, declared: readonly Declared[]): string[] =>
    declared.flatMap((each) =>
      each.groups.length > 0
        ? each.groups.flatMap((group) => rowsOf(`${prefix}${each.name}.`, interfaces.get(group) ?? []))
        : row(prefix + each.name, each),
    );
  const table = (rows: readonly string[]) =>
    ["| Key | Default | Range | What it decides |", "| --- | --- | --- | --- |", ...rows, ""].join("\n");
  const single = top.filter((each) => each.groups.length === 0);
  return [
    INTRODUCTION,
    ...groups.map((group) => `## ${group.name}\n\n${group.words}\n\n${table(rowsOf("", [group]))}`),
    `## All else\n\n${table(rowsOf("", single))}`,
  ].join("\n");
}

function row(key: string, { words, standard }: Declared): string {
  const choice = CHOICES[key];
  if (choice === undefined) throw new Error(`There is no check of the setting ${key}.`);
  const said = /,? ([\d,]*\d) to ([\d,]*\d),?/.exec(words);
  const range = (minimum: number, maximum: number) =>
    `${minimum.toLocaleString("en")} to ${maximum.toLocaleString("en")}`;
  let [of, given]: [string, string | undefined] = ["true, false", String(choice)];
  if (typeof choice === "object" && "text" in choice) [of, given] = [choice.text, undefined];
  else if (typeof choice === "object" && "length" in choice)
    [of, given] = [choice.join(", "), String(choice[0])];
  else if (typeof choice === "object") {
    const { minimum, maximum, unit } = choice;
    if (said?.[0].replaceAll(/^,? |,$/g, "") !== range(minimum, maximum)) {
      throw new Error(`The doc comment of ${key} says ${said?.[0]}, but it is ${range(minimum, maximum)}.`);
    }
    of = `${range(minimum, maximum)} ${unit}`.trim();
    given = choice.default === undefined ? undefined : String(choice.default);
  }
  if (given !== undefined && given !== standard) {
    throw new Error(`The doc comment of ${key} says @default ${standard}, but it is ${given}.`);
  }
  const shown = /^\d+$/.test(standard) ? Number(standard).toLocaleString("en") : standard;
  // The range has a column of its own.
  const decides = typeof choice === "object" && said ? words.replace(said[0], "") : words;
  return `| \`${key}\` | ${shown} | ${of} | ${decides} |`;
}

function declaredInterfaces(): Map<string, Declared[]> {
  const found = new Map<string, Declared[]>();
  for (const file of SOURCES) {
    const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
    for (const statement of source.statements) {
      if (!ts.isInterfaceDeclaration(statement)) continue;
      found.set(statement.name.text, statement.members.filter(ts.isPropertySignature).map(declaredIn));
    }
  }
  return found;
}

function declaredIn(member: ts.PropertySignature): Declared {
  const [comment] = ts.getJSDocCommentsAndTags(member).filter(ts.isJSDoc);
  const text = (given: string | ts.NodeArray<ts.JSDocComment> | undefined) =>
    (ts.getTextOfJSDocComment(given) ?? "").replaceAll(/\s+/g, " ").trim();
  const tag = comment?.tags?.find(({ tagName }) => tagName.text === "default");
  return {
    name: member.name.getText() + (member.type?.getText() === "AlarmThreshold" ? ".threshold" : ""),
    words: text(comment?.comment),
    standard: text(tag?.comment),
    groups: (member.type?.getText() ?? "").match(/\b\w+(?:Settings|Scaling)\b/g) ?? [],
  };
}

function prefixed(prefix: string, choices: Readonly<Record<string, Choice>>): Record<string, Choice> {
  return Object.fromEntries(Object.entries(choices).map(([name, choice]) => [prefix + name, choice]));
}

if (import.meta.main) writeFileSync(PAGE, settingsPage());
