import { type Inputs, type ResourceType, typeOf } from "./types.ts";

/** What stands for a value that is not known before the resource exists. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** What Pulumi writes an asset or archive with. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";

export interface Difference {
  /** Inputs that are another than what stands. */
  readonly changed: string[];
  /** Those that AWS cannot change, so that another resource is made. */
  readonly replaced: string[];
  /** Whether the old one must go first, as the new one has its name. */
  readonly deleteFirst: boolean;
}

/** The type of a resource: the last of those in its URN, which begins with its parents'. */
export function tokenOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

/** What the provider would do to make `state`, which stands, into what `inputs` ask for. */
export function differences(token: string, state: Inputs, inputs: Inputs): Difference {
  const type = typeOf(token);
  const changed = [...new Set([...givenIn(state, type), ...Object.keys(inputs)])].filter((input) => {
    // Pulumi's own are in neither list.
    if (input.startsWith("__")) return false;
    const [before, after] = [state[input], inputs[input]].map((value) => canonical(value, input, type));
    return before !== after && !(after === "null" && type.kept.includes(input));
  });
  const replaced = changed.filter((input) => type.replaces.includes(input));
  const { name } = type;
  const sameName =
    name?.automatic && !inputs.__defaults?.includes(name.input) && !changed.includes(name.input);
  return { changed, replaced, deleteFirst: replaced.length > 0 && Boolean(sameName && inputs[name.input]) };
}

/** What was given of a state, beside what AWS has added to it. */
function givenIn(state: Inputs, type: ResourceType): string[] {
  const added = Object.keys(state.__answers ?? {});
  return Object.keys(state).filter((key) => !added.includes(key) || type.required.includes(key));
}

/** What two values that mean the same have in common. */
function canonical(value: unknown, input: string, type: ResourceType): string {
  if (type.documents?.includes(input) && typeof value === "string" && value !== UNKNOWN) {
    return stable(parsed(value));
  }
  if (type.sets?.includes(input) && Array.isArray(value)) return stable(value.map(stable).sort());
  return stable(value);
}

/** JSON with the names in order. */
function stable(value: unknown): string {
  return (
    JSON.stringify(value, (_, each) => {
      if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
      // Where a file lies says nothing of what is in it.
      if (each[SIGNATURE] && each.hash) return { hash: each.hash };
      return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? "null"
  );
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
