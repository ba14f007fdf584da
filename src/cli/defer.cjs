"use strict";
// Loads what a Pulumi program rarely uses when it is used, not at the start: of what "@pulumi/pulumi" and "@pulumi/aws" load
// by themselves that is more than half.
const Module = require("node:module");

/** Which modules, by who requires them. They are looked at by their properties alone. */
const DEFERRED = [
  // To turn JavaScript functions into Lambda functions.
  [
    /[\\/]@pulumi[\\/]pulumi[\\/]runtime[\\/]closure[\\/]/,
    /^(@npmcli\/arborist|normalize-package-data|.*typescript-shim)$/,
  ],
  // To run Pulumi from a program.
  [/[\\/]@pulumi[\\/]pulumi[\\/]index\.js$/, /^\.\/automation$/],
  // To translate positions in stacks, of which Pulumi writes one for each promise: Node.js runs the sources as they are.
  [/[\\/]@pulumi[\\/]pulumi[\\/]cmd[\\/]/, /^source-map-support\/register$/],
  // A folder for each of AWS's services.
  [/[\\/]@pulumi[\\/]aws[\\/]index\.js$/, /^\.\/(?!(provider|tags|utilities|utils)$)[a-z0-9]+$/],
];

const { require: load } = Module.prototype;

Module.prototype.require = function (id) {
  if (!DEFERRED.some(([by, what]) => what.test(id) && by.test(this.filename ?? "")))
    return load.call(this, id);
  let loaded;
  const module = () => {
    loaded ??= load.call(this, id);
    return loaded;
  };
  return new Proxy(
    {},
    {
      // What TypeScript's helpers ask first: whether to copy its properties.
      get: (_, name) => (name === "__esModule" ? true : module()[name]),
      has: (_, name) => name in module(),
      ownKeys: () => Reflect.ownKeys(module()),
      getOwnPropertyDescriptor(_, name) {
        const found = Reflect.getOwnPropertyDescriptor(module(), name);
        return found && { ...found, configurable: true };
      },
    },
  );
};
