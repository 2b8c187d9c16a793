import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { EXAMPLE, killed, performance, record, results, TORN } from "../results/results.fixture.ts";
import { dotsChart } from "./charts/dots.ts";
import { worstRun } from "./evidence.ts";
import { duration, seconds, shareDown } from "./figures.ts";
import { shownOf, targetsTable } from "./headline.ts";
import { both, escaped, html, textOf } from "./html.ts";
import { matrixTable } from "./matrix.ts";
import { pageOf } from "./page.ts";
import { writeReport } from "./report.ts";
import { judgedTargets } from "./targets.ts";
import { durationsOf } from "../results/cell.ts";
import { meanOf } from "../results/overview/headline.ts";
import { NO_VIEWS } from "../results/views.ts";

const page = pageOf(EXAMPLE);

test("the headline table sets what was measured beside the source's figures", () => {
  const lines = EXAMPLE.headline.map((row) => {
    const { rto, rpo, compensation, throughputLost } = shownOf(row);
    return [row.mode, row.fault, `n ${row.runs}`, rto.join(" "), rpo.join(" "), compensation.join(" "), throughputLost.join(" "), row.verdict].join(" | ");
  });
  assert.deepEqual(lines, [
    "naive | primary-killed | n 2 | > 11.4 s > 11.4 s – > 22.0 s – | 3 – | 100 % – | 7 % – – | invalid",
    "saga | primary-killed | n 3 | 0.72 s 0.70 s – 0.81 s 1.80 s | 0 0 | 100 % 99.98 % | 7 % 0 % 12 % | valid",
    "tcc | primary-killed | n 3 | 0.72 s 0.72 s – 0.76 s 2.40 s | 0 0 | 100 % 100 % | 7 % 0 % 21 % | valid",
    "outbox | primary-killed | n 3 | 0.73 s 0.65 s – 0.94 s 4.30 s | 0 87 | 100 % 100 % | 7 % 0 % 8 % | valid",
  ]);
  for (const source of ["1.80 s", "99.98 %", "12 %", "2.40 s", "21 %", "4.30 s", "87", "8 %"]) assert.ok(page.includes(`<td class="source">${source}</td>`), source);
});

test("a target is met, missed or open, and naive has none", () => {
  const judged = judgedTargets(results([[killed("naive"), [TORN]], [killed("saga"), [record(1, 700)]], [killed("tcc"), [TORN]], [killed("outbox"), [record(1, 900, { harm: { ...record(1, 1).harm, torn: null }, verdict: "unknown" })]]]));
  const said = (where: string): string[] => judged.filter((each) => each.where === `${where}, primary-killed`).map(({ target, measured, judgement }) => `${target.en}: ${measured}: ${judgement}`);
  assert.deepEqual(said("saga"), [
    "RTO, median ≤ 0.8 s: 0.70 s, n = 1: met",
    "RTO, p95 ≤ 1.2 s: n = 1 < 60: open",
    "RTO − outage, median ≤ 0.4 s: 0.21 s, n = 1: met",
    "nothing lost, oversold, doubled, phantom, torn, stuck, unresolved: 0, n = 1: met",
    "compensation that ends right: 100 %: 100 % (40 / 40): met",
  ]);
  assert.deepEqual(said("tcc").slice(0, 4), [
    "RTO, median ≤ 0.8 s: > 22.0 s, n = 1: missed",
    "RTO, p95 ≤ 1.2 s: n = 1 < 60: open",
    "RTO − outage, median ≤ 0.4 s: –, n = 0: open",
    "nothing lost, doubled, phantom, torn, stuck, unresolved: lost 3, duplicated 1, torn 2, stuck 4, unresolved –, n = 1: missed",
  ]);
  assert.deepEqual([said("outbox")[0], said("outbox")[3], said("naive")], ["RTO, median ≤ 0.8 s: 0.90 s, n = 1: missed", "nothing lost, oversold, doubled, phantom, torn, stuck, unresolved: torn –, n = 1: open", []]);
});

