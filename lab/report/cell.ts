import { medianOf } from "../results/median.ts";
import { CONFIRMED_READS, READ_KINDS, RTO_PARTS, type Cell, type DurationSummary, type ReadKind, type Reads, type RunRecord } from "../results/results.ts";
import { dotsChart } from "./charts/dots.ts";
import { goodputChart, latencyChart } from "./charts/over-time.ts";
import { oneHostOf, runsOf, timelinesOf, violationsOf, worstRun } from "./evidence.ts";
import { count, duration, money, perSecond, seconds, share, NOT_KNOWN } from "./figures.ts";
import { verdictMark } from "./headline.ts";
import { both, html, type Html } from "./html.ts";

export function cellSection(cell: Cell, index: number): Html {
  const shown = worstRun(cell.records);
  return html`<section class="cell" id="cell-${index}">
<header><h3>${cell.mode} × ${cell.fault}</h3><span>${cell.mechanism}; n = ${cell.runs}; ${verdictMark(cell.verdict)}</span></header>
<div class="wide"><table><thead><tr><th></th><th>n</th><th>${both("median", "中位数")}</th><th>${both("95 % interval", "95 % 区间")}</th><th>p95</th><th>${both("max", "最大")}</th></tr></thead><tbody>${RTO_PARTS.map((part) => summaryRow(part, cell.rtoMs[part]))}</tbody></table></div>
${harmLine(cell)}
<div class="charts">${shown === undefined ? "" : chartsOf(cell, shown)}</div>
${violationsOf(cell)}${timelinesOf(cell)}${oneHostOf(cell)}${runsOf(cell)}
</section>
`;
}

function summaryRow(part: string, { n, median, medianBetween, p95, max }: DurationSummary): Html {
  const between = medianBetween === null ? NOT_KNOWN : `${duration(medianBetween.low)} … ${duration(medianBetween.high)}`;
  return html`<tr><th scope="row">${part}</th><td>${n}</td><td>${duration(median)}</td><td>${between}</td><td>${duration(p95)}</td><td>${duration(max)}</td></tr>`;
}

function harmLine(cell: Cell): Html {
  const { rpo, compensation, inconsistencyMs, goodput } = cell;
  const compensated = compensation === null ? NOT_KNOWN : `${count(compensation.right)} / ${count(compensation.needed)} · wrong ${count(compensation.wrong)} · stuck ${count(compensation.stuck)}`;
  const ms = (value: number | null): string => (value === null ? NOT_KNOWN : seconds(value));
  const healthy = (figure: "p50" | "p95" | "max"): number | null => medianOf(cell.records.map((run) => run.inconsistencyMs.healthy?.[figure] ?? null));
  const harm = (["oversold", "duplicated", "phantom", "torn", "stuck", "unresolved"] as const).map((name) => `${name} ${count(cell[name])}`).join(" · ");
  return html`<dl><dt>${both("lost, worst run", "丢失（最差一次）")}</dt><dd>${count(rpo.operations)} ${both("operations", "操作")} · ${count(rpo.units)} ${both("units", "件")} · ${money(rpo.money)} ${both("money", "金额")} · ${both("oldest", "最早")} ${ms(rpo.oldestMs)}</dd>
<dt>${both("other harm, all runs", "其他损害（合计）")}</dt><dd>${harm}</dd>
<dt>${both("compensation", "补偿")}</dt><dd>${compensated}</dd>
<dt>${both("inconsistency window", "不一致窗口")}</dt><dd>${both("under fault", "故障期间")} p50 ${ms(inconsistencyMs.p50)} · p95 ${ms(inconsistencyMs.p95)} · max ${ms(inconsistencyMs.max)}; ${both("healthy", "健康")} p50 ${ms(healthy("p50"))} · p95 ${ms(healthy("p95"))} · max ${ms(healthy("max"))} (${both("medians of the runs", "各次运行的中位数")})</dd>
<dt>${both("seen, then undone", "看到后又被撤销")}</dt><dd>${readsLine(cell.reads)}</dd>
<dt>${both("goodput", "有效吞吐")}</dt><dd>${perSecond(goodput.baseline)} → ${perSecond(goodput.fault)}; ${both("lost", "损失")} ${share(goodput.lossRatio)}</dd></dl>`;
}

/** Of a stranger's reads. What says of itself that it is only reserved is set apart. */
function readsLine(reads: Reads | null): Html {
  if (reads === null) return html`${NOT_KNOWN}`;
  const { looks, kinds } = reads;
  const told = (of: readonly ReadKind[]): string => of.map((kind) => `${kind} ${count(kinds[kind].undone)} / ${count(kinds[kind].seen)}`).join(" · ");
  const sum = CONFIRMED_READS.reduce((total, kind) => total + kinds[kind].undone, 0);
  const reserved = READ_KINDS.filter((kind) => !CONFIRMED_READS.includes(kind));
  return html`<strong>${count(sum)}</strong> ${both("reads", "次读取")} (${told(CONFIRMED_READS)}); ${both("only reserved", "仅为预留")}: ${told(reserved)}; ${both(`${count(looks)} looks`, `共查看 ${count(looks)} 次`)}`;
}

function chartsOf(cell: Cell, shown: RunRecord): Html {
  const latency = latencyChart(cell, shown);
  const run = `seed ${shown.seed}`;
  return html`<figure>${goodputChart(cell, shown)}<figcaption>${both(
    `Paid purchases a second; thick: the worst run (${run}), thin: the others; dotted: threshold. ▼ full line: fault, ▽ dashed: healed; bar at the bottom: acknowledgements on one host.`,
    `每秒成交数；粗线：最差的一次（${run}），细线：其余；点线：阈值。▼ 实线：故障，▽ 虚线：恢复；底部横条：确认只落在一台主机。`,
  )}</figcaption></figure>
${latency === null ? "" : html`<figure>${latency}<figcaption>${both(`Latency from intended start, ${run}: p50 full, p95 dashed, p99 dotted. A gap: too little was answered.`, `自计划发出时刻起的延迟，${run}：p50 实线，p95 虚线，p99 点线。断开处：得到应答的太少。`)}</figcaption></figure>`}
<figure>${dotsChart(cell)}<figcaption>${both("Every run as a dot, from the fault; triangle: not back within the observation; line: median, band: its 95 % interval; – × n: not measured.", "每个点是一次运行，自故障起；三角：观察期内未恢复；竖线：中位数，色带：其 95 % 区间；– × n：未测得。")}</figcaption></figure>`;
}
