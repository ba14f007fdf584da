import text from "./contraption.svg";

/** The project's own drawing, of whose named groups the page is built. */
const drawing = new DOMParser().parseFromString(text, "image/svg+xml");

/** Groups of the drawing, and the part of it that they are seen in: left, top, width and height. */
const PARTS = {
  bucket: { ids: ["bucket-inside", "bucket"], view: [740, 608, 160, 216] },
  pulley: { ids: ["pulley-wheel"], view: [810, 140, 120, 120] },
  brass: { ids: ["gear-3"], view: [1030, 231, 540, 540] },
  copper: { ids: ["gear-2"], view: [1064, 714, 232, 232] },
  steel: { ids: ["gear-1", "drum"], view: [840, 700, 260, 260] },
  frame: { ids: ["frame"], view: [-196, -186, 392, 334] },
  crate: { ids: ["crate"], view: [458, 906, 280, 174] },
  bunting: { ids: ["bunting"], view: [118, 46, 474, 136] },
  cat: { ids: ["cat"], view: [136, 730, 300, 352] },
} as const satisfies Record<string, { ids: readonly string[]; view: readonly number[] }>;

export type PartName = keyof typeof PARTS;

/** Puts what the groups are painted with into the page, once: gradients and patterns. */
export function Paints() {
  return <svg class="paints" aria-hidden="true" ref={(svg) => fill(svg, ["defs"])} />;
}

/** One thing of the drawing. */
export function Part({ name, class: className }: { name: PartName; class?: string }) {
  const { ids, view } = PARTS[name];
  return (
    <svg
      class={`part ${className ?? ""}`}
      viewBox={view.join(" ")}
      aria-hidden="true"
      ref={(svg) => fill(svg, ids)}
    />
  );
}

function fill(svg: SVGSVGElement | null, ids: readonly string[]): void {
  if (!svg || svg.childElementCount > 0) return;
  const ink = document.createElementNS("http://www.w3.org/2000/svg", "g");
  // As the groups around them have it.
  ink.setAttribute("stroke", "#2a2430");
  ink.setAttribute("stroke-width", "4.5");
  ink.setAttribute("stroke-linejoin", "round");
  for (const id of ids) {
    const group = id === "defs" ? drawing.querySelector("defs") : drawing.getElementById(id);
    if (!group) throw new Error(`contraption.svg has no ${id}`);
    const copy = document.importNode(group, true);
    // The page has several of each; only paints are found by their names.
    if (id !== "defs")
      for (const each of [copy, ...copy.querySelectorAll("[id]")]) each.removeAttribute("id");
    if (id === "cat") named(copy, "ellipse[rx='10']", "pupil");
    ink.append(copy);
  }
  svg.append(ink);
}

function named(group: Element, selector: string, className: string): void {
  for (const each of group.querySelectorAll(selector)) each.parentElement?.setAttribute("class", className);
}

/** The wall of the room, its beam and its floor, as wide and high as what stands before it. */
export function Room() {
  return (
    <svg class="room" aria-hidden="true">
      <rect width="100%" height="100%" fill="url(#wall)" />
      <rect width="100%" height="100%" fill="url(#wallpaper)" />
    </svg>
  );
}
