/** Who may import whom: docs/architecture.md. */
const SRC = "^src/";
const only = (name, from, to, comment) => ({
  name,
  severity: "error",
  comment,
  from: { path: from },
  to: { path: "^(src|packages|handlers|index\\.ts|test|bench)", pathNot: to },
});

module.exports = {
  forbidden: [
    {
      name: "no-circle",
      severity: "error",
      comment: "What imports each other cannot be understood, tested or moved alone.",
      from: {},
      to: { circular: true },
    },
    only(
      "image-turn-alone",
      "^packages/image-turn/src/",
      "^packages/image-turn/src/",
      "Turning an image knows neither AWS nor Pulumi, so that it can be used anywhere.",
    ),
    {
      name: "image-turn-imports-sharp-alone",
      severity: "error",
      comment: "Whatever it imports is in every function's bundle.",
      from: { path: "^packages/image-turn/src/" },
      to: { dependencyTypes: ["npm", "npm-dev"], pathNot: "node_modules/(sharp|@types/node)" },
    },
    only(
      "local-aws-alone",
      "^packages/local-aws/src/",
      "^packages/local-aws/src/",
      "AWS on this computer must not be built from the same suppositions as the machine that runs on it.",
    ),
    only(
      "watch-alone",
      "^packages/watch/src/",
      "^packages/(watch/src/|local-aws/src/index\\.ts)",
      "It shows whatever it is told of, and knows of the machine only what it is given.",
    ),
    only(
      "page-runs-in-a-browser",
      "^packages/watch/src/page/",
      "^packages/watch/src/(page/|protocol\\.ts)",
      "A browser has neither Node nor AWS, and is told everything by the protocol.",
    ),
    {
      name: "packages-by-name",
      severity: "error",
      comment: "What a package does not export may change at any time.",
      from: { path: "^(src|handlers|index\\.ts)" },
      to: {
        path: "^packages/[^/]+/src/",
        pathNot: "^packages/(image-turn/src/(index|weights)|local-aws/src/(index|arn)|watch/src/index)\\.ts$",
      },
    },
    only(
      "delivery-knows-its-clients",
      `${SRC}delivery/`,
      "^(src/delivery|packages/image-turn)/",
      "It is bundled into every function: what it imports is uploaded.",
    ),
    only(
      "thumbnail-is-an-operation",
      `${SRC}thumbnail\\.ts`,
      "^(packages/image-turn/|src/delivery/bad-image\\.ts)",
      "A processor is a pure function of an image.",
    ),
    only(
      "topology-declares",
      `${SRC}(topology|settings\\.ts)`,
      "^(src/(topology|packaging|(stack-outputs|image-filter|capacity/preflight|delivery/(carry|share|limits|queue))\\.ts)|packages/image-turn/src/weights\\.ts)",
      "It says what exists, of delivery only what settings promise, and of capacity whether they can be met. sharp must not be loaded in a preview.",
    ),
    only("packaging-alone", `${SRC}packaging/`, "^src/packaging/", "It bundles whatever it is given."),
    only(
      "operations-here-and-on-aws",
      `${SRC}operations/`,
      "^(src/(operations/|delivery/|(stack-outputs|image-filter|aws-package)\\.ts)|packages/image-turn/)",
      "They run against any stack: this computer is one.",
    ),
    only(
      "capacity-reads-the-graph",
      `${SRC}capacity/`,
      `^src/(capacity/|aws-package\\.ts|delivery/(carry|share|limits|queue|backoff)\\.ts|topology/(worker-settings|setting-types)\\.ts)`,
      "It computes from what the program registers, not from how the program is written.",
    ),
    only(
      "machine-runs-the-graph",
      `${SRC}machine/`,
      "^(src/machine/|src/(delivery/envelope|stack-outputs|image-filter)\\.ts|packages/local-aws/src/index\\.ts)",
      "What it runs is what index.ts registers.",
    ),
    {
      name: "nobody-imports-commands",
      severity: "error",
      comment: "A command is the outermost layer.",
      from: { pathNot: "^(src/cli|test)/" },
      to: { path: "^src/cli/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
