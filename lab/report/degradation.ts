/** Goodput, latency and CPU time of each pattern beside naive's of the same results, healthy and under each fault. */
import type { CpuKind, Degradation, Results } from "../results/results.ts";
import { count, milliseconds, perSecond, times } from "./figures.ts";
import { both, html, type Html } from "./html.ts";

export function degradationTables({ degradation }: Results): Html {
  const [healthy, underFault] = [degradation.filter(({ fault }) => fault === null), degradation.filter(({ fault }) => fault !== null)];
  if (degradation.length === 0) return html`<p>${both("Nothing was measured.", "没有测得数据。")}</p>`;
  const naive = degradation.some(({ mode }) => mode === "naive");
  return html`<p class="faint">${both(
    "Medians of the runs; × is how many times naive's, of the same results and at the same load, or where naive was not measured at it at naive's own, which then stands beside it; goodput is compared as a share of what was offered. Healthy: the baselines of all runs at that load. Latency is of the answer to a purchase, from the moment at which it was to be sent. CPU time is of every process and both servers, by paid purchase; of a server or process that died nobody knows it.",
    "各次运行的中位数；× 为同一批结果、同一投放速率下 naive 的倍数；naive 未在该速率下测量时，取其自身速率，并标于旁；有效吞吐按投放量的份额比较。健康：该速率下全部运行的基线。延迟指购买请求的应答，自计划发出时刻起。CPU 时间含所有进程与两台数据库服务器，按成交笔数均摊；进程或服务器被杀时未知。",
  )}</p>
${naive ? "" : html`<p>${both("naive was not measured: there is nothing to compare with.", "未测 naive，无从比较。")}</p>`}
${tableOf(healthy)}${cpuTable(healthy)}
${underFault.length === 0 ? "" : html`<details><summary>${both("Under each fault", "各故障下")} (${underFault.length})</summary>${tableOf(underFault)}</details>`}`;
}

function tableOf(rows: readonly Degradation[]): Html {
  return html`<div class="wide"><table><thead><tr><th class="text">${both("pattern", "模式")}</th><th class="text">${both("fault", "故障")}</th><th>n</th><th>${both("offered", "投放")}</th><th colspan="2">${both("goodput", "有效吞吐")}</th><th colspan="2">p50</th><th colspan="2">p95</th><th colspan="2">p99</th><th colspan="2">${both("CPU a purchase", "每笔 CPU")}</th></tr></thead>
<tbody>${rows.map(({ mode, fault, runs, offeredPerSecond, goodputPerSecond, p50Ms, p95Ms, p99Ms, cpuMsPerPurchase, toNaive }) => {
    const pairs: readonly (readonly [string, number | null | undefined])[] = [
      [perSecond(goodputPerSecond), toNaive?.goodput], [milliseconds(p50Ms), toNaive?.p50], [milliseconds(p95Ms), toNaive?.p95], [milliseconds(p99Ms), toNaive?.p99], [milliseconds(cpuMsPerPurchase.total), toNaive?.cpu],
    ];
    return html`<tr><th scope="row">${mode}</th><td class="text">${fault ?? both("healthy", "健康")}</td><td>${count(runs)}</td><td>${perSecond(offeredPerSecond)}${toNaive !== null && toNaive.offeredPerSecond !== offeredPerSecond ? html` <span class="source">(naive ${perSecond(toNaive.offeredPerSecond)})</span>` : ""}</td>${pairs.map(([figure, ratio]) => html`<td>${figure}</td><td class="source">${mode === "naive" ? "" : times(ratio)}</td>`)}</tr>
`;
  })}</tbody></table></div>`;
}

function cpuTable(rows: readonly Degradation[]): Html {
  const kinds = [...new Set(rows.flatMap(({ cpuMsPerPurchase }) => Object.keys(cpuMsPerPurchase.byKind) as CpuKind[]))];
  if (kinds.length === 0) return html``;
  return html`<h4>${both("CPU time a purchase by kind of process, healthy", "健康时每笔成交的 CPU 时间（按进程种类）")}</h4>
<div class="wide"><table><thead><tr><th class="text">${both("pattern", "模式")}</th>${kinds.map((kind) => html`<th>${kind}</th>`)}<th>${both("all", "合计")}</th></tr></thead>
<tbody>${rows.map(({ mode, cpuMsPerPurchase: { byKind, total } }) => html`<tr><th scope="row">${mode}</th>${kinds.map((kind) => html`<td>${milliseconds(byKind[kind] ?? null)}</td>`)}<td>${milliseconds(total)}</td></tr>
`)}</tbody></table></div>`;
}