test("what a pattern costs is set against naive, healthy, and judged by its target", () => {
  const costing = (cpuMs: number, paid = 200, offeredPerSecond = 200): ReturnType<typeof record> => record(1, 700, { offeredPerSecond, performance: { healthy: performance(paid, cpuMs), underFault: performance(paid, cpuMs) } });
  const all = results([[killed("naive"), [costing(10)]], [killed("saga"), [costing(13.4)]], [killed("tcc"), [costing(14.6, 180)]], [killed("choreography"), [costing(30)]]]);
  const said = (where: string): string[] => judgedTargets(all).filter((each) => each.where === `${where}, healthy, 200/s`).map(({ target, measured, judgement }) => `${target.en}: ${measured}: ${judgement}`);
  assert.deepEqual(said("saga"), ["goodput lost against naive: 0: 0 %, n = 1: met", "CPU ms a purchase ≤ 1.35 × naive's: × 1.34, n = 1: met"]);
  assert.deepEqual(said("tcc"), ["goodput lost against naive: 0: 10 %, n = 1: missed", "CPU ms a purchase ≤ 1.45 × naive's: × 1.46, n = 1: missed"]);
  const busy = results([[killed("naive"), [costing(10)]], [killed("naive", "busy"), [costing(10, 200, 300)]], [killed("saga"), [costing(99, 20, 20)]], [killed("saga", "busy"), [costing(13.4, 200, 300)]]]);
  const starved = judgedTargets(busy).filter(({ where }) => where.startsWith("saga, healthy"));
  assert.deepEqual(starved.map(({ where }) => where), ["saga, healthy, 300/s", "saga, healthy, 300/s"], "judged at the highest load that naive was measured at");
  assert.deepEqual(starved.map(({ measured, judgement }) => [measured, judgement]), [["0 %, n = 1; rate not carried", "open"], ["× 1.34, n = 1; rate not carried", "open"]]);
  assert.deepEqual(said("choreography").length, 1, "nobody has set a target for its CPU time");
  assert.deepEqual(judgedTargets(results([[killed("saga"), [costing(13)]]])).filter(({ where }) => where.startsWith("saga, healthy")), [], "without naive there is nothing to judge by");
  const unknown = results([[killed("naive"), [costing(10)]], [killed("saga"), [record(1, 1, { performance: { healthy: { ...performance(200, 1), cpuMsPerPurchase: { total: null, byKind: { postgres: null } } }, underFault: null } })]]]);
  assert.deepEqual(judgedTargets(unknown).filter(({ where }) => where.startsWith("saga, healthy")).map(({ judgement }) => judgement), ["met", "open"]);
});

test("the page holds what the views saw: their figures, their pictures, and what the judges missed", () => {
  for (const said of ["commit to effect, relay-1 killed", "950 ms", "decide toolkit/src/protocol/decide.ts:10", "254 KiB", "+ local cache", "no inbox", "It applies a message"]) assert.ok(page.includes(said), said);
  assert.equal(page.match(/<rect class="gc"/g)?.length, 2);
  // False alarms, by mode and all together, with their bound: one of five is not yet less than two thirds.
  assert.match(page, /<th scope="row">saga<\/th><td>3<\/td><td>1<\/td><td>33.3 %<\/td><td>≤ 86.5 %<\/td>/);
  const asleep = pageOf({ ...EXAMPLE, views: { ...NO_VIEWS, selftest: { measuredAt: "", seed: 1, seeds: 1, detection: [{ variant: "v", wrong: "w", caught: false, by: [], seedsUntilCaught: null, rightRuns: 1, rightObjections: ["torn (seed 1)"] }] } } });
  assert.ok(asleep.includes("missed") && asleep.includes("torn (seed 1)"));
});

test("what strangers saw and what was then undone stands in its cell, the reserved apart", () => {
  assert.match(page, /<strong>6<\/strong>.*orderPaid 0 \/ 900 · unitsSold 0 \/ 900 · paymentCaptured 6 \/ 930/);
});

test("a run that was not back when nobody looked any longer has met nothing", () => {
  const looked = (beyondMs: number) => record(1, 1, { rtoMs: { ...record(1, 1).rtoMs, headline: { beyondMs } } });
  const [short] = judgedTargets(results([[killed("saga"), [looked(500)]]]));
  const [long] = judgedTargets(results([[killed("saga"), [looked(900)]]]));
  assert.deepEqual([short?.measured, short?.judgement, long?.judgement], ["> 0.50 s, n = 1", "open", "missed"]);
});

