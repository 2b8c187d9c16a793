/** What we set out to reach, and whether it was. */
import type { ModeName } from "../platform/mode-processes.ts";
import type { Cell, Degradation, Duration, DurationSummary, Harm, Results } from "../results/results.ts";
import { HARMS } from "../results/results.ts";
import { atLeast, count, duration, share, shareDown, times } from "./figures.ts";

/** With the database's primary killed. */
export const TARGETS = { medianRtoMs: 800, p95RtoMs: 1_200, medianExcessMs: 400 } as const;
/** CPU time by purchase, in times naive's. */
const CPU_MOST: Readonly<Partial<Record<ModeName, number>>> = { saga: 1.35, tcc: 1.45, outbox: 1.25 };
/** Below one in a hundred, an open loop's own noise is larger. */
const GOODPUT_NOISE = 0.01;
/** Some buyers are declined, and some ask a second time: where less than this of what was offered was paid, the machine did not carry the rate. */
const CARRIED_SHARE = 0.8;

export type Judgement = "met" | "missed" | "open";

export interface Judged {
  readonly target: { readonly en: string; readonly zh: string };
  readonly where: string;
  readonly measured: string;
  readonly judgement: Judgement;
}

const RTO_TARGETS: readonly { readonly fault: string; readonly part: "headline" | "excess"; readonly figure: "median" | "p95"; readonly mostMs: number }[] = [
  { fault: "primary-killed", part: "headline", figure: "median", mostMs: TARGETS.medianRtoMs },
  { fault: "primary-killed", part: "headline", figure: "p95", mostMs: TARGETS.p95RtoMs },
  { fault: "primary-killed", part: "excess", figure: "median", mostMs: TARGETS.medianExcessMs },
  { fault: "coordinator-killed", part: "headline", figure: "median", mostMs: 300 },
  { fault: "paused", part: "headline", figure: "median", mostMs: 4_000 },
  { fault: "host-lost", part: "headline", figure: "median", mostMs: 4_000 },
];

/** A line for each target and each guarded cell that it speaks of. `naive` promises nothing. */
export function judgedTargets({ cells, degradation, views }: Results): readonly Judged[] {
  const guarded = cells.filter(({ mode }) => mode !== "naive");
  const durations = RTO_TARGETS.flatMap(({ fault, part, figure, mostMs }) =>
    guarded.filter((cell) => cell.fault === fault).map((cell) => {
      const name = part === "headline" ? "RTO" : "RTO − outage";
      const words = { en: `${name}, ${figure} ≤ ${mostMs / 1_000} s`, zh: `${name}，${figure === "median" ? "中位数" : "p95"} ≤ ${mostMs / 1_000} s` };
      return judgedTime(words, whereOf(cell), cell.rtoMs[part], figure, mostMs);
    }),
  );
  const rungs = (views.ladder?.rungs ?? []).flatMap(({ policy, rtoMs, targetMs }) => {
    if (targetMs === null) return [];
    return [judgedTime({ en: `partition ladder, median ≤ ${targetMs / 1_000} s`, zh: `分区阶梯，中位数 ≤ ${targetMs / 1_000} s` }, policy, rtoMs, "median", targetMs)];
  });
  return [...durations, ...judgedCosts(degradation), ...rungs, ...guarded.map(judgedHarm), ...guarded.flatMap(judgedCompensation)];
}

function whereOf({ mode, fault }: Cell): string {
  return `${mode}, ${fault}`;
}

function judgedTime(target: Judged["target"], where: string, summary: DurationSummary, figure: "median" | "p95", mostMs: number): Judged {
  const value = summary[figure];
  const measured = value === null && figure === "p95" ? `n = ${summary.n} < 60` : `${duration(value)}, n = ${summary.n}`;
  return { target, where, measured, judgement: value === null ? "open" : within(value, mostMs) };
}

function within(value: Duration, mostMs: number): Judgement {
  if (atLeast(value) > mostMs) return "missed";
  // Not back when nobody looked any longer, and that was before the target's time.
  return typeof value === "number" ? "met" : "open";
}

