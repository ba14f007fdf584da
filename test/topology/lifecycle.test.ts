import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { ArgumentError } from "../../src/topology/argument-error.ts";
import type { EncryptionKeyTransform } from "../../src/topology/encryption-key.ts";
import type { ImageFanOutTransform } from "../../src/topology/fan-out-transform.ts";
import type { ImageBucketTransform } from "../../src/topology/image-bucket.ts";
import { ImageFanOut } from "../../src/topology/image-fan-out.ts";
import { ImageWorker } from "../../src/topology/image-worker.ts";
import { RotationWorker } from "../../src/topology/rotation-worker.ts";
import type { ImageWorkerTransform } from "../../src/topology/worker-transform.ts";
import { find, machine, type Registered, refusal, registered } from "../support/mocks.ts";

/** All resources but the dashboard, which is of all workers, by type and name. */
const byName = (resources: Registered[]) =>
  Object.fromEntries(
    resources
      .filter(({ type }) => !type.endsWith(":Dashboard"))
      .map(({ type, name, inputs }) => [`${type} ${name}`, JSON.parse(JSON.stringify(inputs))]),
  );

describe("one worker more, or less", () => {
  for (const args of [{}, { key: "create", tracing: true }]) {
    it(`changes no resource of the others or of the fan-out, with ${JSON.stringify(args)}`, async () => {
      const two = byName(await machine(args, { clockwise: 90, "counter-clockwise": -90 }));
      const three = byName(
        await machine(args, { clockwise: 90, "half-turn": 180, "counter-clockwise": -90 }),
      );

      const more = Object.keys(three).filter((key) => !(key in two));
      for (const key of more) {
        expect(key).to.match(/ images-half-turn/);
        delete three[key];
      }
      expect(more).to.have.length(18);
      expect(three).to.deep.equal(two);
    });
  }
});

describe("tags", () => {
  it("are on everything that can have them, and tell project, stack and worker", async () => {
    const resources = await machine({ key: "create", tags: { Team: "pictures" } }, { clockwise: 90 });
    const taggable = /:(Bucket|Topic|Queue|LogGroup|Role|Function|EventSourceMapping|MetricAlarm|Key)$/;

    for (const { type, name, inputs } of resources) {
      if (!type.startsWith("aws:")) continue;
      expect("tags" in inputs, `${type} ${name}`).to.equal(taggable.test(type));
      if (!taggable.test(type)) continue;
      expect(inputs.tags, name).to.deep.equal({
        Project: "machine",
        Stack: "test",
        Team: "pictures",
        ...(name.startsWith("images-clockwise") ? { Worker: "clockwise" } : {}),
      });
    }
  });
});

describe("a tag", () => {
  it("is a text, though YAML takes it for a number", async () => {
    const tags = { Cost: 1234, Audited: true } as unknown as Record<string, string>;
    const resources = await machine({ tags }, { clockwise: 90 });

    for (const [type, name] of [
      ["Topic", "images-created"] as const,
      ["Role", "images-clockwise-role"] as const,
    ]) {
      expect(find(resources, type, name).tags).to.include({ Cost: "1234", Audited: "true" });
    }
  });

  it("of a transform is refused where IAM cannot tell it from another", () =>
    registered(() => {
      const fanOut = new ImageFanOut("images");
      const transform = { role: { tags: { worker: "mine" } } };
      expect(() => new RotationWorker("clockwise", { fanOut, angle: 90, transform })).to.throw(
        ArgumentError,
        "The transform's tag worker differs from the tag Worker only in case",
      );
    }));
});

