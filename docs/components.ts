/** Writes docs/components.md from the declarations of what the package exports, and from their comments: `npm run docs`. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const PAGE = path.join(import.meta.dirname, "components.md");

/** What programs, handlers and tests import, in the order of the page. */
const ENTRIES = [
  [
    "image-machine",
    "index",
    "What your program imports. Importing it declares nothing and reads no configuration.",
  ],
  [
    "image-machine/handler",
    "handler",
    "What your own handler imports: [own-processor.md](own-processor.md).",
  ],
  [
    "image-machine/testing",
    "testing",
    "What tests of your program import: it runs the program under Pulumi's mocks.",
  ],
] as const;

const INTRODUCTION = `# Components

Everything that the package \`image-machine\` exports, with every argument. In this repository, import the same from [src/exports](../src/exports).

\`npm run docs\` writes this page from the comments in the code.
`;

/** The page, as it must be. */
export function componentsPage(): string {
  const files = ENTRIES.map(([, name]) => path.resolve("src/exports", `${name}.ts`));
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile("tsconfig.json", ts.sys.readFile).config,
    ts.sys,
    ".",
  );
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  const sections = ENTRIES.map(([name, , says], index) => {
    const file = program.getSourceFile(files[index] as string) as ts.SourceFile;
    const exported = checker
      .getExportsOfModule(checker.getSymbolAtLocation(file) as ts.Symbol)
      .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
    // Arguments of a class are in its own section.
    const shown = exported.filter((each) => !exported.some((other) => each.name === `${other.name}Args`));
    return [`## ${name}\n\n${says}\n`, ...ordered(shown).map((symbol) => section(symbol, checker))];
  });
  return `${[INTRODUCTION, ...sections.flat()].join("\n").trimEnd()}\n`;
}

/** Classes first, then functions, and the types that they are given. */
function ordered(symbols: readonly ts.Symbol[]): ts.Symbol[] {
  const rank = ({ flags }: ts.Symbol) =>
    flags & ts.SymbolFlags.Class ? 0 : flags & ts.SymbolFlags.Function ? 1 : 2;
  return [...symbols].sort((a, b) => rank(a) - rank(b));
}

function section(symbol: ts.Symbol, checker: ts.TypeChecker): string {
  const [declaration] = symbol.declarations ?? [];
  const parts = [`### ${symbol.name}\n`, ...said(symbol, checker)];
  const type = checker.getDeclaredTypeOfSymbol(symbol);
  if (declaration && ts.isClassDeclaration(declaration)) {
    const made = declaration.members.find(ts.isConstructorDeclaration);
    const args = made?.parameters.find(({ name }) => name.getText() === "args");
    if (made) parts.push(code(`new ${symbol.name}(${parametersOf(made)})`));
    if (args) parts.push(table("Argument", checker.getTypeAtLocation(args), checker));
    const all = checker.getPropertiesOfType(type).filter(isPublic);
    const [methods, outputs] = [all.filter(isMethod), all.filter((each) => !isMethod(each))];
    if (outputs.length > 0) parts.push(table("Output", type, checker, (each) => !isMethod(each)));
    for (const method of methods) parts.push(...signature(method, checker));
  } else if (declaration && ts.isFunctionDeclaration(declaration)) {
    parts.push(...signature(symbol, checker).slice(0, 1));
  } else if (declaration && ts.isInterfaceDeclaration(declaration)) {
    parts.push(table("Property", type, checker));
  } else if (declaration) {
    parts.push(code(declaration.getText().replace(/^export /, "")));
  }
  return parts.filter((part) => part !== "").join("\n");
}

/** Code of a method or function, and what is said of a method. */
function signature(symbol: ts.Symbol, checker: ts.TypeChecker): string[] {
  return (symbol.declarations ?? []).filter(ts.isFunctionLike).map((declaration) => {
    const returned =
      ts.isGetAccessor(declaration) || !declaration.type ? "" : `: ${declaration.type.getText()}`;
    const head = code(`${symbol.name}(${parametersOf(declaration)})${returned}`);
    return isMethod(symbol) ? [head, ...said(symbol, checker)].join("\n") : head;
  });
}

const parametersOf = ({ parameters }: ts.SignatureDeclaration) =>
  parameters.map((each) => each.getText().replaceAll(/\s+/g, " ")).join(", ");

const isMethod = ({ flags }: ts.Symbol) => (flags & ts.SymbolFlags.Method) !== 0;

/** Tells what belongs to whoever has an instance, and is declared here. */
function isPublic({ declarations: [declaration] = [] }: ts.Symbol): boolean {
  if (!declaration || declaration.getSourceFile().fileName.includes("node_modules")) return false;
  const isPrivate = ts.isPrivateIdentifier(ts.getNameOfDeclaration(declaration) ?? declaration);
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  return !isPrivate && (ts.getCombinedModifierFlags(declaration) & hidden) === 0;
}

/** A table of a type's properties, inherited ones included. */
function table(
  heading: string,
  type: ts.Type,
  checker: ts.TypeChecker,
  isMeant: (symbol: ts.Symbol) => boolean = () => true,
): string {
  const rows = checker.getPropertiesOfType(type).filter((each) => isPublic(each) && isMeant(each));
  if (rows.length === 0) return "";
  const isGiven = heading !== "Output";
  return [
    isGiven ? `| ${heading} | Type | Default | |` : `| ${heading} | Type | |`,
    isGiven ? "| --- | --- | --- | --- |" : "| --- | --- | --- |",
    ...rows.map((each) => {
      const cells = [`\`${each.name}\``, `\`${typeOf(each, checker)}\``];
      const standard =
        tagOf(each, checker, "default") || (each.flags & ts.SymbolFlags.Optional ? "none" : "required");
      if (isGiven) cells.push(standard);
      return `| ${[...cells, prose(each, checker)].map(inCell).join(" | ")} |`;
    }),
    "",
  ].join("\n");
}

function typeOf(symbol: ts.Symbol, checker: ts.TypeChecker): string {
  const [declaration] = symbol.declarations ?? [];
  const written =
    declaration && (ts.isPropertySignature(declaration) || ts.isPropertyDeclaration(declaration));
  if (written && declaration.type) return declaration.type.getText();
  return checker.typeToString(checker.getTypeOfSymbol(symbol));
}

/** What a comment says: prose, example, what is thrown. */
function said(symbol: ts.Symbol, checker: ts.TypeChecker): string[] {
  const [text, example, returns, throws] = [
    prose(symbol, checker),
    tagOf(symbol, checker, "example"),
    tagOf(symbol, checker, "returns"),
    tagOf(symbol, checker, "throws"),
  ];
  return [
    text && `${text}\n`,
    returns && `Returns ${oneLine(returns)}.\n`,
    throws && `Throws ${oneLine(throws)}.\n`,
    example && code(example),
  ].filter((part) => part !== "");
}

const prose = (symbol: ts.Symbol, checker: ts.TypeChecker) =>
  oneLine(ts.displayPartsToString(symbol.getDocumentationComment(checker)));

function tagOf(symbol: ts.Symbol, checker: ts.TypeChecker, name: string): string {
  const tag = symbol.getJsDocTags(checker).find((each) => each.name === name);
  return ts.displayPartsToString(tag?.text).trim();
}

const oneLine = (text: string) =>
  text
    .replaceAll(/\{@link (\S+?)\}/g, "`$1`")
    .replaceAll(/\s+/g, " ")
    .trim();

const inCell = (text: string) => text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|");

const code = (text: string) => `\`\`\`ts\n${text}\n\`\`\`\n`;

if (import.meta.main) writeFileSync(PAGE, componentsPage());
