/** Turns a JPEG by quarters without decoding its pixels: blocks change places, and frequencies within them. */
import { Damaged } from "../../damage.ts";
import { type Turn, turnedSize } from "../../geometry.ts";
import type { Job } from "../../pixels.ts";
import { decode, passesOf } from "./decode.ts";
import { encode } from "./encode.ts";
import { type Frame, marker, type Parsed, quantisationTables, type Scan, type Segment } from "./file.ts";
import { Pace } from "./pace.ts";
import { fits, layoutOf, type Move, movedSteps, moveOf, type Plane, planesOf } from "./planes.ts";

type Picture = Pick<Parsed, "segments" | "scans">;

/**
 * The segments and scans of the turned picture, with every coefficient of the source; undefined where its sides do not
 * allow that, where it is coded arithmetically, or where its scans are not wholly sound.
 *
 * @throws {ImageRejected} `too-slow` where the time is over.
 */
export async function turnExactly(
  { segments, scans }: Picture,
  frame: Frame,
  turn: Turn,
  job: Job,
): Promise<{ segments: Segment[]; scans: Scan[] } | undefined> {
  const move = moveOf(turn);
  const tables = movedTables(segments, frame, move);
  if (tables === undefined || !isReadable(frame) || !fits(move, frame)) {
    return undefined;
  }
  const pace = new Pace(job);
  try {
    const { passes, planes } = await read({ segments, scans }, frame, move, pace);
    const mcus = turnedSize(turn, layoutOf(frame).mcus);
    const largest = Math.max(...scans.map(({ entropy }) => entropy.length));
    const turned = await encode(planes, mcus, frame.progressive ? passes : undefined, largest, pace);
    const [first, ...others] = turned;
    if (first === undefined) {
      return undefined;
    }
    const head = [...tables, frameSegment(frame, turn, planes), ...first.segments];
    return { segments: head, scans: [{ ...first, segments: [] }, ...others] };
  } catch (error) {
    if (error instanceof Damaged) {
      return undefined;
    }
    throw error;
  }
}

/** Whether the frame is one whose coefficients are read here. */
function isReadable({ arithmetic, components }: Frame): boolean {
  const factors = components.flatMap(({ horizontal, vertical }) => [horizontal, vertical]);
  const ids = new Set(components.map(({ id }) => id));
  return (
    !arithmetic && factors.every((factor) => factor >= 1 && factor <= 4) && ids.size === components.length
  );
}

/** Whether every scan has every one of its blocks, and nothing else. */
export async function isWhole(picture: Picture, frame: Frame, job: Job): Promise<boolean> {
  const move = moveOf({ flop: false, degrees: 0 });
  try {
    return isReadable(frame) && (await read(picture, frame, move, new Pace(job))) !== undefined;
  } catch (error) {
    if (error instanceof Damaged) {
      return false;
    }
    throw error;
  }
}

/** The coefficients where the turn puts them, and the passes that brought them. */
async function read({ segments, scans }: Picture, frame: Frame, move: Move, pace: Pace) {
  const passes = passesOf(frame, scans);
  const planes = planesOf(frame, move);
  await decode(frame, segments, scans, passes, planes, move.order, pace);
  return { passes, planes };
}

/** The tables that the components use, moved; undefined where one is missing. */
function movedTables(segments: readonly Segment[], { components }: Frame, move: Move): Segment[] | undefined {
  const tables = quantisationTables(segments);
  const pieces: number[] = [];
  for (const id of new Set(components.map(({ table }) => table))) {
    const steps = tables.get(id);
    if (steps === undefined || id > 3) {
      return undefined;
    }
    const moved = movedSteps(steps, move);
    const wide = moved.some((step) => step > 255);
    pieces.push((wide ? 16 : 0) | id, ...moved.flatMap((step) => (wide ? [step >> 8, step & 255] : [step])));
  }
  return [{ marker: marker.dqt, data: Buffer.from(pieces) }];
}

function frameSegment(frame: Frame, turn: Turn, planes: readonly Plane[]): Segment {
  const { width, height } = turnedSize(turn, frame);
  const data = Buffer.from([8, 0, 0, 0, 0, planes.length]);
  data.writeUInt16BE(height, 1);
  data.writeUInt16BE(width, 3);
  const parts = planes.flatMap(({ to: { id, horizontal, vertical, table } }) => [
    ...[id, (horizontal << 4) | vertical, table],
  ]);
  return { marker: frame.process, data: Buffer.concat([data, Buffer.from(parts)]) };
}
