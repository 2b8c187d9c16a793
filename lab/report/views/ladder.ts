import type { LadderView } from "../../results/views.ts";
import { duration, seconds, shareDown, NOT_KNOWN } from "../figures.ts";
import { both, html, type Html } from "../html.ts";

export function ladderSection(view: LadderView | null): Html {
  // One that was broken off before its first partition says nothing.
  if (view === null || view.partitionsMs.length === 0) return html``;
  const { rungs, partitionsMs, timeoutMs, goodWithinMs, seed } = view;
  const [shortest, longest] = [Math.min(...partitionsMs), Math.max(...partitionsMs)];
  return html`<h2>${both("Resilience ladder: what a client does about a partition", "韧性阶梯：客户端如何应对分区")}</h2>
<div class="wide"><table><thead><tr><th class="text">${both("the client's policy", "客户端策略")}</th><th>n</th><th>RTO ${both("median", "中位数")}</th><th>${both("max", "最大")}</th><th class="source">${both("source", "原文")}</th><th>${both("target", "目标")}</th><th>${both("after the heal", "恢复之后")}</th><th>${both("good meanwhile", "期间正常应答")}</th><th>${both("oldest answer", "最旧的应答")}</th></tr></thead>
<tbody>${rungs.map(
    ({ policy, rtoMs, afterHealMs, goodDuring, oldestMs, source, targetMs }) =>
      html`<tr><td class="text">${policy}</td><td>${rtoMs.n}</td><td>${duration(rtoMs.median)}</td><td>${duration(rtoMs.max)}</td><td class="source">${source.atLeast ? "> " : ""}${seconds(source.ms)}</td><td>${targetMs === null ? NOT_KNOWN : `≤ ${seconds(targetMs)}`}</td><td>${afterHeal(afterHealMs)}</td><td>${shareDown(goodDuring)}</td><td>${oldestMs === 0 ? NOT_KNOWN : seconds(oldestMs)}</td></tr>
`,
  )}</tbody></table></div>
<p class="faint">${both(
    `${partitionsMs.length} partitions of ${seconds(shortest)} to ${seconds(longest)}; a question waits ${timeoutMs} ms at most, an answer is good within ${goodWithinMs} ms; seed ${seed}. Without another source of answers no client recovers before the network does.`,
    `${partitionsMs.length} 次分区，${seconds(shortest)} 至 ${seconds(longest)}；每问最多等 ${timeoutMs} ms，${goodWithinMs} ms 内的应答算正常；seed ${seed}。没有别的应答来源，客户端不会先于网络恢复。`,
  )}</p>`;
}

/** The latest of all runs. */
function afterHeal(all: readonly (number | null)[]): Html {
  const latest = all.reduce<number | null>((most, ms) => (most === null || ms === null ? null : Math.max(most, ms)), -Infinity);
  if (latest === null) return both("never", "未恢复");
  return latest < 0 ? both("before it", "之前") : html`≤ ${seconds(latest)}`;
}
