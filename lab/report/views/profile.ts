import type { OwnTime, ProfileView } from "../../results/views.ts";
import { spikesChart } from "../charts/spikes.ts";
import { count, milliseconds, share, NOT_KNOWN } from "../figures.ts";
import { both, html, type Html } from "../html.ts";

const FUNCTIONS_SHOWN = 15;
const GROUPS_SHOWN = 12;

export function profileSection(view: ProfileView | null): Html {
  if (view === null) return html``;
  const { mode, compensations, latencyMs, gc, loopMaxMs, allocatedBytesEach, slowest, busyMs, idleMs, functions, groups, files, seed } = view;
  return html`<h2>${both("Profile of the purchase workers while every purchase is compensated", "每笔都补偿时工作进程的性能剖析")}</h2>
<dl><dt>${both("compensations", "补偿")}</dt><dd>${count(compensations)} (${mode}, seed ${seed}): p50 ${milliseconds(latencyMs.p50)} · p99 ${milliseconds(latencyMs.p99)} · max ${milliseconds(latencyMs.max)}</dd>
<dt>${both("allocated by compensation", "每次补偿分配内存")}</dt><dd>${allocatedBytesEach === null ? NOT_KNOWN : `${count(Math.round(allocatedBytesEach / 1_024))} KiB`} ${both("(everything that the workers did meanwhile)", "（含期间工作进程的一切活动）")}</dd>
<dt>${both("garbage collection", "垃圾回收")}</dt><dd>${count(gc.pauses)} ${both("pauses", "次停顿")} · ${both("together", "合计")} ${milliseconds(gc.totalMs)} · ${both("longest", "最长")} ${milliseconds(gc.maxMs)}</dd>
<dt>${both("longest delay of the event loop", "事件循环最长延迟")}</dt><dd>${milliseconds(loopMaxMs)}</dd>
<dt>${both("busy, idle", "忙 / 闲")}</dt><dd>${milliseconds(busyMs)} · ${milliseconds(idleMs)}</dd></dl>
${slowest.length === 0 ? "" : html`<figure class="narrow">${spikesChart(slowest)}<figcaption>${both("The slowest compensations (full bar), and what the workers did meanwhile: garbage collection of all workers (hatched), longest delay of an event loop (triangle).", "最慢的补偿（实心条），以及期间：全部工作进程的垃圾回收（斜纹条）、事件循环最长延迟（三角）。")}</figcaption></figure>`}
<div class="charts">${timesTable(both("own time by files", "按文件的自身时间"), groups.slice(0, GROUPS_SHOWN))}${timesTable(both("own time by function", "按函数的自身时间"), functions.slice(0, FUNCTIONS_SHOWN))}</div>
<p class="faint">${both("All of it", "完整数据")}: ${files.join(", ")}</p>`;
}

function timesTable(title: Html, times: readonly OwnTime[]): Html {
  return html`<div class="wide"><table><thead><tr><th class="text">${title}</th><th>ms</th><th>${both("of busy", "占忙时")}</th></tr></thead>
<tbody>${times.map(({ name, ms, share: part }) => html`<tr><td class="text">${name}</td><td>${milliseconds(ms)}</td><td>${share(part)}</td></tr>
`)}</tbody></table></div>`;
}
