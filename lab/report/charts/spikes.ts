/** The slowest ones, each with what else happened in its time. */
import { symbol, symbolTriangle } from "d3-shape";
import { html, type Html } from "../html.ts";
import { framed, LEFT, linear, RIGHT, rounded, WIDTH } from "./frame.ts";

const ROW = 22;
const TOP = 10;

export interface Spike {
  readonly ms: number;
  readonly gcMs: number;
  readonly loopMaxMs: number;
}

export function spikesChart(spikes: readonly Spike[]): Html {
  const most = spikes.reduce((longest, { ms, gcMs, loopMaxMs }) => Math.max(longest, ms, gcMs, loopMaxMs), 1);
  const x = linear([0, most * 1.05], [LEFT, WIDTH - RIGHT], 6);
  const y = Object.assign((value: number) => value, { ticks: [] });
  const width = (ms: number): number => rounded(x(ms) - LEFT);
  return framed({ height: TOP + spikes.length * ROW + 30, x, xUnit: "ms", y, yUnit: "", label: "the slowest compensations beside garbage collection and event-loop delay" }, [
    html`<defs><pattern id="hatched" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="5"/></pattern></defs>`,
    spikes.map(({ ms, gcMs, loopMaxMs }, row) => {
      const top = TOP + row * ROW;
      return html`<text x="${LEFT - 6}" y="${top + 13}" text-anchor="end">${row + 1}</text><rect class="bar" x="${LEFT}" y="${top}" width="${width(ms)}" height="9"/><rect class="gc" fill="url(#hatched)" x="${LEFT}" y="${top + 10}" width="${width(gcMs)}" height="7"/><path class="beyond" transform="translate(${x(loopMaxMs)},${top + 9})" d="${symbol(symbolTriangle, 40)()}"/>
`;
    }),
  ]);
}
