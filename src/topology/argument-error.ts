import * as pulumi from "@pulumi/pulumi";

/**
 * A mistake in a component's arguments, in a sentence that is all its author needs. Pulumi prints it without a stack trace, as it does
 * its own {@link pulumi.RunError}. Programs can catch it, and components of workers can throw it.
 */
export class ArgumentError extends pulumi.RunError {
  override readonly name = "ArgumentError";
  /** Stack trace of where it was thrown or, for a value that is only known later, of where that was given: it has the place in the program. */
  trace: string | undefined;

  constructor(sentence: string) {
    super(sentence);
    this.trace = this.stack;
    // Pulumi prints the stack of what turns out wrong once the program has come to its end.
    Object.defineProperty(this, "stack", { value: undefined });
    // Pulumi puts in front of the sentence each property that a value goes to.
    Object.defineProperty(this, "message", { get: () => sentence, set: () => {} });
  }
}