function judgedHarm(cell: Cell): Judged {
  const figures: readonly (readonly [Harm | "lost" | "oversold", number | null])[] = [["lost", cell.rpo.operations], ...(cell.oversold === null ? [] : [["oversold", cell.oversold] as const]), ...HARMS.map((harm) => [harm, cell[harm]] as const)];
  const wrong = figures.filter(([, figure]) => figure !== 0).map(([name, figure]) => `${name} ${count(figure)}`);
  const isHarmed = cell.verdict === "invalid" || figures.some(([, figure]) => figure !== null && figure > 0);
  return {
    // Where the stock never ran out, nobody could have sold too much.
    target: {
      en: `nothing lost, ${cell.oversold === null ? "" : "oversold, "}doubled, phantom, torn, stuck, unresolved`,
      zh: `无丢失、${cell.oversold === null ? "" : "超卖、"}重复、幻影、撕裂、卡住、未决`,
    },
    where: whereOf(cell),
    measured: `${wrong.length === 0 ? "0" : wrong.join(", ")}, n = ${cell.runs}`,
    judgement: isHarmed ? "missed" : wrong.length > 0 || cell.verdict === "unknown" ? "open" : "met",
  };
}

/** None where nothing had to be taken back: no success either. */
function judgedCompensation(cell: Cell): Judged[] {
  const { compensation } = cell;
  if (compensation === null || (compensation.needed === 0 && compensation.wrong === 0)) return [];
  const { needed, right, wrong } = compensation;
  return [
    {
      target: { en: "compensation that ends right: 100 %", zh: "补偿正确完成：100 %" },
      where: whereOf(cell),
      measured: `${shareDown(needed === 0 ? null : right / needed)} (${count(right)} / ${count(needed)})`,
      judgement: right === needed && wrong === 0 ? "met" : "missed",
    },
  ];
}

/** Of the healthy runs: what a fault takes is not the pattern's price. A machine on which even naive does not carry the rate says nothing about it. */
/** At the highest load that naive was measured at, and of whom was measured at it as well. */
function judgedCosts(degradation: readonly Degradation[]): readonly Judged[] {
  const everybody = degradation.filter(({ fault }) => fault === null);
  const ratePerSecond = everybody.filter(({ mode }) => mode === "naive").reduce((most, row) => Math.max(most, row.offeredPerSecond), 0);
  const healthy = everybody.filter(({ offeredPerSecond }) => offeredPerSecond === ratePerSecond);
  const isCarried = ({ goodputPerSecond }: Degradation): boolean => goodputPerSecond !== null && goodputPerSecond >= CARRIED_SHARE * ratePerSecond;
  const naiveCarries = healthy.some((row) => row.mode === "naive" && isCarried(row));
  return healthy.flatMap((row) => judgedCost(row, { goodput: naiveCarries, cpu: naiveCarries && isCarried(row) }));
}

function judgedCost({ mode, runs, offeredPerSecond, toNaive }: Degradation, saysSomething: { readonly goodput: boolean; readonly cpu: boolean }): readonly Judged[] {
  if (toNaive === null) return [];
  const where = `${mode}, healthy, ${offeredPerSecond}/s`;
  const lost = toNaive.goodput === null ? null : 1 - toNaive.goodput;
  const figures = (measured: string, isCarried: boolean): string => `${measured}, n = ${runs}${isCarried ? "" : "; rate not carried"}`;
  const judged = (figure: number | null, most: number, isCarried: boolean): Judgement => (figure === null || !isCarried ? "open" : figure <= most ? "met" : "missed");
  const goodput: Judged = {
    target: { en: "goodput lost against naive: 0", zh: "相对 naive 的吞吐损失：0" },
    where,
    measured: figures(share(lost), saysSomething.goodput),
    judgement: judged(lost, GOODPUT_NOISE, saysSomething.goodput),
  };
  const most = CPU_MOST[mode];
  if (most === undefined) return [goodput];
  const cpu: Judged = {
    target: { en: `CPU ms a purchase ≤ ${most} × naive's`, zh: `每笔成交 CPU 毫秒 ≤ naive 的 ${most} 倍` },
    where,
    measured: figures(times(toNaive.cpu), saysSomething.cpu),
    judgement: judged(toNaive.cpu, most, saysSomething.cpu),
  };
  return [goodput, cpu];
}
