/** Pictures without a script: they can be printed, and read a hundred years from now. Scales and shapes are d3's. */
import { scaleLinear, scaleSymlog } from "d3-scale";
import { html, type Content, type Html } from "../html.ts";

export const WIDTH = 640;
export const LEFT = 46;
export const RIGHT = 12;

export interface Scale {
  (value: number): number;
  readonly ticks: readonly number[];
}

/** @param pixels from the smallest value to the largest; the other way round on a vertical axis */
export function linear(values: readonly [number, number], pixels: readonly [number, number], ticks: number): Scale {
  const scale = scaleLinear().domain([values[0], atLeastOneApart(values)]).range(pixels);
  return Object.assign((value: number): number => rounded(scale(value)), { ticks: scale.ticks(ticks) });
}

/** For times that differ by a thousand times, and of which 0 is one. Even near 0, by decades above `constant`. */
export function logarithmic(most: number, constant: number, pixels: readonly [number, number]): Scale {
  const top = Math.max(10 * constant, most);
  const scale = scaleSymlog().constant(constant).domain([0, top]).range(pixels);
  const decades = Array.from({ length: Math.floor(Math.log10(top / constant)) + 1 }, (_, power) => Number((constant * 10 ** power).toPrecision(3)));
  return Object.assign((value: number): number => rounded(scale(value)), { ticks: [0, ...decades] });
}

function atLeastOneApart([low, high]: readonly [number, number]): number {
  return Math.max(high, low + 1);
}

export function rounded(pixel: number): number {
  return Math.round(pixel * 10) / 10;
}

export interface Frame {
  readonly height: number;
  readonly x: Scale;
  readonly xUnit: string;
  readonly y: Scale;
  readonly yUnit: string;
  readonly label: string;
}

export function framed({ height, x, xUnit, y, yUnit, label }: Frame, content: Content): Html {
  const bottom = height - 24;
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${label}">
${y.ticks.map((tick) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}"/><text x="${LEFT - 5}" y="${y(tick) + 4}" text-anchor="end">${tick.toLocaleString("en-US")}</text>`)}
${x.ticks.map((tick) => html`<line class="tick" x1="${x(tick)}" x2="${x(tick)}" y1="${bottom}" y2="${bottom + 4}"/><text x="${x(tick)}" y="${bottom + 16}" text-anchor="middle">${tick}${tick === x.ticks.at(-1) ? ` ${xUnit}` : ""}</text>`)}
<text x="2" y="10">${yUnit}</text>
${content}
</svg>`;
}
