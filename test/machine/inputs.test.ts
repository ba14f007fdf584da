import { execFileSync } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect } from "chai";
import { checkApart, findInputs, type Input, UsageError } from "../../src/machine/inputs.ts";
import { withFolder } from "../support/machine.ts";

async function collected(inputs: AsyncIterable<Input>): Promise<Input[]> {
  const all: Input[] = [];
  for await (const input of inputs) all.push(input);
  return all;
}

describe("the images of a run", () => {
  it("are the files of a folder, and what is no file is told", async () => {
    await withFolder(async (folder) => {
      await mkdir(path.join(folder, "trip"));
      for (const name of ["one.jpg", "trip/two.jpg"]) await writeFile(path.join(folder, name), "");
      await symlink("one.jpg", path.join(folder, "link.jpg"));
      await symlink("nowhere.jpg", path.join(folder, "trip/broken.jpg"));
      await symlink("trip", path.join(folder, "again"));
      execFileSync("mkfifo", [path.join(folder, "pipe.jpg")]);
      const leftOut: string[] = [];

      const inputs = await collected(
        findInputs([folder], (file) => leftOut.push(path.relative(folder, file))),
      );

      expect(inputs.map(({ key }) => key)).to.deep.equal(["link.jpg", "one.jpg", "trip/two.jpg"]);
      expect(leftOut).to.deep.equal(["again", "pipe.jpg", "trip/broken.jpg"]);
    });
  });

  it("are no pipe that is named", async () => {
    await withFolder(async (folder) => {
      const pipe = path.join(folder, "pipe.jpg");
      execFileSync("mkfifo", [pipe]);

      const error = await collected(findInputs([pipe])).catch((e) => e);

      expect(error).to.be.instanceOf(UsageError);
      expect(error.message).to.equal(`${pipe} is neither a file nor a folder.`);
    });
  });

  const refused: [string, string, string][] = [
    ["a", "a", "--out a would put results into a, where the next run would take them for images"],
    ["a/results", "a", "--out a/results would put results into a,"],
    ["linked/results", "a", "--out linked/results would put results into a,"],
  ];
  for (const [out, input, sentence] of refused) {
    it(`are not taken from ${input} where results go to ${out}`, async () => {
      await withFolder(async (folder) => {
        await mkdir(path.join(folder, "a/trip"), { recursive: true });
        await symlink("a", path.join(folder, "linked"));
        const [to, from] = [path.join(folder, out), path.join(folder, input)];

        const error = await checkApart(to, [from], (file) => path.relative(folder, file)).catch((e) => e);

        expect(error).to.be.instanceOf(UsageError);
        expect(error.message).to.contain(sentence);
      });
    });
  }

  it("are taken from beside the results", async () => {
    await withFolder(async (folder) => {
      await mkdir(path.join(folder, "samples"));
      const given = [path.join(folder, "samples"), path.join(folder, "..photo.jpg")];

      await checkApart(path.join(folder, "samples-out"), given, path.basename);
      await checkApart(path.join(folder, "out"), given, path.basename);
      await checkApart(folder, given, path.basename);
    });
  });
});