test("figures do not flatter: a share is cut, a mean over what went beyond is a least", () => {
  assert.deepEqual([shareDown(0.99999), shareDown(1), shareDown(null)], ["99.99 %", "100 %", "–"]);
  assert.deepEqual([[500, { beyondMs: 2_500 }], [500, { unmeasured: "x" }], []].map((all) => duration(meanOf(durationsOf(all)))), ["> 1.50 s", "0.50 s", "–"]);
  assert.deepEqual([seconds(9_994), seconds(10_000)], ["9.99 s", "10.0 s"]);
});

test("what comes from outside is text wherever it lands", () => {
  const nasty = `<b>"'&</b>\u202e\u0007`;
  assert.equal(escaped(nasty), "&lt;b&gt;&quot;&#39;&amp;&lt;/b&gt;\ufffd\ufffd");
  assert.equal(textOf(html`<i title="${nasty}">${[nasty, both("a<", 1)]}</i>`), `<i title="${escaped(nasty)}">${escaped(nasty)}<span lang="en">a&lt;</span><span lang="zh">1</span></i>`);
  const hostile = `</script></style><script>alert(1)</script><img src=x onerror="alert(2)">`;
  const everywhere = JSON.parse(JSON.stringify(EXAMPLE), (key, value: unknown) => (typeof value === "string" && !["verdict", "mode", "from"].includes(key) ? `${value}${hostile}` : value)) as typeof EXAMPLE;
  const text = pageOf({ ...everywhere, incomplete: hostile, settings: { [hostile]: { [hostile]: hostile } } });
  assert.equal(text.match(/<script/g)?.length, 1);
  assert.equal(text.match(/<style/g)?.length, 1);
  assert.doesNotMatch(text, /<img/);
  assert.match(text, /&lt;img src=x onerror=&quot;alert\(2\)&quot;&gt;/);
});

