import { useRef, useState } from "preact/hooks";
import type { Done } from "../protocol.ts";
import { ask, upload } from "./api.ts";
import type { Known } from "./state.ts";
import { count } from "./words.ts";

export interface ControlsProps {
  readonly known: Known;
  readonly onDone: (done: Done) => void;
}

type Run = (doing: Promise<Done>) => void;

/** What a person can do to the machine; only what can be done is there. */
export function Controls({ known: { abilities, counts, status }, onDone }: ControlsProps) {
  const run: Run = (doing) => void doing.then(onDone);
  const dead = Object.values(counts.workers).reduce((all, each) => all + each.dead, 0);
  return (
    <section class="controls" aria-label="What you can do">
      {abilities.act && <Upload run={run} />}
      {abilities.act && <Burst run={run} />}
      {abilities.act && <DeadLetters run={run} dead={dead} />}
      {abilities.chaos && <Chaos run={run} running={status.chaos} />}
    </section>
  );
}

function Upload({ run }: { run: Run }) {
  const files = useRef<HTMLInputElement>(null);
  return (
    <div class="control first">
      <input
        ref={files}
        type="file"
        multiple
        hidden
        onChange={({ currentTarget: input }) => {
          const chosen = [...(input.files ?? [])];
          input.value = "";
          if (chosen.length > 0) run(upload(chosen));
        }}
      />
      <button type="button" class="primary" onClick={() => files.current?.click()}>
        Put images in…
      </button>
      <span class="quiet">or drop them anywhere here, or paste one</span>
    </div>
  );
}

function Burst({ run }: { run: Run }) {
  const [burst, setBurst] = useState("20");
  return (
    <form
      class="control"
      onSubmit={(event) => {
        event.preventDefault();
        run(ask("burst", { count: burst }));
      }}
    >
      <label for="burst">A burst of</label>
      <input
        id="burst"
        type="number"
        min="1"
        max="10000"
        required
        value={burst}
        onInput={(event) => setBurst(event.currentTarget.value)}
      />
      <button type="submit">Send small images</button>
    </form>
  );
}

function DeadLetters({ run, dead }: { run: Run; dead: number }) {
  const [sure, setSure] = useState(false);
  return (
    <div class="control">
      <span>{dead === 1 ? "1 dead letter" : `${count(dead)} dead letters`}</span>
      <button type="button" disabled={dead === 0} onClick={() => run(ask("redrive"))}>
        Send again
      </button>
      <button
        type="button"
        class="danger"
        disabled={dead === 0}
        onBlur={() => setSure(false)}
        onClick={() => {
          if (sure) run(ask("drop"));
          setSure(!sure);
        }}
      >
        {sure && dead > 0 ? "Delete them for good?" : "Delete"}
      </button>
    </div>
  );
}

function Chaos({ run, running }: { run: Run; running: string | undefined }) {
  const [seed, setSeed] = useState("7");
  return (
    <form
      class="control"
      onSubmit={(event) => {
        event.preventDefault();
        run(ask("chaos", running === undefined ? { seed } : {}));
      }}
    >
      <label for="seed">Chaos</label>
      <input
        id="seed"
        value={running ?? seed}
        readOnly={running !== undefined}
        required
        aria-description="The seed: with the same seed, the same things go wrong"
        onInput={(event) => setSeed(event.currentTarget.value)}
      />
      <button type="submit" class={running === undefined ? "" : "danger"}>
        {running === undefined ? "Break things" : "Stop"}
      </button>
    </form>
  );
}
