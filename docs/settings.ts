/**
 * Writes docs/settings.md, and the types of settings for programs: `npm run docs`. Both say what the tables in src/topology say,
 * which settings are checked with.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Declared, Setting } from "../src/topology/checks.ts";
import { STACK } from "../src/topology/fan-out-settings.ts";

const PAGE = path.join(import.meta.dirname, "settings.md");
const COMPONENT = path.join(import.meta.dirname, "../component/settings.ts");
const TYPES = path.join(import.meta.dirname, "../src/topology/setting-types.ts");

const INTRODUCTION = `# Settings

What you can set for a stack, in Pulumi.STACK.yaml. To set one, run this in the project's folder:

\`\`\`sh
# needs pulumi
pulumi config set --path workers.memorySize 3008
\`\`\`

[Pulumi.dev.yaml](../Pulumi.dev.yaml) and [Pulumi.prod.yaml](../Pulumi.prod.yaml) give the reasons for their settings.
An unknown name, or a value out of its range, ends \`pulumi preview\`, \`npm start\` and \`npm run capacity\` with a sentence, before
anything is changed. \`npm run capacity -- --config workers.memorySize=3008\` says what a setting would do.

In a program, an argument may be an Output if its type says so:
[values that are only known later](recipes.md#values-that-are-only-known-later).

\`npm run docs\` writes this page from the tables that check the settings.
`;

/** The page, as it must be. */
export function settingsPage(): string {
  const all = settingsIn(STACK);
  const groups = all.filter(([, { interfaces }]) => interfaces);
  const single = all.filter(([, { interfaces }]) => !interfaces);
  return [
    INTRODUCTION,
    ...groups.map(([name, setting]) => `## ${name}\n\n${setting.says}\n\n${table(rows(name, setting))}`),
    `## Other settings\n\n${table(single.flatMap(([name, setting]) => rows(name, setting)))}`,
  ].join("\n");
}

const table = (rows: readonly string[]) =>
  ["| Key | Default | Range | What it does |", "| --- | --- | --- | --- |", ...rows, ""].join("\n");

function rows(name: string, setting: Setting): string[] {
  const within = settingsIn(setting);
  if (within.length > 0) return within.flatMap(([inner, each]) => rows(`${name}.${inner}`, each));
  const key = setting.flat === "AlarmThreshold" ? `${name}.threshold` : name;
  return [`| \`${key}\` | ${setting.standard} | ${setting.range} | ${setting.says} |`];
}

function settingsIn({ interfaces = {} }: Setting): [string, Setting][] {
  return Object.values(interfaces).flatMap(({ settings }) => Object.entries(settings));
}

/** The types, as they must be. */
export function settingTypes(): string {
  return [
    "// Written by `npm run docs` from the tables that settings are checked with: change those.",
    'import type * as aws from "@pulumi/aws";',
    'import type * as pulumi from "@pulumi/pulumi";',
    ...[...interfacesIn(STACK)].map(([name, { about, settings }]) => typeOf(name, about, settings, member)),
    "",
  ].join("\n");
}

/** All interfaces, the outer ones first, each once. */
function interfacesIn({ interfaces = {} }: Setting): Map<string, Declared> {
  const inner = Object.values(interfaces).flatMap(({ settings }) =>
    Object.values(settings).flatMap((setting) => [...interfacesIn(setting)]),
  );
  return new Map([...Object.entries(interfaces), ...inner]);
}

/** What is written down of a setting. */
type Row = Omit<Setting, "check">;

function typeOf(
  name: string,
  about: string,
  rows: Readonly<Record<string, Row>>,
  member: (name: string, row: Row) => string,
): string {
  const members = Object.entries(rows).map(([key, row]) => member(key, row));
  return `\n${comment("", about)}\nexport interface ${name} {\n${members.join("\n\n")}\n}`;
}

function member(name: string, { says, type, range, standard, isRequired }: Row): string {
  const inWords = /\b(?:number|string)\b/.test(type) ? ` Range: ${range}.` : "";
  const otherwise = isRequired ? "" : ` @default ${standard}`;
  return `${comment("  ", `${says}${inWords}${otherwise}`)}\n  readonly ${name}${isRequired ? "" : "?"}: ${type};`;
}

/** Widest line of code here. */
const WIDTH = 110;

function comment(indent: string, text: string): string {
  const whole = `${indent}/** ${text} */`;
  if (whole.length <= WIDTH) return whole;
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (`${indent} *${longer}`.length > WIDTH || word === "@default") lines.push(` ${word}`);
    else lines[lines.length - 1] = longer;
  }
  return [`${indent}/**`, ...lines.map((line) => `${indent} *${line}`), `${indent} */`].join("\n");
}

/** Interfaces of which one is given in place of the other. */
const SCALINGS: readonly string[] = ["StandardScaling", "ProvisionedScaling"];

/** An alarm's `false` or threshold. */
const ALARM_THRESHOLD = {
  enabled: { says: "Whether there is this alarm.", type: "boolean", range: "", standard: "true" },
  threshold: {
    says: "Value above which it rings.",
    type: "pulumi.Input<number>",
    range: "",
    standard: "see the alarm",
  },
};

/** What settings are for programs in other languages, which have neither unions nor lists that cannot be changed. */
export function componentTypes(): string {
  const all = [...interfacesIn(STACK)];
  const scaling = all.flatMap(([name, declared]) => (SCALINGS.includes(name) ? [declared] : []));
  const ofEither = scaling
    .flatMap(({ settings }) => Object.entries(settings))
    .map(([key, setting]) => {
      return [key, { ...setting, isRequired: false, standard: "none; it belongs to the other mode" }];
    });
  return [
    "// Written by `npm run docs` from the tables that settings are checked with: change those.",
    'import type * as pulumi from "@pulumi/pulumi";',
    typeOf("AlarmThreshold", "When an alarm rings.", ALARM_THRESHOLD, flatMember),
    ...all
      .filter(([name]) => !SCALINGS.includes(name))
      .map(([name, { about, settings }]) => typeOf(name, about, settings, flatMember)),
    typeOf(
      "Scaling",
      `How fast the queue is emptied. ${scaling.map(({ about }) => about).join(" ")}`,
      Object.fromEntries(ofEither),
      flatMember,
    ),
    "",
  ].join("\n");
}

function flatMember(name: string, { says, type, flat = type, range, standard, isRequired }: Row): string {
  const inWords = range === "" || flat === "boolean" ? "" : ` Range: ${range}.`;
  const otherwise = isRequired ? "" : ` Default: ${standard}.`;
  return `${comment("  ", `${says}${inWords}${otherwise}`)}\n  ${name}${isRequired ? "" : "?"}: ${flat};`;
}

if (import.meta.main) {
  writeFileSync(COMPONENT, componentTypes());
  writeFileSync(PAGE, settingsPage());
  writeFileSync(TYPES, settingTypes());
}
