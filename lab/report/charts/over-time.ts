/** What happened from second to second, with the fault at second 0. */
import { line } from "d3-shape";
import type { Cell, RunRecord } from "../../results/results.ts";
import { html, type Html } from "../html.ts";
import { framed, LEFT, linear, logarithmic, RIGHT, WIDTH, type Scale } from "./frame.ts";

const HEIGHT = 200;
const TOP = 18;
const BOTTOM = HEIGHT - 24;
/** More curves than this are a smear, and megabytes. */
const OTHERS_MAX = 40;
const POINTS_MAX = 320;
const CURVE_MS = 500;

type Point = readonly [seconds: number, value: number | null];

/** Where a run has no fault, the moment at which it would have been. */
export function originMs({ momentMs }: RunRecord): number {
  return momentMs;
}

export function goodputChart({ mode, fault, records }: Cell, shown: RunRecord): Html {
  const curves = records.filter((run) => run !== shown).slice(0, OTHERS_MAX).map(goodputOf);
  const own = goodputOf(shown);
  const x = timeScale([own, ...curves], shown);
  const most = [own, ...curves].flat().reduce((largest, [, ok]) => Math.max(largest, ok ?? 0), shown.threshold?.perSecond ?? 0);
  const y = linear([0, most * 1.08], [BOTTOM, TOP], 4);
  const threshold = shown.threshold === null ? "" : html`<line class="threshold" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(shown.threshold.perSecond)}" y2="${y(shown.threshold.perSecond)}"/>`;
  return framed({ height: HEIGHT, x, xUnit: "s", y, yUnit: "ok/s", label: `goodput, ${mode}, ${fault}` }, [
    marks(shown, x),
    curves.map((curve) => html`<path class="other" d="${pathOf(curve, x, y)}"/>`),
    threshold,
    html`<path class="own" d="${pathOf(own, x, y)}"/>`,
  ]);
}

export function latencyChart({ mode, fault }: Cell, shown: RunRecord): Html | null {
  const { latency } = shown.series;
  if (latency === null) return null;
  const pointsOf = (values: readonly (number | null)[]): Point[] => thinned(values.map((value, index) => [(latency.fromMs + (index + 0.5) * latency.stepMs - originMs(shown)) / 1_000, value]));
  const [p50, p95, p99] = [pointsOf(latency.p50Ms), pointsOf(latency.p95Ms), pointsOf(latency.p99Ms)];
  const x = timeScale([p50], shown);
  const y = logarithmic([...p50, ...p95, ...p99].reduce((most, [, ms]) => Math.max(most, ms ?? 0), 0) * 1.1, 1, [BOTTOM, TOP]);
  return framed({ height: HEIGHT, x, xUnit: "s", y, yUnit: "ms", label: `latency percentiles, ${mode}, ${fault}` }, [
    marks(shown, x),
    html`<path class="p99" d="${pathOf(p99, x, y)}"/><path class="p95" d="${pathOf(p95, x, y)}"/><path class="p50" d="${pathOf(p50, x, y)}"/>`,
  ]);
}

/** In half seconds from the fault on: at thirty purchases a second a quarter holds seven, and a curve of sevens is all noise. */
function goodputOf(run: RunRecord): Point[] {
  const { fromMs, stepMs, ok } = run.series.goodput;
  const steps = Math.round(CURVE_MS / stepMs);
  const first = Math.round((originMs(run) - fromMs) / stepMs) % steps;
  const groups = Array.from({ length: Math.max(0, Math.floor((ok.length - first) / steps)) }, (_, index) => ok.slice(first + index * steps, first + (index + 1) * steps));
  return thinned(groups.map((group, index): Point => [(fromMs + (first + (index + 0.5) * steps) * stepMs - originMs(run)) / 1_000, (sum(group) / (steps * stepMs)) * 1_000]));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Of neighbours the lowest, or the highest latency's gap: a hole must not be thinned away. */
function thinned(points: readonly Point[]): Point[] {
  const every = Math.ceil(points.length / POINTS_MAX);
  if (every <= 1) return [...points];
  return Array.from({ length: Math.ceil(points.length / every) }, (_, index) => {
    const group = points.slice(index * every, (index + 1) * every);
    const [seconds] = group[0] ?? [0];
    const values = group.map(([, value]) => value).filter((value) => value !== null);
    return [seconds, values.length < group.length ? null : Math.min(...values)];
  });
}

function timeScale(curves: readonly (readonly Point[])[], shown: RunRecord): Scale {
  const times = curves.flat().map(([seconds]) => seconds);
  const [first, last] = [times.reduce((least, each) => Math.min(least, each), 0), times.reduce((most, each) => Math.max(most, each), (shown.offeredUntilMs - originMs(shown)) / 1_000)];
  return linear([first, last], [LEFT, WIDTH - RIGHT], 8);
}

function pathOf(points: readonly Point[], x: Scale, y: Scale): string {
  return line<Point>().defined(([, value]) => value !== null).x(([seconds]) => x(seconds)).y(([, value]) => y(value ?? 0))(points) ?? "";
}

/** The fault is a full line with a filled triangle, its healing a broken one with an empty one: by shape, not by colour. */
function marks(run: RunRecord, x: Scale): Html {
  const at = (ms: number): number => x((ms - originMs(run)) / 1_000);
  const fault = run.fault === null ? "" : mark("fault", at(run.fault.fromMs));
  const heal = run.healedAtMs === null ? "" : mark("heal", at(run.healedAtMs));
  const hosts = run.oneHost.map(({ fromMs, toMs }) => {
    const [from, to] = [Math.max(LEFT, at(fromMs)), Math.min(WIDTH - RIGHT, at(toMs))];
    return html`<rect class="one-host" x="${from}" y="${BOTTOM - 5}" width="${Math.max(0, Math.round((to - from) * 10) / 10)}" height="5"/>`;
  });
  return html`${hosts}${fault}${heal}`;
}

function mark(kind: "fault" | "heal", x: number): Html {
  return html`<line class="${kind}" x1="${x}" x2="${x}" y1="${TOP}" y2="${BOTTOM}"/><path class="${kind}" d="M${x - 5},${TOP - 10}h10l-5,9z"/>`;
}
