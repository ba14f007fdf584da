import type { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { expect } from "chai";
import { openInBrowser } from "../../src/cli/watch-page.ts";

describe("the browser that --open starts", () => {
  const ADDRESS = "http://127.0.0.1:4567/token/";
  const commands = {
    linux: ["xdg-open", ADDRESS],
    freebsd: ["xdg-open", ADDRESS],
    darwin: ["open", ADDRESS],
    win32: ["rundll32", "url.dll,FileProtocolHandler", ADDRESS],
  } as const;
  for (const [platform, command] of Object.entries(commands)) {
    it(`is what opens an address on ${platform}, and is not waited for`, () => {
      const started: unknown[] = [];
      const start = ((name: string, args: readonly string[], options: object) => {
        started.push([name, ...args], options);
        return Object.assign(new EventEmitter(), { unref: () => started.push("unref") });
      }) as unknown as typeof spawn;
      openInBrowser(ADDRESS, platform as NodeJS.Platform, start);
      expect(started).to.deep.equal([command, { stdio: "ignore", detached: true }, "unref"]);
    });
  }
});
