/**
 * Texts in policies that stand for many texts: wildcards and policy variables.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
 */

import { type Facts, keyType } from "./keys.ts";

type Part =
  | { readonly literal: string }
  | { readonly wildcard: "*" | "?" }
  | { readonly variable: string; readonly fallback: string | undefined };

/** Tells whether a text matches. A pattern with a variable that has no value fits nothing. */
export type Pattern = (text: string, facts: Facts) => boolean;

/**
 * Wildcards of a pattern:
 * - `exact`: `*` and `?` stand for themselves;
 * - `like`: they stand for anything;
 * - `arn`: they stay within their own of the six parts of an ARN;
 * - `resource`: likewise, but a `*` that ends its part may run on into the next.
 */
export type Mode = "exact" | "like" | "arn" | "resource";

/**
 * Reads a pattern. `${aws:userid}` is a variable, `${aws:userid, 'nobody'}` one with a default, and `${*}`, `${?}`
 * and `${$}` are the characters themselves.
 *
 * @throws {Error} where a variable is malformed, or is no key that a request here carries
 */
export function readPattern(pattern: string, mode: Mode, ignoreCase = false): Pattern {
  const parts = partsOf(pattern);
  const expressionFor = (facts: Facts) => {
    const source = sourceOf(parts, mode, facts);
    return source === undefined ? undefined : new RegExp(`^${source}$`, ignoreCase ? "isu" : "su");
  };
  if (parts.some((part) => "variable" in part)) {
    return (text, facts) => expressionFor(facts)?.test(text) ?? false;
  }
  const expression = expressionFor(new Map());
  return (text) => expression?.test(text) ?? false;
}

function partsOf(text: string): Part[] {
  return text
    .split(/(\$\{[^}]*\}?|[*?])/)
    .filter((piece) => piece !== "")
    .map((piece): Part => {
      if (piece === "*" || piece === "?") return { wildcard: piece };
      if (!piece.startsWith("${")) return { literal: piece };
      const [, character] = /^\$\{([*?$])\}$/.exec(piece) ?? [];
      if (character !== undefined) return { literal: character };
      const [, variable, fallback] = /^\$\{\s*([\w:/-]+)\s*(?:,\s*'([^']*)'\s*)?\}$/.exec(piece) ?? [];
      if (variable === undefined) throw new Error(`the policy variable ${piece} is malformed`);
      const type = keyType(variable);
      if (type === undefined) throw new Error(`the policy variable ${piece} is unknown`);
      return { variable: variable.toLowerCase(), fallback };
    });
}

/** The source of a regular expression; undefined where a variable has no value. */
function sourceOf(pattern: readonly Part[], mode: Mode, facts: Facts): string | undefined {
  let source = "";
  let colons = 0;
  for (const [index, part] of pattern.entries()) {
    if ("literal" in part) {
      source += quote(part.literal);
      colons += part.literal.split(":").length - 1;
    } else if ("variable" in part) {
      const value = facts.get(part.variable) ?? part.fallback;
      if (value === undefined) return undefined;
      source += quote(value);
    } else {
      source += wildcard(part.wildcard, mode, colons, pattern[index + 1]);
    }
  }
  return source;
}

function wildcard(mark: "*" | "?", mode: Mode, colons: number, next: Part | undefined): string {
  if (mode === "exact") return quote(mark);
  const lastPart = colons >= 5;
  const endsPart = next === undefined || ("literal" in next && next.literal.startsWith(":"));
  const free = mode === "like" || lastPart || (mode === "resource" && mark === "*" && endsPart);
  return (free ? "." : "[^:]") + (mark === "*" ? "*" : "");
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
