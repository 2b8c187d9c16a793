/** What a cell's figures rest on: its violations, its worst transactions, its runs. */
import type { Cell, RunRecord, Timeline } from "../results/results.ts";
import { originMs } from "./charts/over-time.ts";
import { atLeast, count, duration, isDuration, money, NOT_KNOWN, perSecond, seconds, share } from "./figures.ts";
import { both, html, type Html } from "./html.ts";
import { verdictMark } from "./headline.ts";

const VIOLATIONS_MAX = 60;
const TIMELINES_MAX = 5;
const STEPS_MAX = 40;

/** The one with the longest headline; what was not measured is no candidate while something was. */
export function worstRun(records: readonly RunRecord[]): RunRecord | undefined {
  const rank = ({ rtoMs: { headline } }: RunRecord): readonly [number, number] => {
    if (!isDuration(headline)) return [0, 0];
    return [typeof headline === "number" ? 1 : 2, atLeast(headline)];
  };
  return records.toSorted((one, other) => rank(other)[0] - rank(one)[0] || rank(other)[1] - rank(one)[1])[0];
}

export function violationsOf({ records }: Cell): Html {
  const unjudged = records.flatMap(({ seed, notJudged }) => notJudged.map((line) => ({ seed, line })));
  const lines = unjudged.length === 0 ? "" : html`<h4>${both("Not judged", "未能判定")}</h4><ul>${unjudged.slice(0, VIOLATIONS_MAX).map(({ seed, line }) => html`<li>seed ${seed}: ${line}</li>`)}</ul>`;
  const broken = records.filter(({ violations }) => violations.length > 0);
  if (broken.length === 0) return html`${lines}`;
  const all = broken.reduce((sum, { violations }) => sum + violations.length, 0);
  const each = Math.max(1, Math.floor(VIOLATIONS_MAX / broken.length));
  const shown = broken.slice(0, VIOLATIONS_MAX).map((run) => violationsIn(run, each));
  const left = all - broken.slice(0, VIOLATIONS_MAX).reduce((sum, { violations }) => sum + Math.min(each, violations.length), 0);
  return html`<h4>${both(`Violations (${all}), and the line that replays each`, `违反之处（${all}），及各自的重放命令`)}</h4>${shown}
${left > 0 ? html`<p>${both(`${left} more are in results.json.`, `其余 ${left} 条见 results.json。`)}</p>` : ""}${lines}`;
}

/** Of one run, which one line replays. */
function violationsIn({ seed, replay, violations }: RunRecord, most: number): Html {
  return html`<p>seed ${seed}: <code>${replay}</code></p>
<div class="wide"><table><thead><tr><th class="text">${both("judge", "判定者")}</th><th class="text">${both("about", "对象")}</th><th class="text">${both("evidence", "证据")}</th><th>${both("units", "件数")}</th><th>${both("money", "金额")}</th></tr></thead>
<tbody>${violations.slice(0, most).map(
    ({ checker, kind, key, detail, units, cents }) =>
      html`<tr><td class="text">${checker}: ${kind}</td><td class="text">${key}</td><td class="text">${detail}</td><td>${count(units)}</td><td>${money(cents)}</td></tr>
`,
  )}</tbody></table></div>`;
}

export function timelinesOf({ records }: Cell): Html {
  const length = ({ run, timeline }: { run: RunRecord; timeline: Timeline }): number => (timeline.endedMs ?? run.untilMs + 1) - timeline.openedMs;
  const all = records.flatMap((run) => run.timelines.map((timeline) => ({ run, timeline })));
  const worst = all.toSorted((one, other) => length(other) - length(one)).slice(0, TIMELINES_MAX);
  if (worst.length === 0) return html``;
  return html`<details><summary>${both(`Timelines of the ${worst.length} worst transactions`, `最差的 ${worst.length} 个事务的时间线`)}</summary>${worst.map((each) => timelineOf(each.run, each.timeline))}</details>`;
}

function timelineOf(run: RunRecord, { key, openedMs, endedMs, steps }: Timeline): Html {
  const sinceFault = (ms: number): string => `${ms < originMs(run) ? "−" : "+"}${seconds(Math.abs(ms - originMs(run)))}`;
  const took = endedMs === null ? both("never ended", "未结束") : seconds(endedMs - openedMs);
  const left = steps.length - STEPS_MAX;
  return html`<h4>${key}, seed ${run.seed}: ${took}</h4>
<div class="wide"><table><thead><tr><th>${both("from the fault", "相对故障")}</th><th class="text">${both("where", "位置")}</th><th class="text">${both("what", "事件")}</th></tr></thead>
<tbody>${steps.slice(0, STEPS_MAX).map(({ atMs, where, what }) => html`<tr><td>${sinceFault(atMs)}</td><td class="text">${where}</td><td class="text">${what}</td></tr>
`)}</tbody></table></div>${left > 0 ? html`<p>${both(`and ${left} more`, `另有 ${left} 步`)}</p>` : ""}`;
}

export function runsOf({ records }: Cell): Html {
  return html`<details><summary>${both(`All runs (${records.length})`, `全部运行（${records.length}）`)}</summary>
<div class="wide"><table><thead><tr><th>seed</th><th>first</th><th>sustained</th><th>tx</th><th>settle</th><th>headline</th><th>excess</th><th>${both("outage", "停机")}</th><th>${both("relapses", "复发")}</th><th>${both("lost", "丢失")}</th><th>${both("threshold", "阈值")}</th><th>${both("judges", "判定")}</th><th class="text">${both("replay", "重放")}</th></tr></thead>
<tbody>${records.map(
    (run) =>
      html`<tr><td>${run.seed}${run.complete ? "" : html` ⚠ ${both("broken off", "中断")}`}</td>${(["first", "sustained", "tx", "settle", "headline", "excess"] as const).map((part) => html`<td>${duration(run.rtoMs[part])}</td>`)}<td>${duration(run.outageMs)}</td><td>${run.relapses}</td><td>${count(run.rpo.operations)}</td><td>${run.threshold === null ? NOT_KNOWN : html`${perSecond(run.threshold.perSecond)}, ${share(run.threshold.perSecond / run.offeredPerSecond)} ${both("of the offer", "的供给")} (${run.threshold.from})`}</td><td>${verdictMark(run.verdict)}</td><td class="text"><code>${run.replay}</code></td></tr>
`,
  )}</tbody></table></div></details>`;
}

/** When an acknowledgement was on one host only. RPO 0 is not claimed for a second fault in that time. */
export function oneHostOf({ records }: Cell): Html {
  const rested = records.filter(({ oneHost }) => oneHost.length > 0);
  if (rested.length === 0) return html``;
  const intervals = rested.slice(0, VIOLATIONS_MAX).map((run) => {
    const times = run.oneHost.map(({ fromMs, toMs }) => `${seconds(fromMs - originMs(run))} … ${seconds(toMs - originMs(run))}`).join(", ");
    return html`<li>seed ${run.seed}: ${times}</li>`;
  });
  return html`<details><summary>${both(`Acknowledgements rested on one host in ${rested.length} of ${records.length} runs`, `${records.length} 次运行中有 ${rested.length} 次确认只落在一台主机上`)}</summary>
<p>${both("Seconds from the fault. RPO 0 is claimed for the first fault only: a second one in this time could lose what was acknowledged in it.", "以故障时刻为 0 秒。RPO 0 只对第一次故障成立：这段时间内若再发生故障，期间确认的数据可能丢失。")}</p><ul>${intervals}</ul></details>`;
}