describe("transform", () => {
  it("may be undefined, as where a program decides whether there is one", async () => {
    const none = { source: undefined, workers: undefined, topic: undefined } as never;

    expect(byName(await machine({ transform: none }))).to.deep.equal(byName(await machine()));
  });

  it("replaces properties of one child of a worker, and of no other", async () => {
    const plain = byName(await machine({}, { clockwise: 90 }));
    const changed = byName(
      await registered(() => {
        const fanOut = new ImageFanOut("images");
        new RotationWorker("clockwise", { fanOut, angle: 90, transform: { queue: { delaySeconds: 5 } } });
      }),
    );
    const queue = "aws:sqs/queue:Queue images-clockwise-queue";

    expect(changed).to.deep.equal({ ...plain, [queue]: { ...plain[queue], delaySeconds: 5 } });
  });

  for (const [retention, isProtected] of [
    ["keep", true],
    ["destroy", false],
  ] as const) {
    it(`finds what images wait in ${isProtected ? "" : "not "}protected where retention is ${retention}`, async () => {
      const protection: unknown[] = [];
      await registered(() => {
        const fanOut = new ImageFanOut("images", { retention });
        const { queue, deadLetterQueue, nodes } = new RotationWorker("clockwise", { fanOut, angle: 90 });
        const all = [fanOut.topic, fanOut.nodes.notification, queue, deadLetterQueue, nodes.subscription];
        for (const each of all) protection.push((each as unknown as { __protect: boolean }).__protect);
      });

      expect(new Set(protection)).to.deep.equal(new Set([isProtected]));
    });
  }

  it("changes properties and options through a function, after all else", async () => {
    const resources = await registered(() => {
      const fanOut = new ImageFanOut("images", {
        retention: "destroy",
        transform: {
          topic: (args, opts) => {
            args.displayName = "New images";
            opts.protect = true;
          },
          source: { lifecycle: (args) => Object.assign(args, { rules: [] }) },
        },
      });
      expect(fanOut.topic).to.have.property("__protect", true);
      expect(fanOut.source).to.not.have.property("__protect", true);
    });

    expect(find(resources, "Topic", "images-created").displayName).to.equal("New images");
    expect(find(resources, "BucketLifecycleConfiguration", "images-source-lifecycle").rules).to.deep.equal(
      [],
    );
    expect(find(resources, "BucketLifecycleConfiguration", "images-results-lifecycle").rules).to.have.length(
      2,
    );
  });

  const unknown: [string, () => void][] = [
    [
      'RotationWorker "grey": transform.fnction is not known, only deadLetterQueue, queue, ',
      () => {
        const transform = { fnction: { memorySize: 512 } } as ImageWorkerTransform;
        new RotationWorker("grey", { fanOut: new ImageFanOut("images"), angle: 90, transform });
      },
    ],
    [
      'ImageFanOut "images": transform.bucket is not known, only key, source, results, ',
      () => new ImageFanOut("images", { transform: { bucket: {} } as ImageFanOutTransform }),
    ],
    [
      'ImageFanOut "images": transform.workers.lambda is not known, only deadLetterQueue, queue, ',
      () => new ImageFanOut("images", { transform: { workers: { lambda: {} } as ImageWorkerTransform } }),
    ],
    [
      'ImageFanOut "images": transform.source.tags is not known, only bucket, ',
      () => new ImageFanOut("images", { transform: { source: { tags: {} } as ImageBucketTransform } }),
    ],
    [
      'ImageFanOut "images": transform.key.name is not known, only key, alias, policy.',
      () =>
        new ImageFanOut("images", {
          key: "create",
          transform: { key: { name: {} } as EncryptionKeyTransform },
        }),
    ],
  ];
  for (const [sentence, make] of unknown) {
    it(`is refused where there is no such resource: ${sentence}`, async () => {
      await registered(() => {
        expect(make).to.throw(ArgumentError).with.property("message").that.contains(sentence);
      });
    });
  }

  it("adds tags to the component's own, for every child", async () => {
    const tags = { Team: "pictures", Stack: "mine" };
    const resources = await registered(() => {
      const fanOut = new ImageFanOut("images", { transform: { topic: { tags } } });
      const transform = { queue: { tags }, function: { tags: pulumi.output(tags) } };
      new RotationWorker("clockwise", { fanOut, angle: 90, transform });
    });

    const all = { Project: "machine", Stack: "mine", Team: "pictures" };
    expect(find(resources, "Topic", "images-created").tags).to.deep.equal(all);
    for (const [type, name] of [["Queue", "queue"] as const, ["Function", "function"] as const]) {
      expect(find(resources, type, `images-clockwise-${name}`).tags).to.deep.equal({
        ...all,
        Worker: "clockwise",
      });
    }
    expect(find(resources, "Queue", "images-clockwise-dead-letters").tags).to.not.have.property("Team");
  });

  const variables = { MODE: "fast" };
  const additions: Record<string, NonNullable<ImageWorkerTransform["function"]>> = {
    "as a value": { environment: { variables } },
    "as an output": { environment: pulumi.output({ variables }) },
    "as a value of outputs": { environment: { variables: pulumi.output(variables) } },
    "in a function": (args) => {
      args.environment = { variables };
    },
    "in a function, in place": (args) => {
      Object.assign((args.environment as { variables: object }).variables, variables);
    },
  };
  for (const [how, change] of Object.entries(additions)) {
    it(`adds environment variables to the function's own, ${how}`, async () => {
      const variablesOf = async (transform?: ImageWorkerTransform) =>
        find(
          await registered(() => {
            const fanOut = new ImageFanOut("images");
            new RotationWorker("clockwise", { fanOut, angle: 90, ...(transform && { transform }) });
          }),
          "Function",
          "images-clockwise-function",
        ).environment.variables;

      expect(await variablesOf({ function: change })).to.deep.equal({
        ...(await variablesOf()),
        MODE: "fast",
      });
    });
  }

  const replacements: Record<string, NonNullable<ImageWorkerTransform["function"]>> = {
    "as a value": { environment: { variables: { WORKER: "mine" } } },
    "in a function": (args) => {
      Object.assign((args.environment as { variables: object }).variables, { WORKER: "mine" });
    },
  };
  for (const [how, change] of Object.entries(replacements)) {
    it(`says which variable of the machine cannot be replaced, ${how}`, () =>
      registered(() => {
        const fanOut = new ImageFanOut("images");
        const handler = "handlers/rotate.ts";
        expect(() => new ImageWorker("grey", { fanOut, handler, transform: { function: change } })).to.throw(
          ArgumentError,
          'ImageWorker "grey": transform.function.environment.variables.WORKER cannot be set, because the machine sets it and depends on it.',
        );
      }));
  }

  it("lets the runtime's own variables be replaced", async () => {
    const resources = await registered(() => {
      const environment = { variables: { NODE_OPTIONS: "--max-old-space-size=512" } };
      const fanOut = new ImageFanOut("images");
      new RotationWorker("clockwise", { fanOut, angle: 90, transform: { function: { environment } } });
    });

    const { variables } = find(resources, "Function", "images-clockwise-function").environment;
    expect(variables).to.include({ NODE_OPTIONS: "--max-old-space-size=512", MALLOC_ARENA_MAX: "2" });
  });

  it("says which variable of the machine the argument environment cannot replace", () =>
    registered(() => {
      const fanOut = new ImageFanOut("images");
      const environment = { QUEUE_URL: "mine" };
      expect(() => new ImageWorker("grey", { fanOut, handler: "handlers/rotate.ts", environment })).to.throw(
        'ImageWorker "grey": environment.QUEUE_URL cannot be set',
      );
    }));

  it("is told the name of each resource, so that one of six alarms can be changed", async () => {
    const names: string[] = [];
    const resources = await registered(() => {
      new RotationWorker("clockwise", {
        fanOut: new ImageFanOut("images"),
        angle: 90,
        transform: {
          alarm: (args, _, name) => {
            names.push(name);
            if (name === "images-clockwise-errors-alarm") args.period = 300;
          },
        },
      });
    });
    const alarms = resources.filter(({ type, name }) => /MetricAlarm/.test(type) && /clockwise/.test(name));

    expect(names).to.have.members(alarms.map(({ name }) => name));
    expect(find(resources, "MetricAlarm", "images-clockwise-errors-alarm").period).to.equal(300);
    expect(find(resources, "MetricAlarm", "images-clockwise-throttles-alarm").period).to.equal(60);
  });

  it("of a fan-out changes the resources of all its workers, before their own, and adds up with them", async () => {
    const forAll: ImageWorkerTransform = {
      queue: { delaySeconds: 5, tags: { Team: "pictures" } },
      function: { ephemeralStorage: { size: 1024 }, environment: { variables: { A: "all", B: "all" } } },
    };
    const resources = await registered(() => {
      const fanOut = new ImageFanOut("images", { transform: { workers: forAll } });
      new RotationWorker("plain", { fanOut, angle: 90 });
      const transform: ImageWorkerTransform = {
        queue: { delaySeconds: 7, tags: { Cost: "low" } },
        function: { environment: pulumi.output({ variables: { B: "own" } }) },
      };
      new RotationWorker("own", { fanOut, angle: 90, transform });
    });
    const queue = (name: string) => find(resources, "Queue", `images-${name}-queue`);
    const lambda = (name: string) => find(resources, "Function", `images-${name}-function`);

    expect(queue("plain").delaySeconds).to.equal(5);
    expect(queue("plain").tags).to.include({ Team: "pictures" }).and.not.have.property("Cost");
    expect(queue("own").delaySeconds).to.equal(7);
    expect(queue("own").tags).to.include({ Team: "pictures", Cost: "low", Worker: "own" });
    for (const name of ["plain", "own"]) expect(lambda(name).ephemeralStorage).to.deep.equal({ size: 1024 });
    expect(lambda("plain").environment.variables).to.include({ A: "all", B: "all", WORKER: "plain" });
    expect(lambda("own").environment.variables).to.include({ A: "all", B: "own", WORKER: "own" });
  });

  it("reaches every child of a worker", async () => {
    const reached: string[] = [];
    const names = {
      deadLetterQueue: "dead-letters",
      queue: "queue",
      redriveAllow: "redrive-allow",
      queuePolicy: "queue-policy",
      deadLetterPolicy: "dead-letters-policy",
      subscription: "subscription",
      logGroup: "log",
      role: "role",
      rolePolicy: "role-policy",
      function: "function",
      mapping: "mapping",
      alarm: "alarms",
    } satisfies Record<keyof ImageWorkerTransform, string>;
    await registered(() => {
      const transform = Object.fromEntries(
        Object.keys(names).map((child) => [child, () => void reached.push(child)]),
      );
      new ImageWorker("grey", {
        fanOut: new ImageFanOut("images"),
        handler: "handlers/rotate.ts",
        transform,
      });
    });

    expect([...new Set(reached)]).to.have.members(Object.keys(names));
  });

  it("reaches every child of a fan-out", async () => {
    const reached: string[] = [];
    const reach = (...children: string[]) =>
      Object.fromEntries(children.map((child) => [child, () => void reached.push(child)]));
    const bucket = ["bucket", "versioning", "publicAccess", "ownership", "encryption", "policy", "lifecycle"];
    const own = [
      "topic",
      "topicPolicy",
      "tracingPolicy",
      "notification",
      "layer",
      "alarmTopic",
      "alarmTopicPolicy",
      "alarmEmail",
      "alarm",
      "dashboard",
    ];
    await registered(() => {
      new ImageFanOut("images", {
        key: "create",
        tracing: true,
        alarms: { email: "a@b.example" },
        transform: {
          ...reach(...own),
          key: reach("key", "alias", "policy"),
          source: reach(...bucket),
          results: reach(...bucket),
        },
      });
    });

    expect(reached.sort()).to.deep.equal([...own, "key", "alias", "policy", ...bucket, ...bucket].sort());
  });
});

