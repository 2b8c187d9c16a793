/** Every run as a dot, for each way to say how long it took. One that never came back must not press all others into a corner. */
import { symbol, symbolCircle, symbolTriangle } from "d3-shape";
import { RTO_PARTS, type Cell, type DurationSummary, type RtoPart } from "../../results/results.ts";
import { atLeast, isDuration } from "../figures.ts";
import { html, type Html } from "../html.ts";
import { framed, logarithmic, RIGHT, rounded, WIDTH, type Scale } from "./frame.ts";

const ROW = 24;
const LEFT = 84;
const TOP = 16;

export function dotsChart({ mode, fault, rtoMs }: Cell): Html {
  const all = RTO_PARTS.flatMap((part) => rtoMs[part].all.filter((each) => isDuration(each)).map(atLeast));
  const most = all.reduce((largest, ms) => Math.max(largest, ms), 0) / 1_000;
  const x = logarithmic(most * 1.02, 0.1, [LEFT, WIDTH - RIGHT - 30]);
  const height = TOP + RTO_PARTS.length * ROW + 28;
  const y = Object.assign((value: number) => value, { ticks: [] });
  return framed({ height, x, xUnit: "s", y, yUnit: "", label: `each run's times, ${mode}, ${fault}` }, RTO_PARTS.map((part, row) => rowOf(part, rtoMs[part], x, TOP + row * ROW + ROW / 2)));
}

function rowOf(part: RtoPart, { all, median, medianBetween }: DurationSummary, x: Scale, y: number): Html {
  const at = (ms: number): number => x(ms / 1_000);
  const between = medianBetween === null ? "" : html`<rect class="between" x="${at(atLeast(medianBetween.low))}" width="${rounded(at(atLeast(medianBetween.high)) - at(atLeast(medianBetween.low)))}" y="${y - 8}" height="16"/>`;
  const middle = median === null ? "" : html`<line class="median" x1="${at(atLeast(median))}" x2="${at(atLeast(median))}" y1="${y - 9}" y2="${y + 9}"/>`;
  const dots = all.map((each, run) => {
    if (!isDuration(each)) return "";
    // Beside each other where they are equal; by the run's number, so that the picture is the same each time.
    const wobble = ((run * 5) % 9) - 4;
    const isBeyond = typeof each !== "number";
    return html`<path class="${isBeyond ? "beyond" : "dot"}" transform="translate(${at(atLeast(each))},${y + wobble})" d="${symbol(isBeyond ? symbolTriangle : symbolCircle, isBeyond ? 46 : 22)()}"/>`;
  });
  const unmeasured = all.filter((each) => !isDuration(each)).length;
  const note = unmeasured === 0 ? "" : html`<text x="${WIDTH - RIGHT}" y="${y + 4}" text-anchor="end">– × ${unmeasured}</text>`;
  return html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/><text x="${LEFT - 8}" y="${y + 4}" text-anchor="end">${part}</text>${between}${middle}${dots}${note}
`;
}
