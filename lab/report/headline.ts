import type { CellVerdict, HeadlineRow, Results } from "../results/results.ts";
import { SOURCE_FAULTS } from "../results/overview/headline.ts";
import { count, duration, share, shareDown } from "./figures.ts";
import { both, html, type Content, type Html } from "./html.ts";
import { judgedTargets, TARGETS, type Judged, type Judgement } from "./targets.ts";

/** Ours, and last what the source says. */
interface Shown {
  readonly rto: readonly string[];
  readonly rpo: readonly string[];
  readonly compensation: readonly string[];
  /** Under the fault, and healthy against `naive`. */
  readonly throughputLost: readonly string[];
}

export function shownOf({ rtoMs, maxRpo, compensationRightShare, lossUnderFault, lossToNaive, source }: HeadlineRow): Shown {
  return {
    rto: [duration(rtoMs.mean), duration(rtoMs.median), duration(rtoMs.p95), duration(rtoMs.max), duration(source?.meanRtoMs)],
    rpo: [count(maxRpo), count(source?.maxRpo)],
    compensation: [shareDown(compensationRightShare), shareDown(source?.compensationRightShare ?? null)],
    throughputLost: [share(lossUnderFault), share(lossToNaive), share(source?.throughputLossRatio ?? null)],
  };
}

export function headlineTable(results: Results): Html {
  const rows = results.headline;
  if (rows.length === 0) return html`<p>${both("None of the source's faults was injected.", "未注入原文所用的任何故障。")}</p>`;
  return html`<div class="wide"><table class="headline">
<thead>
<tr><th rowspan="2" scope="col" class="text">${both("pattern", "模式")}</th><th rowspan="2" scope="col" class="text">${both("fault", "故障")}</th><th rowspan="2" scope="col">n</th>
<th colspan="5" scope="colgroup">RTO</th><th colspan="2" scope="colgroup">${both("max RPO, operations", "最大 RPO（操作数）")}</th>
<th colspan="2" scope="colgroup">${both("compensation right", "补偿成功率")}</th><th colspan="3" scope="colgroup">${both("throughput lost", "吞吐衰减率")}</th><th rowspan="2" scope="col">${both("judges", "判定")}</th></tr>
<tr>${heads(both("mean", "平均"), both("median", "中位数"), "p95", both("max", "最大"))}${heads(both("here", "本次"))}${heads(both("here", "本次"))}${heads(both("under fault", "故障期间"), both("healthy, to naive", "健康时对 naive"))}</tr>
</thead>
<tbody>${rows.map((row) => {
    const { rto, rpo, compensation, throughputLost } = shownOf(row);
    return html`<tr><th scope="row">${row.mode}</th><td class="text">${row.fault}</td><td>${count(row.runs)}</td>${withSource(rto)}${withSource(rpo)}${withSource(compensation)}${withSource(throughputLost)}<td>${verdictMark(row.verdict)}</td></tr>
`;
  })}</tbody>
<tfoot><tr><th scope="row">${both("our target", "我们的目标")}</th><td class="text">primary-killed</td><td></td><td></td><td>≤ ${duration(TARGETS.medianRtoMs)}</td><td>≤ ${duration(TARGETS.p95RtoMs)}</td><td></td><td class="source"></td><td>0</td><td class="source"></td><td>100 %</td><td class="source"></td><td></td><td>0 %</td><td class="source"></td><td></td></tr></tfoot></table></div>${missingOf(results)}`;
}

function missingOf({ headline, notPossibleHere }: Results): Html {
  const missing = SOURCE_FAULTS.filter((fault) => !headline.some((row) => row.fault === fault));
  return html`${missing.map((fault) => {
    const why = notPossibleHere.find((each) => each.fault === fault)?.why;
    return html`<p class="faint">${fault}: ${why === undefined ? both("not measured in this run", "本次未测") : html`${both("not possible here", "此机无法进行")}: ${why}`}</p>`;
  })}`;
}

function heads(...ours: readonly Content[]): Html {
  return html`${ours.map((head) => html`<th scope="col">${head}</th>`)}<th scope="col" class="source">${both("source", "原文")}</th>`;
}

function withSource(figures: readonly string[]): Html {
  return html`${figures.slice(0, -1).map((figure) => html`<td>${figure}</td>`)}<td class="source">${figures.at(-1)}</td>`;
}

/** A shape and a word, for who does not see the colour. */
export function verdictMark(verdict: CellVerdict): Html {
  switch (verdict) {
    case "valid":
      return html`<span class="good">✓ ${both("held", "成立")}</span>`;
    case "invalid":
      return html`<span class="bad">✗ ${both("broken", "违反")}</span>`;
    case "unknown":
      return html`<span class="open">? ${both("not judged", "未判定")}</span>`;
  }
}

export function targetsTable(results: Results): Html {
  const judged = judgedTargets(results);
  if (judged.length === 0) return html`<p>${both("Nothing was measured that has a target.", "没有测量任何带目标的项目。")}</p>`;
  const missed = judged.filter(({ judgement }) => judgement === "missed").length;
  const open = judged.filter(({ judgement }) => judgement === "open").length;
  return html`<p>${both(`${judged.length - missed - open} met, ${missed} missed, ${open} open.`, `达到 ${judged.length - missed - open} 项，未达到 ${missed} 项，未定 ${open} 项。`)}</p>
${judged.length <= TARGETS_AT_ONCE ? targetRows(judged) : foldedTargets(judged)}`;
}

/** More rows than that, and those that are met are folded, so that the others are seen. */
const TARGETS_AT_ONCE = 30;

function foldedTargets(judged: readonly Judged[]): Html {
  const met = judged.filter(({ judgement }) => judgement === "met");
  const others = judged.filter(({ judgement }) => judgement !== "met");
  return html`${others.length === 0 ? "" : targetRows(others)}<details><summary>${both(`The ${met.length} that are met`, `达到的 ${met.length} 项`)}</summary>${targetRows(met)}</details>`;
}

function targetRows(judged: readonly Judged[]): Html {
  return html`<div class="wide"><table><thead><tr><th scope="col" class="text">${both("target", "目标")}</th><th scope="col" class="text">${both("where", "范围")}</th><th scope="col">${both("measured", "实测")}</th><th scope="col"></th></tr></thead>
<tbody>${judged.map(({ target, where, measured, judgement }) => html`<tr><td class="text">${both(target.en, target.zh)}</td><td class="text">${where}</td><td>${measured}</td><td>${judgementMark(judgement)}</td></tr>
`)}</tbody></table></div>`;
}

function judgementMark(judgement: Judgement): Html {
  switch (judgement) {
    case "met":
      return html`<span class="good">✓ ${both("met", "达到")}</span>`;
    case "missed":
      return html`<span class="bad">✗ ${both("missed", "未达到")}</span>`;
    case "open":
      return html`<span class="open">? ${both("open", "未定")}</span>`;
  }
}