test("the page asks nobody for anything, and its own policy forbids it", () => {
  // Between tags everything is text, and may speak of an address.
  const tags = page.match(/<[a-z][^>]*>/g)?.join("\n") ?? "";
  assert.doesNotMatch(tags, /\s(?:src|srcset|action|data|poster|background|xlink:href)=|https?:|<(?:link|iframe|object|embed|base|img)\b/);
  assert.doesNotMatch(page.slice(page.indexOf("<style>"), page.indexOf("</style>")), /@import|url\(/);
  assert.deepEqual([...page.matchAll(/href="([^"]*)"/g)].filter(([, target]) => !target?.startsWith("#cell-")), []);
  assert.match(page, /http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-[\w+/=]+&#39;; script-src &#39;sha256-/);
  assert.doesNotMatch(tags, / style="| on\w+="/);
  assert.doesNotMatch(page, /NaN|undefined|Infinity|\[object/);
});

test("both languages say as much", () => {
  const spans = (language: string): number => page.split(`<span lang="${language}">`).length - 1;
  assert.ok(spans("zh") > 100);
  assert.equal(spans("en"), spans("zh"));
});

test("a cell shows its curves, every run as a dot, its worst transactions, and how to do it again", () => {
  const [, saga] = EXAMPLE.cells;
  assert.ok(saga);
  assert.equal(textOf(dotsChart(saga)).match(/class="dot"/g)?.length, 3 * 7);
  const broken = EXAMPLE.cells.filter(({ fault }) => fault !== "none").length;
  assert.equal(page.match(/<path class="fault"/g)?.length, broken * 2);
  assert.equal(page.match(/<path class="heal"/g)?.length, EXAMPLE.cells.length * 2);
  assert.match(page, /seed 9: <code>npm run lab -- replay example --seed 9<\/code>[^]*?paid-without-stock.*o-1&quot;/);
  assert.match(page, /order-3, seed 3: .*0\.82 s/);
  assert.match(page, /synchronous_standby_names<\/dt><dd>standby/);
  for (const said of ["0123abc", "Example CPU", "no loop device", "no inbox", "seed 42"]) assert.ok(page.includes(said), said);
});

test("a run that never came back is the worst, shown as a triangle at its cap", () => {
  const [naive] = EXAMPLE.cells;
  assert.ok(naive);
  assert.equal(worstRun([record(1, 30_000), TORN]), TORN);
  assert.equal(worstRun([record(1, 1, { rtoMs: { ...TORN.rtoMs, headline: { unmeasured: "x" } } }), record(2, 3)])?.seed, 2);
  assert.equal(worstRun([]), undefined);
  const dots = textOf(dotsChart(naive));
  assert.deepEqual([dots.match(/class="beyond"/g)?.length, dots.match(/class="dot"/g)?.length], [5, 8]);
  assert.match(dots, /– × 1/);
});

test("an empty result is a page that says so", () => {
  const empty = pageOf(results([], { settings: {}, notPossibleHere: [], falseAlarms: null, views: NO_VIEWS }));
  for (const said of ["No cell was measured.", "None of the source&#39;s faults was injected.", "Nothing was measured that has a target.", "No selftest was made.", "is not known."]) assert.ok(empty.includes(said), said);
  assert.doesNotMatch(empty, /NaN|undefined|Infinity/);
});

test("runs without anything in them are drawn all the same", () => {
  const bare = record(1, 10, { fault: null, healedAtMs: null, threshold: null, complete: false, timelines: [], oneHost: [], series: { goodput: { fromMs: 0, stepMs: 50, ok: [] }, latency: null } });
  const text = pageOf(results([[killed("saga", "none"), [bare]], [killed("tcc", "none"), []]]));
  assert.doesNotMatch(text, /NaN|undefined|Infinity/);
  assert.match(text, /1 runs were broken off/);
});

test("quick, incomplete and in memory are said at the top", () => {
  const warned = pageOf({ ...EXAMPLE, quick: true, incomplete: "broken off by hand", machine: { ...EXAMPLE.machine, onTmpfs: true } });
  const top = warned.slice(0, warned.indexOf("<h2>"));
  for (const said of ["Quick look", "Incomplete", "broken off by hand", "tmpfs"]) assert.ok(top.includes(said), said);
  assert.doesNotMatch(page, /<p class="warning"/);
});

test("the same results make the same page, and it is written whole", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "lab-report-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeReport(EXAMPLE, join(folder, "report.html"));
  assert.equal(readFileSync(join(folder, "report.html"), "utf8"), page);
  assert.deepEqual(readdirSync(folder), ["report.html"]);
});

test("where several faults were measured, all cells are seen at a glance, each with a mark and the way to its section", () => {
  const one = results([[killed("saga"), [record(1, 700)]]]);
  assert.equal(textOf(matrixTable(one)), "");
  const all = results([[killed("saga"), [record(1, 700)]], [killed("naive"), [TORN]], [killed("saga", "partition"), [record(1, 900, { harm: { ...record(1, 1).harm, torn: null }, verdict: "unknown" })]]]);
  const lines = textOf(matrixTable(all)).split("\n").filter((line) => line.includes("<th scope=\"row\">"));
  assert.deepEqual(lines.map((line) => line.replace(/<[^>]*>/g, " ").trim().split(/\s{2,}/)), [["primary-killed", "&gt; 22.0 s", "✗ 10", "0.70 s", "✓"], ["partition", "0.90 s", "?"]]);
  const sections = [...pageOf(all).matchAll(/<section class="cell" id="(cell-\d+)">\n<header><h3>(\w+) × ([\w-]+)</g)].map(([, id, mode, fault]) => `${fault} ${mode} ${id}`);
  const ledTo = lines.flatMap((line) => [...line.matchAll(/href="#(cell-\d+)"/g)].map(([, id]) => sections.find((section) => section.endsWith(` ${id}`))));
  assert.deepEqual(ledTo.map((section) => section?.split(" ").slice(0, 2).join(" ")), ["primary-killed naive", "primary-killed saga", "partition saga"]);
});

test("many targets that are met are folded, and those that are not are seen", () => {
  const many = results(Array.from({ length: 20 }, (_, nth) => [killed("saga", `fault-${nth}`), [nth === 7 ? TORN : record(1, 700)]] as const));
  const [seen, folded] = textOf(targetsTable(many)).split("<details>");
  const missed = judgedTargets(many).filter(({ judgement }) => judgement !== "met");
  assert.ok(missed.length > 0 && missed.length < 10);
  assert.equal(seen?.match(/<tr><td class="text">/g)?.length, missed.length);
  assert.equal(folded?.match(/<tr><td class="text">/g)?.length, judgedTargets(many).length - missed.length);
  assert.ok(!textOf(targetsTable(EXAMPLE)).includes("<details>"), "a few are all seen");
});
