import { readdirSync, readFileSync } from "node:fs";

export const PAGES = [
  "README.md",
  ...readdirSync("docs").flatMap((file) => (file.endsWith(".md") ? `docs/${file}` : [])),
];

/** Commands that a page shows. */
export interface Block {
  /** Page and line, to begin a message with. */
  readonly where: string;
  /** The heading above it. */
  readonly heading: string;
  readonly text: string;
  /** Whether it stands in a line of prose. */
  readonly inline: boolean;
}

/** The shell commands of a page: fenced as `sh`, indented, or in a line of prose. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  const prose: { line: number; text: string; heading: string }[] = [];
  let heading = "";
  let open: { language: string; indent: number; line: number; lines: string[] } | undefined;
  const close = (language: string, line: number, lines: readonly string[]) => {
    if (language === "sh") {
      blocks.push({ where: `${page}:${line}`, heading, text: lines.join("\n"), inline: false });
    }
    open = undefined;
  };
  for (const [index, line] of readFileSync(page, "utf8").split("\n").entries()) {
    const fence = /^( *)```(\w*)/.exec(line);
    const indented = /^ {4}(?=(npm|npx|pulumi|aws|#) )/.test(line);
    if (open?.language === "indented") {
      if (line.startsWith("    ")) {
        open.lines.push(line.slice(4));
        continue;
      }
      close("sh", open.line, open.lines);
    }
    if (open) {
      if (fence) close(open.language, open.line, open.lines);
      else open.lines.push(line.slice(open.indent));
    } else if (fence)
      open = { language: fence[2] ?? "", indent: fence[1]?.length ?? 0, line: index + 1, lines: [] };
    else if (indented) open = { language: "indented", indent: 4, line: index + 1, lines: [line.slice(4)] };
    else {
      heading = /^#+ (.*)/.exec(line)?.[1] ?? heading;
      prose.push({ line: index + 1, text: line, heading });
    }
  }
  const whole = prose.map(({ text }) => text).join("\n");
  for (const match of whole.matchAll(/`((?:npm|npx|pulumi|aws)\s[^`]*)`/g)) {
    const at = prose[whole.slice(0, match.index).split("\n").length - 1];
    const text = (match[1] ?? "").replaceAll(/\s+/g, " ");
    blocks.push({ where: `${page}:${at?.line}`, heading: at?.heading ?? "", text, inline: true });
  }
  return blocks;
}

/**
 * The commands of a shell script, each as its words: also those in `$(…)`, in functions and behind `npx -c`. It knows as much of
 * the shell as the pages use.
 */
export function commandsOf(script: string): string[][] {
  const commands: string[][] = [];
  let words: string[] = [];
  let word: string | undefined;
  const endWord = () => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = () => {
    endWord();
    // Behind assignments, and what a function begins with.
    const first = words.findIndex(
      (each) => !/^(\w+=.*|\w+\(\)|[{}!]|if|then|else|fi|do|done|eval)$/.test(each),
    );
    if (first >= 0) commands.push(words.slice(first));
    words = [];
  };
  for (let at = 0; at < script.length; at++) {
    const rest = script.slice(at);
    const [quoted] = /^'[^']*'/.exec(rest) ?? [];
    if (quoted) {
      word = (word ?? "") + quoted.slice(1, -1);
      at += quoted.length - 1;
    } else if (rest.startsWith('"')) {
      const end = closing(rest, '"');
      const inner = rest.slice(1, end);
      for (const nested of substitutions(inner)) commands.push(...commandsOf(nested));
      word = (word ?? "") + inner;
      at += end;
    } else if (rest.startsWith("$(") && !rest.startsWith("$((")) {
      const end = closing(rest, ")", 2);
      commands.push(...commandsOf(rest.slice(2, end)));
      word = `${word ?? ""}$()`;
      at += end;
    } else if (rest.startsWith("\\\n")) {
      endWord();
      at++;
    } else if (/^[;|&\n]/.test(rest)) endCommand();
    else if (/^\s/.test(rest)) endWord();
    else if (rest.startsWith("#") && word === undefined) at += (/\n|$/.exec(rest)?.index ?? 0) - 1;
    else word = (word ?? "") + script[at];
  }
  endCommand();
  return commands.flatMap((command) => {
    const [program, ...rest] = command;
    if (program !== "npx") return [command];
    const shell = rest.indexOf("-c");
    return shell >= 0 ? commandsOf(rest[shell + 1] ?? "").map((each) => ["npx", ...each]) : [command];
  });
}

function substitutions(text: string): string[] {
  const found: string[] = [];
  for (let at = text.indexOf("$("); at >= 0; at = text.indexOf("$(", at + 1)) {
    found.push(text.slice(at + 2, at + closing(text.slice(at), ")", 2)));
  }
  return found;
}

/** Where what a text opens with is closed. */
function closing(text: string, by: string, from = 1): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text[at] === by && depth === 0) return at;
    if (text[at] === "(") depth++;
    else if (text[at] === ")") depth--;
  }
  throw new Error(`${text} is not closed with ${by}`);
}
