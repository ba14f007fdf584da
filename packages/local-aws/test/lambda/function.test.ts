import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect } from "chai";
import { withFolder } from "../../../../test/support/machine.ts";
import { LocalFunction } from "../../src/lambda/function.ts";
import type { InvocationError } from "../../src/lambda/sandbox.ts";
import { Semaphore } from "../../src/lambda/semaphore.ts";

interface Options {
  timeout?: number;
  memorySize?: number;
  places?: number;
  onLine?: (line: string, requestId: string) => void;
}

/** A function with this code, for one test. @returns what the test gives, and the log */
async function withFunction<T>(
  code: string,
  use: (invoke: (event: unknown) => Promise<unknown>, local: LocalFunction) => Promise<T>,
  { timeout = 10, memorySize = 512, places = 2, onLine }: Options = {},
): Promise<{ result: T; log: string }> {
  return withFolder(async (folder) => {
    const taskRoot = path.join(folder, "task");
    await mkdir(taskRoot);
    await writeFile(path.join(taskRoot, "index.js"), code);
    const logFile = path.join(folder, "function.log");
    const local = new LocalFunction(
      {
        name: "test",
        arn: "arn:aws:lambda:us-east-1:000000000000:function:test",
        timeout,
        memorySize,
        taskRoot,
        logFile,
        environment: {
          _HANDLER: "index.handler",
          LAMBDA_TASK_ROOT: taskRoot,
          AWS_LAMBDA_FUNCTION_NAME: "test",
          AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memorySize),
          PATH: process.env.PATH ?? "",
        },
      },
      new Semaphore(places),
      onLine,
    );
    try {
      const result = await use((event) => local.invoke(event), local);
      await local.close();
      return { result, log: await readFile(logFile, "utf8") };
    } finally {
      await local.close().catch(() => {});
    }
  });
}

const kind = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: InvocationError) => error.kind,
  );

const message = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: Error) => error.message,
  );

