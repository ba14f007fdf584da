/** Where a JPEG's coefficients are after a quarter turn, and the memory that holds them there. */
import { type Size, swapsSides, type Turn } from "../../geometry.ts";
import type { Component, Frame } from "./file.ts";

/** By place in the zigzag order, the place in a block's rows: `8 × vertical frequency + horizontal frequency`. */
export const zigzag: readonly number[] = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46,
  53, 60, 61, 54, 47, 55, 62, 63,
];

/** A quarter turn of blocks: each axis of the source is mirrored or not, then the axes change places or do not. */
export interface Move {
  readonly mirrorX: boolean;
  readonly mirrorY: boolean;
  readonly transpose: boolean;
  /**
   * By place in the zigzag order of the source, the place in that of the result; below 0, as its complement, where
   * the coefficient changes its sign.
   */
  readonly order: Int32Array;
}

export function moveOf(turn: Turn): Move {
  const transpose = swapsSides(turn);
  const mirrorX = turn.flop !== (turn.degrees === 180 || turn.degrees === 270);
  const mirrorY = turn.degrees === 90 || turn.degrees === 180;
  const order = Int32Array.from(zigzag, (place) => {
    const [down, across] = [place >> 3, place & 7];
    const target = zigzag.indexOf(transpose ? 8 * across + down : place);
    const negative = (mirrorX && across % 2 === 1) !== (mirrorY && down % 2 === 1);
    return negative ? ~target : target;
  });
  return { mirrorX, mirrorY, transpose, order };
}

/** A quantisation table, which moves as the coefficients do. */
export function movedSteps(steps: readonly number[], { order }: Move): number[] {
  const moved = [...steps];
  for (const [index, step] of steps.entries()) {
    const place = order[index] as number;
    moved[place < 0 ? ~place : place] = step;
  }
  return moved;
}

/** One component's coefficients: blocks row by row as the result has them, each in zigzag order. */
export interface Plane {
  /** The component as the source has it, and as the result does. */
  readonly from: Component;
  readonly to: Component;
  /** Blocks of the source that have pixels, without those that only fill up an MCU. */
  readonly source: Size;
  readonly result: Size;
  /** The block of the result that the source's first one becomes, and where a step in the source leads from it. */
  readonly first: number;
  readonly right: number;
  readonly down: number;
  /** All but each block's first. Here and below, the last block is for what is decoded and has no place. */
  readonly coefficients: Int16Array;
  /** Each block's first coefficient. */
  readonly means: Int16Array;
  /** Two words a block, first bit first: which coefficients are not 0. */
  readonly masks: Int32Array;
  /** How often each symbol comes where all coefficients are coded at once, counted while a block is at hand. */
  readonly counts: Uint32Array;
}

/** The first place from one on whose coefficient is not 0, by a block's two words, or 64. */
export function nextPlace(first: number, second: number, from: number): number {
  if (from < 32) {
    const left = first & (-1 >>> from);
    if (left !== 0) {
      return Math.clz32(left);
    }
    return 32 + Math.clz32(second);
  }
  return 32 + Math.clz32(from > 63 ? 0 : second & (-1 >>> (from - 32)));
}

/** How a frame's samples lie. */
export interface Layout {
  /** Sampling factors mean nothing where there is but one component. */
  readonly components: readonly Component[];
  /** The size of an MCU in pixels, and the frame's in MCUs. */
  readonly mcu: Size;
  readonly mcus: Size;
}

export function layoutOf({ width, height, components: all }: Frame): Layout {
  const [only] = all;
  const components = all.length === 1 && only ? [{ ...only, horizontal: 1, vertical: 1 }] : all;
  const mcu = {
    width: 8 * Math.max(...components.map(({ horizontal }) => horizontal)),
    height: 8 * Math.max(...components.map(({ vertical }) => vertical)),
  };
  const mcus = { width: Math.ceil(width / mcu.width), height: Math.ceil(height / mcu.height) };
  return { components, mcu, mcus };
}

/** Whether the sides that are mirrored are of whole MCUs, so that no block has to be cut elsewhere. */
export function fits({ mirrorX, mirrorY }: Move, frame: Frame): boolean {
  const { mcu } = layoutOf(frame);
  return (!mirrorX || frame.width % mcu.width === 0) && (!mirrorY || frame.height % mcu.height === 0);
}

/** Memory for the components' coefficients: two bytes a sample, and ten a block. */
export function planesOf(frame: Frame, { mirrorX, mirrorY, transpose }: Move): Plane[] {
  const { components, mcu } = layoutOf(frame);
  return components.map((component) => {
    const { horizontal, vertical } = component;
    const source = {
      width: Math.ceil((frame.width * horizontal) / mcu.width),
      height: Math.ceil((frame.height * vertical) / mcu.height),
    };
    const result = transpose ? { width: source.height, height: source.width } : source;
    const [right, down] = transpose ? [result.width, 1] : [1, result.width];
    const blocks = source.width * source.height;
    return {
      from: component,
      to: transpose ? { ...component, horizontal: vertical, vertical: horizontal } : component,
      source,
      result,
      right: mirrorX ? -right : right,
      down: mirrorY ? -down : down,
      first: (mirrorX ? (source.width - 1) * right : 0) + (mirrorY ? (source.height - 1) * down : 0),
      coefficients: new Int16Array((blocks + 1) * 64),
      means: new Int16Array(blocks + 1),
      masks: new Int32Array((blocks + 1) * 2),
      counts: new Uint32Array(256),
    };
  });
}
