import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { parse } from "yaml";
import { settingsPage, settingTypes } from "../docs/settings.ts";
import { readStackConfig } from "../src/machine/stack-config.ts";
import { readSettings } from "../src/settings.ts";
import { registered } from "./support/mocks.ts";

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
    (error: Error) => error.message.replace(/^Pulumi\.test\.yaml: /, ""),
  );

/** What is said of a tag that IAM cannot tell from another. */
const differs = (tag: string, other: string) =>
  `Setting ${tag} differs from the tag ${other} only in case, which IAM ignores: write ${other}, or choose another name.`;

describe("the settings", () => {
  it("are none where the stack says nothing, whatever it says to others", async () => {
    expect(await settingsOf({ "aws:region": "eu-west-1" })).to.deep.equal({});
  });

  it("are what the stack says", async () => {
    const settings = await settingsOf({
      "machine:tracing": "true",
      "machine:workers": '{"memorySize":3008,"scaling":{"maximumConcurrency":9}}',
      "machine:key": "retire",
      "machine:tags": '{"Team":"pictures"}',
    });

    expect(settings).to.deep.equal({
      tracing: true,
      key: "retire",
      workers: { memorySize: 3008, scaling: { maximumConcurrency: 9 } },
      tags: { Team: "pictures" },
    });
  });

  it("are parts that stand alone, as pulumi new writes them, beside the rest of the whole", async () => {
    const settings = await settingsOf({
      "machine:alarms": '{"rejected":{"threshold":5}}',
      "machine:alarms.email": "on-call@example.com",
      "machine:workers.scaling.maximumConcurrency": "9",
    });

    expect(settings).to.deep.equal({
      alarms: { rejected: { threshold: 5 }, email: "on-call@example.com" },
      workers: { scaling: { maximumConcurrency: 9 } },
    });
  });

  it("are refused where a part stands beside a whole that has none, or is unknown", async () => {
    const beside = settingsOf({ "machine:retention": "keep", "machine:retention.days": "3" });
    expect(await beside.catch(({ message }) => message)).to.equal(
      "Pulumi.test.yaml: Setting retention.days conflicts with a setting above it, which is not a map: remove one of them.",
    );
    expect(await messageOf("alarms.mail", "a@example.com")).to.match(/^Setting alarms\.mail is not known/);
  });

  it("are what pulumi new asks for, whatever the project is called then", async () => {
    const { template } = parse(readFileSync("Pulumi.yaml", "utf8"));
    const { "aws:region": region, ...asked } = template.config;
    const answers: Record<string, string> = { retention: "keep", "alarms.email": "on-call@example.com" };

    expect(region.default).to.equal("us-east-1");
    expect(Object.keys(asked)).to.deep.equal(Object.keys(answers));
    for (const [key, value] of Object.entries(answers))
      expect(await messageOf(key, value)).to.equal("accepted");
    for (const stack of ["dev", "prod"]) {
      const { config } = parse(readFileSync(`Pulumi.${stack}.yaml`, "utf8"));
      expect(Object.keys(config).filter((key) => key.includes(":"))).to.deep.equal(["aws:region"]);
    }
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
    ["retention", "forever", 'Setting retention is "forever", but must be keep or destroy.'],
    [
      "buckets",
      '{"protect":true}',
      "Setting buckets.protect is not known: use retention (docs/settings.md).",
    ],
    ["customerManagedKey", "true", "Setting customerManagedKey is not known: use key (docs/settings.md)."],
    [
      "alarms",
      '{"rejectedImages":5}',
      "Setting alarms.rejectedImages is not known: use alarms.rejected.threshold (docs/settings.md).",
    ],
    [
      "buckets",
      '{"noncurrentVersionDays":0}',
      /^Setting buckets\.noncurrentVersionDays is 0, .* 1 to 3650 days\.$/,
    ],
    ["buckets", '{"force":true}', /^Setting buckets\.force is not known, only noncurrentVersionDays/],
    [
      "alarms",
      '{"late":{"threshold":59}}',
      /^Setting alarms\.late\.threshold is 59, .* 60 to 1209600 seconds/,
    ],
    ["alarms", '{"rejected":{"threshold":-1}}', /^Setting alarms\.rejected\.threshold is -1/],
    ["alarms", '{"rejected":{}}', /^Setting alarms\.rejected\.threshold is undefined/],
    ["alarms", '{"errors":{"above":1}}', /^Setting alarms\.errors\.above is not known, only threshold\.$/],
    ["alarms", '{"late":true}', "Setting alarms.late is true, but must be false or a map with threshold."],
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
    ["key", "retired", 'Setting key is "retired", but must be create, retire or the ARN of an existing key.'],
    [
      "tracng",
      "true",
      /^Setting tracng is not known, only prefix, suffix, workers, concurrency, source, results, buckets, lifecycle, /,
    ],
    ["metadata", "none", "Setting metadata is not known: did you mean workers.metadata?"],
    ["carry", '["tags"]', "Setting carry is not known: did you mean workers.carry?"],
    ["memorySize", "512", "Setting memorySize is not known: did you mean workers.memorySize?"],
    ["only", '{"prefix":"a/"}', "Setting only is not known: did you mean workers.only?"],
    [
      "workers",
      '{"maximumConcurrency":5}',
      "Setting workers.maximumConcurrency is not known: did you mean workers.scaling.maximumConcurrency?",
    ],
    ["tags", '{"aws:team":"x"}', /^Setting tags\.aws:team is "x", but a tag's name must have/],
    ["tags", '{"cost":{}}', /^Setting tags\.cost is {}, but a tag/],
    // More digits than JavaScript keeps.
    ["tags", '{"account":12345678901234567890}', /^Setting tags\.account is 12345678901234567000, but a tag/],
    ["tags", '{"project":"pictures"}', differs("tags.project", "Project")],
    ["tags", '{"STACK":"pictures"}', differs("tags.STACK", "Stack")],
    ["tags", '{"Team":"pictures","team":"films"}', differs("tags.team", "Team")],
    [
      "tags",
      '{"Worker":"mine"}',
      "Setting tags.Worker would be overwritten with the worker's name on a worker's resources: choose another name.",
    ],
    ["tags", "[]", "Setting tags is [], but must be a map of names to texts."],
    [
      "tags",
      JSON.stringify(Object.fromEntries(Array.from({ length: 41 }, (_, index) => [`t${index}`, ""]))),
      "Setting tags has 41 tags, but the maximum is 40.",
    ],
  ];
  for (const [key, value, message] of refused) {
    it(`may not be ${key}: ${value.slice(0, 60)}`, async () => {
      const said = await messageOf(key, value);

      if (typeof message === "string") expect(said).to.equal(message);
      else expect(said).to.match(message);
    });
  }

  it("may not differ in case from the tags that the provider adds", async () => {
    const given = { "machine:tags": '{"Team":"pictures"}' };
    const said = (names: object) =>
      settingsOf({ ...given, "aws:defaultTags": JSON.stringify({ tags: names }) }).then(
        () => "accepted",
        (error: Error) => error.message,
      );

    expect(await said({ Team: "films", Owner: "me" })).to.equal("accepted");
    expect(await said({ team: "films" })).to.match(
      /^Pulumi\.test\.yaml: aws:defaultTags\.tags\.team differs from the tag Team only in case/,
    );
    expect(await said({ stack: "x" })).to.contain("aws:defaultTags.tags.stack differs from the tag Stack");
  });

  it("are told with the file of the stack where they are refused", async () => {
    const error = await settingsOf({ "machine:tracng": "true" }).catch((thrown: Error) => thrown);

    expect(error)
      .to.have.property("message")
      .that.matches(/^Pulumi\.test\.yaml: Setting tracng is not known/);
  });

  it("are refused under a name that is nearly the project's, and left to providers under theirs", async () => {
    const error = await settingsOf({ "machin:workers": '{"memorySize":512}' }).catch(
      (thrown: Error) => thrown,
    );

    expect(error)
      .to.have.property("message")
      .that.equals(
        "Pulumi.test.yaml: machin:workers does nothing, as the project is machine: rename it to machine:workers.",
      );
    expect(await settingsOf({ "aws:tags": "{}", "pulumi:tags": "{}", "other:name": "1" })).to.deep.equal({});
  });

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

  it("are on their page, and in the types of arguments, as they are checked", () => {
    for (const [file, written] of [
      ["docs/settings.md", settingsPage()],
      ["src/topology/setting-types.ts", settingTypes()],
    ] as const) {
      expect(readFileSync(file, "utf8"), `${file}: run \`npm run docs\``).to.equal(written);
    }
  });

  it("are told with default, range and what may be an Output", () => {
    expect(settingsPage()).to.match(
      /^\| `workers\.memorySize` \| 1,769 \| 256 to 10,240 MB \| The function's/m,
    );
    expect(settingTypes()).to.contain(
      "large an image the worker accepts. Range: 256 to 10,240 MB.\n   * @default 1,769\n   */\n  readonly memorySize?: pulumi.Input<number>;",
    );
  });
});
