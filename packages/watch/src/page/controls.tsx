import { useRef, useState } from "preact/hooks";
import type { Done } from "../protocol.ts";
import { ask, upload } from "./api.ts";
import type { Known } from "./state.ts";
import { count } from "./words.ts";

export interface ControlsProps {
  readonly known: Known;
  readonly onDone: (done: Done) => void;
}

/** What a person can do to the machine; only what can be done is there. */
export function Controls({ known: { abilities, counts, status }, onDone }: ControlsProps) {
  const files = useRef<HTMLInputElement>(null);
  const [burst, setBurst] = useState("20");
  const [seed, setSeed] = useState("7");
  const [sure, setSure] = useState(false);
  const dead = Object.values(counts.workers).reduce((all, each) => all + each.dead, 0);
  const run = async (doing: Promise<Done>) => onDone(await doing);
  return (
    <section class="controls" aria-label="What you can do">
      {abilities.upload && (
        <div class="control first">
          <input
            ref={files}
            type="file"
            multiple
            hidden
            onChange={() => {
              const chosen = [...(files.current?.files ?? [])];
              if (files.current) files.current.value = "";
              if (chosen.length > 0) void run(upload(chosen));
            }}
          />
          <button type="button" class="primary" onClick={() => files.current?.click()}>
            Put images in…
          </button>
          <span class="quiet">or drop them anywhere here, or paste one</span>
        </div>
      )}
      {abilities.burst && (
        <form
          class="control"
          onSubmit={(event) => {
            event.preventDefault();
            void run(ask("burst", { count: Number(burst) }));
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
      )}
      {(abilities.redrive || abilities.drop) && (
        <div class="control">
          <span>{dead === 1 ? "1 dead letter" : `${count(dead)} dead letters`}</span>
          {abilities.redrive && (
            <button type="button" disabled={dead === 0} onClick={() => run(ask("redrive", {}))}>
              Send again
            </button>
          )}
          {abilities.drop && (
            <button
              type="button"
              class="danger"
              disabled={dead === 0}
              onBlur={() => setSure(false)}
              onClick={() => {
                if (sure) void run(ask("drop", {}));
                setSure(!sure);
              }}
            >
              {sure && dead > 0 ? "Delete them for good?" : "Delete"}
            </button>
          )}
        </div>
      )}
      {abilities.chaos && (
        <form
          class="control"
          onSubmit={(event) => {
            event.preventDefault();
            void run(ask("chaos", status.chaos === undefined ? { seed } : {}));
          }}
        >
          <label for="seed">Chaos</label>
          <input
            id="seed"
            value={status.chaos ?? seed}
            readOnly={status.chaos !== undefined}
            required
            aria-description="The seed: the same things go wrong with the same seed"
            onInput={(event) => setSeed(event.currentTarget.value)}
          />
          <button type="submit" class={status.chaos === undefined ? "" : "danger"}>
            {status.chaos === undefined ? "Break things" : "Stop"}
          </button>
        </form>
      )}
    </section>
  );
}
