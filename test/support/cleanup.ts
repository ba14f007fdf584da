/** What is to be undone, last things first. */
const endOfTest: (() => unknown)[] = [];
const endOfFile: (() => unknown)[] = [];

/** Has a step done after the test that runs, whatever becomes of it. */
export function afterTest(step: () => unknown): void {
  endOfTest.push(step);
}

/** Has a step done after the last test of the file that runs. */
export function afterFile(step: () => unknown): void {
  endOfFile.push(step);
}

/**
 * Mocha's root hooks, which it runs for every file. A hook in a module that several files import would be theirs
 * only in the file that is loaded first: a process loads the module once.
 */
export const mochaHooks = {
  afterEach: () => undo(endOfTest),
  afterAll: () => undo(endOfFile),
};

async function undo(steps: (() => unknown)[]): Promise<void> {
  for (const step of steps.splice(0).reverse()) await step();
}
