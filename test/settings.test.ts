import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { readStackConfig } from "../src/local/stack-config.ts";
import { readSettings } from "../src/settings.ts";
import type { Range } from "../src/topology/checks.ts";
import {
  ALARM_CHOICES,
  BUCKET_CHOICES,
  FAN_OUT_CHOICES,
  OBJECTIVE_RANGES,
} from "../src/topology/fan-out-settings.ts";
import { RESERVED_CONCURRENCY, SCALING_RANGES, WORKER_CHOICES } from "../src/topology/worker-settings.ts";
import { registered } from "./support/mocks.ts";

const TABLE = "README.md";

/** The settings of a stack, whose configuration is text as the Pulumi CLI gives it. */
async function settingsOf(config: Record<string, string>) {
  let settings: ReturnType<typeof readSettings> = {};
  let thrown: unknown;
  await registered(() => {
    pulumi.runtime.setAllConfig(config);
    try {
      settings = readSettings();
    } catch (error) {
      thrown = error;
    }
  });
  pulumi.runtime.setAllConfig({});
  if (thrown) throw thrown;
  return settings;
}

const messageOf = (key: string, value: string): Promise<string> =>
  settingsOf({ [`machine:${key}`]: value }).then(
    () => "accepted",
    (error: Error) => error.message,
  );

describe("the settings", () => {
  it("are none where the stack says nothing, whatever it says to others", async () => {
    expect(await settingsOf({ "aws:region": "eu-west-1" })).to.deep.equal({});
  });

  it("are what the stack says", async () => {
    const settings = await settingsOf({
      "machine:tracing": "true",
      "machine:workers": '{"memorySize":3008,"scaling":{"maximumConcurrency":9}}',
      "machine:tags": '{"Team":"pictures"}',
    });

    expect(settings).to.deep.equal({
      tracing: true,
      workers: { memorySize: 3008, scaling: { maximumConcurrency: 9 } },
      tags: { Team: "pictures" },
    });
  });

  const refused: [key: string, value: string, message: string | RegExp][] = [
    [
      "workers",
      '{"memorySize":64}',
      "Setting workers.memorySize is 64, but must be a whole number from 256 to 10240 MB.",
    ],
    ["workers", '{"memorySize":"much"}', /^Setting workers\.memorySize is "much", but must be/],
    ["workers", '{"scaling":{"maximumPollers":9}}', /^Setting workers\.scaling\.minimumPollers is undefined/],
    ["workers", "many", /^Setting workers is "many", but must be a map of memorySize, /],
    ["workers", "null", /^Setting workers is null, but must be a map of/],
    ["buckets", '{"protect":"yes"}', 'Setting buckets.protect is "yes", but must be true or false.'],
    [
      "buckets",
      '{"noncurrentVersionDays":0}',
      /^Setting buckets\.noncurrentVersionDays is 0, .* 1 to 3650 days\.$/,
    ],
    ["buckets", '{"force":true}', /^Setting buckets\.force is not known, only forceDestroy, /],
    ["alarms", '{"oldestMessageSeconds":59}', /^Setting alarms\.oldestMessageSeconds is 59/],
    ["alarms", '{"rejectedImages":-1}', /^Setting alarms\.rejectedImages is -1/],
    ["alarms", '{"email":"nobody"}', 'Setting alarms.email is "nobody", but must be one mail address.'],
    ["alarms", '{"email":5}', "Setting alarms.email is 5, but must be one mail address."],
    [
      "objective",
      '{"images":5}',
      /^Setting objective\.minutes is undefined, but must be .* 1 to 10080 minutes\.$/,
    ],
    [
      "objective",
      '{"images":5,"minutes":1,"by":3}',
      /^Setting objective\.by is not known, only images, minutes/,
    ],
    ["tracing", "maybe", 'Setting tracing is "maybe", but must be true or false.'],
    ["tracng", "true", /^Setting tracng is not known, only dashboard, customerManagedKey, tracing, buckets/],
    ["tags", '{"aws:team":"x"}', /^Setting tags\.aws:team is "x", but a tag has a name/],
    ["tags", '{"cost":5}', /^Setting tags\.cost is 5, but a tag/],
    ["tags", "[]", "Setting tags is [], but must be a map of names to texts."],
    [
      "tags",
      JSON.stringify(Object.fromEntries(Array.from({ length: 41 }, (_, index) => [`t${index}`, ""]))),
      "Setting tags are 41, but must be 40 at most.",
    ],
  ];
  for (const [key, value, message] of refused) {
    it(`may not be ${key}: ${value.slice(0, 60)}`, async () => {
      const said = await messageOf(key, value);

      if (typeof message === "string") expect(said).to.equal(message);
      else expect(said).to.match(message);
    });
  }

  for (const stack of ["dev", "prod"]) {
    it(`of ${stack} are accepted`, async () => {
      const { config, project } = readStackConfig(process.cwd(), stack);
      const renamed = Object.entries(config).map(([key, value]) => [key.replace(project, "machine"), value]);

      expect(await settingsOf(Object.fromEntries(renamed))).to.include.keys("buckets", "workers");
    });
  }

  it("are the only place where the configuration is read", () => {
    const files = execFileSync("git", [
      "ls-files",
      "-co",
      "--exclude-standard",
      "src",
      "index.ts",
      "handlers",
    ]);
    const reading = files
      .toString()
      .trim()
      .split("\n")
      .filter((file) => /pulumi\.Config\b/.test(readFileSync(file, "utf8")));

    expect(reading).to.deep.equal(["src/settings.ts"]);
  });

  it("are in the table as they are in the code: unit, default and range", () => {
    const rows = readFileSync(TABLE, "utf8")
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) => line.split("|").map((cell) => cell.trim()));
    const table = Object.fromEntries(
      rows.map(([, key = "", unit, standard, range]) => [key.replaceAll("`", ""), { unit, standard, range }]),
    );

    const row = (choice: boolean | (Omit<Range, "default"> & { default?: number })) => {
      if (typeof choice === "boolean") return { unit: "", standard: String(choice), range: "true, false" };
      const text = (value: number) => value.toLocaleString("en");
      return {
        unit: choice.unit,
        standard: choice.default === undefined ? "none" : text(choice.default),
        range: `${text(choice.minimum)} to ${text(choice.maximum)}`,
      };
    };
    const rowsOf = (prefix: string, choices: Record<string, Parameters<typeof row>[0]>) =>
      Object.fromEntries(Object.entries(choices).map(([name, choice]) => [prefix + name, row(choice)]));
    expect(table).to.deep.equal({
      ...rowsOf("", FAN_OUT_CHOICES),
      ...rowsOf("buckets.", BUCKET_CHOICES),
      ...rowsOf("alarms.", ALARM_CHOICES),
      ...rowsOf("workers.", { ...WORKER_CHOICES, reservedConcurrency: RESERVED_CONCURRENCY }),
      ...rowsOf("workers.scaling.", SCALING_RANGES),
      ...rowsOf("objective.", OBJECTIVE_RANGES),
      "alarms.email": { unit: "", standard: "none", range: "one address" },
      tags: { unit: "", standard: "none", range: "up to 40" },
    });
  });
});
