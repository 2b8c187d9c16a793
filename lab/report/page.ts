/** The whole page. It asks nobody for anything: style, script and pictures are inside, and its own policy forbids the rest. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Results, SettingValue } from "../results/results.ts";
import { cellSection } from "./cell.ts";
import { degradationTables } from "./degradation.ts";
import { count, duration } from "./figures.ts";
import { headlineTable, targetsTable, verdictMark } from "./headline.ts";
import { both, html, textOf, trusted, type Html } from "./html.ts";
import { matrixTable } from "./matrix.ts";
import { trustSection } from "./trust.ts";
import { ladderSection } from "./views/ladder.ts";
import { profileSection } from "./views/profile.ts";
import { walSection } from "./views/wal.ts";

/** Without it the page is in English. */
const SCRIPT = `const root = document.documentElement;
const show = (language) => { root.dataset.language = language; root.lang = language === "zh" ? "zh-CN" : "en"; };
show(/^zh\\b/i.test(navigator.language) ? "zh" : "en");
document.getElementById("language").addEventListener("click", () => show(root.dataset.language === "zh" ? "en" : "zh"));
addEventListener("beforeprint", () => { for (const each of document.querySelectorAll("details")) each.open = true; });`;

export function pageOf(results: Results): string {
  const style = readFileSync(new URL("page.css", import.meta.url), "utf8");
  const policy = `default-src 'none'; style-src ${digestOf(style)}; script-src ${digestOf(SCRIPT)}; base-uri 'none'; form-action 'none'`;
  const page = html`<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${results.run}: the lab's report</title><style>${trusted(style)}</style></head>
<body>
<header><h1>${both("The lab's report", "实验报告")}: ${results.run}</h1><button id="language" type="button">${both("中文", "English")}</button></header>
<p class="faint">${results.startedAt} … ${results.endedAt}; seed ${results.seed}; ${both("commit", "提交")} ${results.commit}, ${both("measured code", "被测代码")} ${results.versions.code}</p>
${warningsOf(results)}${appendedOf(results)}
<h2>${both("Against the source", "与原文对照")}</h2>
${headlineTable(results)}
<p class="faint">${both(
    "The source: its report on saga, TCC and local message table, 5,000 purchases a second on MySQL; one figure each, for both of its faults together. RTO here is the later of goodput back for good and everything settled; the mean beside the source's mean. RPO counts operations that a client was told are done.",
    "原文：关于 Saga、TCC 与本地消息表的实测报告，MySQL，5000 TPS；每项只有一个数字，不分两类故障。此处 RTO 取“吞吐持续恢复”与“全部了结”中较晚者，平均值与原文的平均值并列。RPO 计已向客户确认的操作数。",
  )}</p>
<h2>${both("Against the targets", "与目标对照")}</h2>
${targetsTable(results)}
<h2>${both("What a pattern costs", "模式的代价")}</h2>
${degradationTables(results)}
<h2>${both("All cells", "全部单元")}</h2>
${matrixTable(results)}${overviewOf(results)}
${WORDS}
${results.cells.map(cellSection)}
${ladderSection(results.views.ladder)}${walSection(results.views.wal)}${profileSection(results.views.profile)}${trustSection(results)}${impossibleOf(results)}
<h2>${both("What it ran on", "运行环境")}</h2>
${environmentOf(results)}
</body><script>${trusted(SCRIPT)}</script></html>
`;
  return `<!doctype html>\n${textOf(page)}`;
}

/** Terms stay in English in both languages: they are the field's. */
const WORDS = html`<details><summary>${both("What the figures of recovery are", "恢复指标的含义")}</summary><dl>
<dt>first</dt><dd>${both("from the fault to the first purchase that was sent after it and is paid: proof of life, by one purchase that begins from nothing", "从故障到其后发出的第一笔成交：只证明系统活着，且这笔购买是从头走完的")}</dd>
<dt>sustained</dt><dd>${both("from the fault to the time from which every second until the end has as many paid purchases as the worst healthy second of this mode at this rate", "从故障到此后每一秒的成交数都不低于该模式在此速率下最差的健康一秒")}</dd>
<dt>tx</dt><dd>${both("until all that was open at the fault has ended, order and payment", "故障时未完成的事务（订单与支付）全部结束")}</dd>
<dt>settle</dt><dd>${both("tx, and mail older than half a second that no inbox has is back at what it was before", "tx，并且超过半秒仍未进入任何收件箱的消息回到故障前的水平")}</dd>
<dt>headline</dt><dd>${both("the later of sustained and settle. It may be shorter than first: where goodput never fell below a healthy second, sustained is 0, and the first purchase that begins after the fault still takes its usual time", "sustained 与 settle 中较晚者。它可能小于 first：若吞吐从未低于健康的一秒，则 sustained 为 0，而故障后的第一笔购买仍需其正常时长")}</dd>
<dt>excess</dt><dd>${both("the headline without the database's own outage, as a probe sees it", "headline 减去探针所见数据库自身的停机时间")}</dd>
<dt>latency</dt><dd>${both("until p99 from intended start is at most twice the baseline's for good", "自计划发出时刻起的 p99 持续不超过基线的两倍")}</dd>
</dl></details>`;

function digestOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

function warningsOf({ quick, incomplete, machine, cells }: Results): Html {
  const brokenOff = cells.flatMap(({ records }) => records).filter(({ complete }) => !complete).length;
  return html`${quick ? html`<p class="warning">⚠ ${both("Quick look: few runs and short observations. No p95, and no claim beyond these runs.", "快速查看：运行次数少、观察时间短。没有 p95，结论不超出这些运行。")}</p>` : ""}
${incomplete === null ? "" : html`<p class="warning">⚠ ${both("Incomplete", "不完整")}: ${incomplete}</p>`}
${brokenOff === 0 ? "" : html`<p class="warning">⚠ ${both(`${brokenOff} runs were broken off; they count with what they measured.`, `${brokenOff} 次运行被中断，按已测得的部分计入。`)}</p>`}
${machine.onTmpfs ? html`<p class="warning">⚠ ${both("The data lay in memory (tmpfs): no figure here says anything about durability.", "数据位于内存（tmpfs）：任何数字都不能说明持久性。")}</p>` : ""}`;
}

function appendedOf({ appended }: Results): Html {
  if (appended.length === 0) return html``;
  return html`<p class="faint">${both("With the runs that were added", "含追加的运行")}: ${appended.map(({ run, seed }) => `${run} (seed ${seed})`).join(", ")}</p>`;
}

function overviewOf({ cells }: Results): Html {
  if (cells.length === 0) return html`<p>${both("No cell was measured.", "没有测得任何单元。")}</p>`;
  return html`<div class="wide"><table><thead><tr><th class="text">${both("pattern", "模式")}</th><th class="text">${both("fault", "故障")}</th><th>n</th><th>RTO ${both("median", "中位数")}</th><th>${both("max", "最大")}</th><th>${both("lost", "丢失")}</th><th>duplicated</th><th>phantom</th><th>torn</th><th>stuck</th><th>unresolved</th><th>${both("judges", "判定")}</th></tr></thead>
<tbody>${cells.map(
    (cell, index) =>
      html`<tr><th scope="row"><a href="#cell-${index}">${cell.mode}</a></th><td class="text">${cell.fault}</td><td>${cell.runs}</td><td>${duration(cell.rtoMs.headline.median)}</td><td>${duration(cell.rtoMs.headline.max)}</td><td>${count(cell.rpo.operations)}</td>${(["duplicated", "phantom", "torn", "stuck", "unresolved"] as const).map((harm) => html`<td>${count(cell[harm])}</td>`)}<td>${verdictMark(cell.verdict)}</td></tr>
`,
  )}</tbody></table></div>`;
}

function impossibleOf({ notPossibleHere }: Results): Html {
  if (notPossibleHere.length === 0) return html``;
  return html`<h2>${both("Not possible here", "此机无法进行")}</h2><ul>${notPossibleHere.map(({ fault, why }) => html`<li>${fault}: ${why}</li>`)}</ul>`;
}

function environmentOf({ machine, versions, settings }: Results): Html {
  const { cpu, cores, memoryGb, system, fileSystem } = machine;
  const list = (values: Readonly<Record<string, SettingValue>>): Html => html`<dl>${Object.entries(values).map(([name, value]) => html`<dt>${name}</dt><dd>${value === null ? "–" : String(value)}</dd>`)}</dl>`;
  return html`<p>${cpu}, ${both(`${cores} cores`, `${cores} 核`)}, ${memoryGb} GiB, ${system}; ${both("data on", "数据位于")} ${fileSystem}</p>${list({ ...versions })}
<h3>${both("Effective settings", "实际生效的设置")}</h3>
${Object.entries(settings).map(([server, values]) => html`<details><summary>${server} (${Object.keys(values).length})</summary>${list(values)}</details>`)}`;
}
