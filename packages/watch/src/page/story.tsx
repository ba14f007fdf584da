import { useEffect, useRef, useState } from "preact/hooks";
import type { Abilities, Decision, Done, Fault, ImageSummary, LogLine, Step, Story } from "../protocol.ts";
import { ask, fileAddress, storyOf } from "./api.ts";
import { Picture } from "./picture.tsx";
import { bytes, clock, legInWords, STATES, span } from "./words.ts";

export interface StoryProps {
  /** As it is now. */
  readonly image: ImageSummary;
  readonly abilities: Abilities;
  readonly onDone: (done: Done) => void;
  readonly onClose: () => void;
}

/** All that is known of one image, over the page. */
export function StoryDialog({ image, abilities, onDone, onClose }: StoryProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const story = useStory(image);
  useEffect(() => {
    const element = dialog.current;
    if (element && !element.open) element.showModal();
    return () => element?.close();
  }, []);
  const rejected = image.legs.some(({ state }) => state === "rejected");
  const deal = async (what: "redrive" | "drop") => onDone(await ask(what, { image: image.id }));
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a dialog.
    <dialog
      ref={dialog}
      class="story"
      aria-labelledby="story-title"
      onClose={onClose}
      onClick={(event) => {
        // What is beside the dialog is its backdrop.
        if (event.target === dialog.current) dialog.current?.close();
      }}
    >
      <div class="inside">
        <header>
          <h2 id="story-title">
            <bdi>{image.key}</bdi>
          </h2>
          <button type="button" class="close" aria-label="Close" onClick={() => dialog.current?.close()}>
            ✕
          </button>
        </header>
        <div class="sides">
          <figure>
            <Picture image={image} size="large" alt={`${image.key}, as it was uploaded`} />
            <figcaption>
              <strong>uploaded</strong>
              <span>{bytes(image.size)}</span>
              <a href={fileAddress(image.id)}>Download</a>
            </figcaption>
          </figure>
          {image.legs.map((leg) => {
            const result = story?.results.find(({ worker }) => worker === leg.worker);
            return (
              <figure key={leg.worker} class={STATES[leg.state].tone}>
                {result ? (
                  <Picture
                    image={image}
                    size="large"
                    worker={leg.worker}
                    alt={`${image.key} of ${leg.worker}`}
                  />
                ) : (
                  <p class="no-result">
                    <span class="sign" aria-hidden="true">
                      {STATES[leg.state].sign}
                    </span>
                    {legInWords(leg)}
                  </p>
                )}
                <figcaption>
                  <strong>{leg.worker}</strong>
                  {result && <span>{bytes(result.size)}</span>}
                  {result && <a href={fileAddress(image.id, leg.worker)}>Download</a>}
                </figcaption>
              </figure>
            );
          })}
        </div>
        {rejected && abilities.act && (
          <p class="actions">
            <button type="button" onClick={() => deal("redrive")}>
              Send it to the queue again
            </button>
            <button type="button" class="danger" onClick={() => deal("drop")}>
              Delete its dead letters
            </button>
          </p>
        )}
        {story && <Faults faults={story.faults} />}
        {story ? <Timeline steps={story.steps} /> : <p class="quiet">Loading its story…</p>}
        {story && <Decisions decisions={story.decisions} />}
        {story && <Logs logs={story.logs} />}
      </div>
    </dialog>
  );
}

/** The story of an image, fetched again when something has changed. */
function useStory(image: ImageSummary): Story | undefined {
  const [story, setStory] = useState<Story>();
  useEffect(() => {
    let over = false;
    const fetchIt = () =>
      storyOf(image.id).then(
        (fetched) => {
          if (!over && fetched) setStory(fetched);
        },
        // It comes again with the next change.
        () => {},
      );
    void fetchIt();
    // Lines of a log are read a little after what they tell of.
    const later = setTimeout(fetchIt, 700);
    return () => {
      over = true;
      clearTimeout(later);
    };
  }, [image]);
  return story?.image.id === image.id ? story : undefined;
}

