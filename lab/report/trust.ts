/** Can the lab be trusted? How often it rings without a cause, and whether it rings when there is one. */
import type { FalseAlarms, Results } from "../results/results.ts";
import type { SelftestView } from "../results/views.ts";
import { count, share } from "./figures.ts";
import { both, html, type Content, type Html } from "./html.ts";

export function trustSection({ falseAlarms, views }: Results): Html {
  return html`<h2>${both("Can the lab be trusted?", "实验本身可信吗？")}</h2>
${falseAlarms === null ? html`<p>${both("No run without a fault was made: how often the measure finds a recovery from nothing is not known.", "没有做无故障运行：误报率未知。")}</p>` : alarmsTable(falseAlarms)}
${views.selftest === null ? html`<p>${both("No selftest was made.", "未做自检。")}</p>` : detectionTable(views.selftest)}`;
}

function alarmsTable(alarms: NonNullable<Results["falseAlarms"]>): Html {
  const row = (name: Content, { runs, alarms: rung, rate, rateAtMost }: FalseAlarms): Html => html`<tr><th scope="row">${name}</th><td>${count(runs)}</td><td>${count(rung)}</td><td>${share(rate)}</td><td>≤ ${share(rateAtMost)}</td></tr>`;
  return html`<h4>${both("False alarms: runs without a fault that seemed to need time to recover (sustained)", "误报：无故障运行却似乎需要时间恢复（sustained）")}</h4>
<div class="wide"><table><thead><tr><th class="text">${both("pattern", "模式")}</th><th>${both("runs", "运行")}</th><th>${both("alarms", "误报")}</th><th>${both("rate", "比率")}</th><th>${both("with 95 % confidence", "95 % 置信")}</th></tr></thead>
<tbody>${alarms.byMode.map((each) => row(each.mode, each))}${row(both("all", "合计"), alarms)}</tbody></table></div>`;
}

function detectionTable({ detection, seeds }: SelftestView): Html {
  const caught = detection.filter((each) => each.caught).length;
  const clean = detection.filter(({ rightObjections }) => rightObjections.length === 0).length;
  return html`<h4>${both("Missed alarms: variants that were broken on purpose, each beside its right twin", "漏报：故意破坏的变体，各有一个正确的孪生")}</h4>
<p>${both(`${caught} of ${detection.length} broken variants were objected to, ${clean} of ${detection.length} right twins were not; ${seeds} seeds each.`, `${detection.length} 个破坏变体中 ${caught} 个被发现；正确孪生中 ${clean} 个未被误判；各试 ${seeds} 个种子。`)}</p>
<div class="wide"><table><thead><tr><th class="text">${both("variant broken on purpose", "故意破坏的变体")}</th><th>${both("caught", "被发现")}</th><th>${both("seeds", "种子")}</th><th class="text">${both("by", "由谁")}</th><th>${both("right twin", "正确孪生")}</th></tr></thead>
<tbody>${detection.map(
    ({ variant, wrong, caught: isCaught, seedsUntilCaught, by, rightObjections }) =>
      html`<tr><td class="text">${variant}<br><span class="faint">${wrong}</span></td><td>${mark(isCaught, both("missed", "漏报"))}</td><td>${count(seedsUntilCaught)}</td><td class="text">${by.join(", ")}</td><td>${mark(rightObjections.length === 0, rightObjections.join(", "))}</td></tr>
`,
  )}</tbody></table></div>`;
}

function mark(isGood: boolean, otherwise: Content): Html {
  return isGood ? html`<span class="good">✓</span>` : html`<span class="bad">✗ ${otherwise}</span>`;
}
