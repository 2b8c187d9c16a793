/** How many took how long, in bars of unequal widths of time: their limits stand beneath them. */
import { scaleBand } from "d3-scale";
import { html, type Html } from "../html.ts";
import { framed, LEFT, linear, RIGHT, rounded, WIDTH } from "./frame.ts";

const HEIGHT = 190;
const TOP = 24;
const BOTTOM = HEIGHT - 24;

export interface Bar {
  /** Null: without a limit. */
  readonly upToMs: number | null;
  readonly n: number;
}

export function histogramChart(bars: readonly Bar[], label: string): Html {
  const [first, last] = [bars.findIndex(({ n }) => n > 0), bars.findLastIndex(({ n }) => n > 0)];
  const shown = first === -1 ? [] : bars.slice(first, last + 1);
  const band = scaleBand<number>().domain(shown.keys()).range([LEFT, WIDTH - RIGHT]).padding(0.15);
  const y = linear([0, shown.reduce((most, { n }) => Math.max(most, n), 1) * 1.05], [BOTTOM, TOP], 4);
  const x = Object.assign((value: number) => value, { ticks: [] });
  const below = bars.findLast(({ upToMs }) => upToMs !== null)?.upToMs ?? 0;
  return framed({ height: HEIGHT, x, xUnit: "", y, yUnit: "n", label }, shown.map(({ upToMs, n }, index) => {
    const left = rounded(band(index) ?? LEFT);
    const middle = rounded(left + band.bandwidth() / 2);
    return html`<rect class="bar" x="${left}" width="${rounded(band.bandwidth())}" y="${y(n)}" height="${rounded(BOTTOM - y(n))}"/><text x="${middle}" y="${y(n) - 4}" text-anchor="middle">${n === 0 ? "" : n}</text><text x="${middle}" y="${BOTTOM + 16}" text-anchor="middle">${upToMs === null ? `> ${shortOf(below)}` : `≤ ${shortOf(upToMs)}`}</text>
`;
  }));
}

function shortOf(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`;
}