/** How the time of a step was spent. */
const SPENT: Partial<Record<Step["what"], string>> = {
  begun: "It had waited",
  written: "The work took",
  failed: "It had worked",
  rejected: "It had worked",
};

function Timeline({ steps }: { steps: readonly Step[] }) {
  const [first] = steps;
  return (
    <section>
      <h3>What happened</h3>
      <ol class="timeline">
        {steps.map((step, index) => (
          <li key={`${index}`} class={step.what}>
            <time>{index === 0 ? clock(step.time) : `+${span(step.time - (first?.time ?? 0))}`}</time>
            <span>
              {step.worker !== undefined && <strong>{step.worker} </strong>}
              <bdi>{step.text}</bdi>
              {step.ms !== undefined && SPENT[step.what] && (
                <small>
                  {" "}
                  {SPENT[step.what]} {span(step.ms)}
                </small>
              )}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Faults({ faults }: { faults: readonly Fault[] }) {
  if (faults.length === 0) return null;
  // A function that fails in one way again and again says one thing.
  const kinds = [
    ...Map.groupBy(faults, ({ worker, what, place }) => JSON.stringify([worker, what, place])).values(),
  ];
  return (
    <section class="faults">
      <h3>What went wrong</h3>
      {kinds.map((alike) => {
        const [fault] = alike;
        if (!fault) return null;
        return (
          <div class="fault" key={fault.time}>
            <p>
              <strong>{fault.worker}</strong>: <bdi>{fault.what}</bdi>
              {alike.length > 1 && <small> {alike.length} times</small>}
            </p>
            {fault.place && (
              <p class="place">
                at <code>{fault.place}</code>
              </p>
            )}
            {fault.code && <pre>{fault.code}</pre>}
            {fault.stack && (
              <details>
                <summary>Stack trace</summary>
                <pre>{fault.stack}</pre>
              </details>
            )}
          </div>
        );
      })}
    </section>
  );
}

function Decisions({ decisions }: { decisions: readonly Decision[] }) {
  const denied = decisions.filter(({ allowed }) => !allowed);
  const title = `What policies decided (${decisions.length}${denied.length > 0 ? `, ${denied.length} denied` : ""})`;
  return (
    <details class="decisions" open={denied.length > 0}>
      <summary>
        <h3>{title}</h3>
      </summary>
      <ul>
        {[...denied, ...decisions.filter(({ allowed }) => allowed)].map((decision, index) => (
          <li key={`${index}`} class={decision.allowed ? "good" : "bad"}>
            <span class="verdict">{decision.allowed ? "✓ allowed" : "✕ denied"}</span>{" "}
            <code>{decision.action}</code> to {decision.who}
            {decision.by !== undefined && <small>by {decision.by}</small>}
            {decision.message !== undefined && <small>{decision.message}</small>}
            <small>
              <bdi>{decision.resource}</bdi>
            </small>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Logs({ logs }: { logs: readonly LogLine[] }) {
  // Metrics are lines, too, for a machine to read.
  const lines = logs.filter(({ line }) => !line.startsWith('{"_aws"'));
  return (
    <details class="logs">
      <summary>
        <h3>Log lines ({lines.length})</h3>
      </summary>
      <ol>
        {lines.map(({ time, worker, line }, index) => (
          <li key={`${index}`}>
            <time>{clock(time)}</time> <strong>{worker}</strong> <code>{readable(line)}</code>
          </li>
        ))}
      </ol>
    </details>
  );
}

/** Fields of a line that say the same in each, or are told elsewhere. */
const TOLD_ELSEWHERE =
  /^(timestamp|service|cold_start|function_arn|function_memory_size|function_name|function_request_id|sampling_rate|bucket|versionId|xray_trace_id)$/;

/** A line without what is the same in all. */
function readable(line: string): string {
  try {
    const { level, message, ...fields } = JSON.parse(line) as Record<string, unknown>;
    const said = Object.entries(fields)
      .filter(([name]) => !TOLD_ELSEWHERE.test(name))
      .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
    return [level, message, ...said].join(" ");
  } catch {
    return line;
  }
}