describe("a function on this computer", () => {
  it("has one sandbox where it was warmed, and another where that cannot load its code", async () => {
    const note = 'require("node:fs").appendFileSync("loads", "x");';
    const count = 'require("node:fs").readFileSync("loads", "utf8").length';
    const warmed = (code: string) =>
      withFunction(code, async (invoke, local) => {
        local.warm();
        return invoke({}).catch(({ kind }: InvocationError) => kind);
      });

    const sound = await warmed(`${note} exports.handler = async () => ${count};`);
    const broken = await warmed(`${note} throw new Error("no");`);

    expect([sound.result, broken.result]).to.deep.equal([1, "init"]);
  });

  it("gets the event and the context that Lambda gives, and answers", async () => {
    const code = `exports.handler = async (event, context) => ({ event, name: context.functionName,
      memory: context.memoryLimitInMB, time: context.getRemainingTimeInMillis(), id: typeof context.awsRequestId });`;

    const { result } = await withFunction(code, (invoke) => invoke({ a: 1 }));

    expect(result).to.deep.include({ event: { a: 1 }, name: "test", memory: "512", id: "string" });
    expect((result as { time: number }).time).to.be.within(5000, 10_000);
  });

  it("logs what is printed between START, END and REPORT", async () => {
    const { log } = await withFunction(
      "exports.handler = async () => console.log('hello from inside');",
      (invoke) => invoke({}),
    );

    expect(log).to.match(/^START RequestId: [\w-]+ Version: \$LATEST$/m);
    expect(log).to.match(/^hello from inside$/m);
    expect(log).to.match(
      /^REPORT RequestId: .*\tDuration: [\d.]+ ms\tMemory Size: 512 MB\tMax Memory Used: [1-9]\d* MB/m,
    );
  });

  it("ends an invocation whose process has ended when its answer is read", async () => {
    const code = `exports.handler = async ({ end }) => { if (end) setTimeout(() => process.exit(0)); return "answer"; };`;

    const { result } = await withFunction(code, async (invoke) => {
      await invoke({});
      const answer = invoke({ end: true });
      await new Promise(setImmediate);
      // Meanwhile it answers and ends.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      return answer;
    });

    expect(result).to.equal("answer");
  });

  it("takes no line for one of the next invocation, however much is printed and whoever waits", async () => {
    const code = `exports.handler = async (event, { awsRequestId }) => {
      for (let i = 0; i < 1000; i++) console.log(awsRequestId + " " + "x".repeat(400)); };`;
    const lines: [line: string, requestId: string][] = [];

    const { log } = await withFunction(code, (invoke) => Promise.all([1, 2, 3].map(invoke)), {
      ...{ places: 1, onLine: (...each: [string, string]) => lines.push(each) },
    });

    expect(lines).to.have.length(3000);
    expect(lines.filter(([line, requestId]) => !line.startsWith(requestId))).to.deep.equal([]);
    const ends = log.split("\n").flatMap((line, index) => (line.startsWith("END ") ? [index] : []));
    expect(ends).to.deep.equal([1001, 2004, 3007]);
  });

  it("keeps a sandbox warm, with what it has in memory", async () => {
    const { result } = await withFunction("let n = 0; exports.handler = async () => ++n;", async (invoke) => [
      await invoke({}),
      await invoke({}),
    ]);

    expect(result).to.deep.equal([1, 2]);
  });

  it("runs invocations at once in sandboxes of their own, and no more than there are places", async () => {
    const code = `exports.handler = async () => { const from = Date.now(); await new Promise((r) => setTimeout(r, 100));
      return { pid: process.pid, from, to: Date.now() }; };`;

    const { result } = await withFunction(code, (invoke) => Promise.all([1, 2, 3, 4].map(invoke)), {
      places: 2,
    });

    const spans = result as { pid: number; from: number; to: number }[];
    expect(new Set(spans.map(({ pid }) => pid)).size).to.equal(2);
    for (const { from } of spans) {
      expect(spans.filter((other) => other.from <= from && from < other.to).length).to.be.at.most(2);
    }
  });

  it("hands on what the handler throws, and goes on", async () => {
    const code =
      "exports.handler = async (bad) => { if (bad) throw new TypeError('it broke'); return 'fine'; };";

    const { result } = await withFunction(code, async (invoke) => [
      await message(invoke(true)),
      await invoke(false),
    ]);

    expect(result).to.deep.equal(["TypeError: it broke", "fine"]);
  });

  it("kills a sandbox that overruns its time, and starts another", async () => {
    const code = "exports.handler = async (slow) => { while (slow) ; return 'fine'; };";

    const { result } = await withFunction(
      code,
      async (invoke) => [await invoke(false), await message(invoke(true)), await invoke(false)],
      {
        timeout: 1,
      },
    );

    expect(result).to.deep.equal(["fine", "Task timed out after 1.00 seconds", "fine"]);
  });

  it("kills a sandbox that takes more memory than the function has", async () => {
    const code = `exports.handler = async () => { const held = [];
      for (let i = 0; i < 100; i++) { held.push(Buffer.alloc(8 * 2 ** 20, 1)); await new Promise((r) => setTimeout(r, 10)); } };`;

    const { result } = await withFunction(code, (invoke) => message(invoke({})), { memorySize: 256 });

    expect(result).to.equal("Runtime exited with error: signal: killed (out of memory)");
  });

  it("kills a sandbox that takes memory without ever letting its process look", async function () {
    if (process.platform !== "linux") this.skip();
    const code =
      "exports.handler = async () => { for (const held = []; ; ) held.push(Buffer.alloc(2 ** 22, 1)); };";

    const { result } = await withFunction(code, (invoke) => kind(invoke({})), {
      memorySize: 256,
      timeout: 60,
    });

    expect(result).to.equal("memory");
  });

  it("tells a heap that is full from any other end, by V8's last words", async () => {
    const code =
      "exports.handler = async () => { console.error('FATAL ERROR: JavaScript heap out of memory'); process.abort(); };";

    const { result } = await withFunction(code, (invoke) => kind(invoke({})));

    expect(result).to.equal("memory");
  });

  it("says what nothing in the function has caught", async () => {
    const code = `exports.handler = () => new Promise(() => setTimeout(() => { throw new RangeError("out of the blue"); }));`;

    const { result } = await withFunction(code, (invoke) => invoke({}).catch((error) => error));

    expect(result).to.include({ kind: "exit", message: "RangeError: out of the blue" });
  });

  it("says that code takes too long to load", async () => {
    const { result } = await withFunction("for (;;) ;", (invoke) => kind(invoke({})), { timeout: 0.5 });

    expect(result).to.equal("init");
  });

  it("says where the handler threw, in the log too", async () => {
    const { result, log } = await withFunction(
      "exports.handler = async () => {\n  throw new TypeError('it broke'); };",
      (invoke) => invoke({}).catch((error) => error),
    );

    expect((result as InvocationError).error?.stackTrace[1]).to.match(/index\.js:2:9\)?$/);
    expect(log).to.match(/^ {4}at .*index\.js:2:9\)?$/m);
  });

  it("survives a sandbox that ends itself", async () => {
    const code = "exports.handler = async (die) => { if (die) process.exit(3); return 'fine'; };";

    const { result } = await withFunction(code, async (invoke) => [
      await message(invoke(true)),
      await invoke(false),
    ]);

    expect(result).to.deep.equal(["Runtime exited with error: exit status 3", "fine"]);
  });

  it("says why code cannot be loaded", async () => {
    const attempt = (code: string) =>
      withFunction(code, (invoke) => message(invoke({}))).then(({ result }) => result);

    expect(await attempt("throw new Error('no start');")).to.equal("Error: no start");
    expect(await attempt("exports.other = 1;")).to.equal("Error: index.handler is undefined or not exported");
  });

  it("sees nothing of this process's environment", async () => {
    process.env.SECRET_OF_THIS_PROCESS = "1";
    const { result } = await withFunction(
      "exports.handler = async () => process.env.SECRET_OF_THIS_PROCESS ?? 'nothing';",
      (invoke) => invoke({}),
    );
    delete process.env.SECRET_OF_THIS_PROCESS;

    expect(result).to.equal("nothing");
  });
});
