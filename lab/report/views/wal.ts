import type { Delays, WalView } from "../../results/views.ts";
import { histogramChart } from "../charts/histogram.ts";
import { count, milliseconds } from "../figures.ts";
import { both, html, type Html } from "../html.ts";

/** The source's percentiles, of the row's time to its commit. */
const SOURCE = { p50: "12 ms", p95: "–", p99: "87 ms", max: "312 ms" } as const;

export function walSection(view: WalView | null): Html {
  if (view === null) return html``;
  const { phases, sent, missing, unseen, notStreamed, ratePerSecond, seed } = view;
  return html`<h2>${both("Outbox messages, from the write-ahead log", "本地消息表：由预写日志（WAL）读出")}</h2>
<div class="wide"><table><thead><tr><th class="text">${both("phase", "阶段")}</th><th class="text">${both("from … to", "起止")}</th><th>n</th><th>p50</th><th>p95</th><th>p99</th><th>${both("max", "最大")}</th></tr></thead>
<tbody>${phases.map(({ phase, applied, committed }) => html`${row(phase, both("commit → effect", "提交 → 生效"), applied)}${row(phase, both("row → commit", "写入 → 提交"), committed)}`)}
<tr class="source"><td class="text">${both("the source", "原文")}</td><td class="text">${both("row → commit", "写入 → 提交")}</td><td></td><td>${SOURCE.p50}</td><td>${SOURCE.p95}</td><td>${SOURCE.p99}</td><td>${SOURCE.max}</td></tr></tbody></table></div>
<div class="charts">${phases.map(({ phase, applied }) => html`<figure>${histogramChart(applied.histogram, `commit to effect, ${phase}`)}<figcaption>${phase}: ${both("messages by the time from their commit to their effect", "自提交至生效所需时间的消息数")}</figcaption></figure>`)}</div>
<p class="faint">${both(
    `${count(sent)} messages in the log at ${ratePerSecond} purchases a second; ${count(missing)} not applied, ${count(unseen)} applied but not in the log, ${count(notStreamed)} in the tables but not in the log; seed ${seed}.`,
    `日志中 ${count(sent)} 条消息，每秒 ${ratePerSecond} 笔；未生效 ${count(missing)}，生效但不在日志 ${count(unseen)}，在表中但不在日志 ${count(notStreamed)}；seed ${seed}。`,
  )}</p>`;
}

function row(phase: string, what: Html, { n, p50Ms, p95Ms, p99Ms, maxMs }: Delays): Html {
  return html`<tr><td class="text">${phase}</td><td class="text">${what}</td><td>${count(n)}</td><td>${milliseconds(p50Ms)}</td><td>${milliseconds(p95Ms)}</td><td>${milliseconds(p99Ms)}</td><td>${milliseconds(maxMs)}</td></tr>
`;
}