describe("two of one name", () => {
  const said = (program: (fanOut: ImageFanOut) => void) => refusal(() => program(new ImageFanOut("images")));

  it("are refused by a fan-out, whatever kinds of worker they are, in a sentence about the kind that is too many", async () => {
    const rotation = (fanOut: ImageFanOut) => new RotationWorker("one", { fanOut, angle: 90 });
    const own = (fanOut: ImageFanOut) => new ImageWorker("one", { fanOut, handler: "handlers/rotate.ts" });
    const sentence =
      '"one": the fan-out already has a worker of that name, whose results are under "one/". Give one of them another name.';

    for (const [first, second, kind] of [
      [rotation, own, "ImageWorker"],
      [own, rotation, "RotationWorker"],
      [rotation, rotation, "RotationWorker"],
    ] as const) {
      const twice = await said((fanOut) => {
        first(fanOut);
        second(fanOut);
      });
      expect(twice).to.equal(`ArgumentError: ${kind} ${sentence}`);
    }
  });

  it("are refused under mocks as by Pulumi's engine", async () => {
    expect(await said(() => new ImageFanOut("images"))).to.equal(
      'ProgramError: ImageFanOut "images": the program declares two of this name, which must be unique in the whole program. Give one of them another name.',
    );
    expect(await said(() => new ImageFanOut("others"))).to.equal("not refused");
  });
});
