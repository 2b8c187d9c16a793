import assert from "node:assert/strict";
import test from "node:test";
import { faultNamed } from "../../faults/all.ts";
import { cellOf } from "../../results/cell.ts";
import { checkedResults } from "../../results/file.ts";
import { EXAMPLE, record, TORN } from "../../results/results.fixture.ts";
import { headlineOf } from "../../results/overview/headline.ts";
import { brokenPromises, Gathered, judgesAsleep } from "./gathered.ts";
import { alarmLines, costTable, sourceTable, table } from "./table.ts";

const name = { mode: "saga", fault: "primary-killed", mechanism: "SIGKILL" } as const;

test("a row a cell: medians, what is beyond its cap, and what nobody knows", () => {
  const rows = table([cellOf(name, [record(1, 700), record(2, 900)]), cellOf({ ...name, mode: "naive" }, [TORN])]).split("\n");
  assert.equal(rows.length, 5);
  assert.match(rows[3] ?? "", /^saga +primary-killed +2 +800 +710 +760 +800 +210 +0 +0 +0 +0 +0 +0 +valid$/);
  assert.match(rows[4] ?? "", /^naive +primary-killed +1 +>22,000 +300 +>20,000 +>22,000 +- +3 +1 +0 +2 +4 +\? +invalid$/);
  assert.ok(rows.slice(2).every((row) => row.length === rows[2]?.length), "columns are not aligned");
});

const killed = faultNamed("primary-killed") ?? assert.fail();
const none = faultNamed("none") ?? assert.fail();
const given = {
  run: "r", commit: "c", seed: 1, startedAt: "2026-01-01T00:00:00.000Z", quick: true, notPossibleHere: [], settings: {},
  machine: { cpu: "c", cores: 2, memoryGb: 8, system: "s", fileSystem: "ext4", onTmpfs: false }, versions: { code: "a", tripact: "0", node: "26", postgres: "18" },
};

test("what was gathered is as the schema says at any time, in the order that was asked for, and incomplete until it is all", () => {
  const gathered = new Gathered(given, ["saga", "naive"], [none, killed]);
  assert.match(checkedResults(gathered.results("broken off"), "test").incomplete ?? "", /broken off/);
  gathered.add("naive", killed, TORN);
  gathered.add("saga", killed, record(1, 700));
  gathered.add("saga", none, record(1, 100, { fault: null, rtoMs: { ...record(1, 100).rtoMs, sustained: 300 } }));
  const results = checkedResults(gathered.results(), "test");
  assert.deepEqual(results.cells.map(({ mode, fault }) => `${mode} ${fault}`), ["saga none", "saga primary-killed", "naive primary-killed"]);
  assert.equal(results.incomplete, null);
  assert.deepEqual([results.falseAlarms?.runs, results.falseAlarms?.alarms], [1, 1]);
  gathered.missed("the machine went away");
  assert.equal(gathered.results().incomplete, "the machine went away");
});

test("the source's table, its figures beside ours, and a mean over what went beyond is a least", () => {
  const text = sourceTable(headlineOf([cellOf({ ...name, mode: "naive" }, [TORN]), cellOf({ ...name, mode: "tcc" }, [record(1, 700), record(2, 900)]), cellOf({ ...name, fault: "delay-and-loss", mode: "outbox" }, [record(1, 500)])])).split("\n");
  assert.match(text[2] ?? "", /^naive +primary-killed +1 +>22\.00 s +3 +100 % +7 % +-$/);
  assert.match(text[3] ?? "", /^tcc +primary-killed +2 +0\.80 s \(2\.40 s\) +0 \(0\) +100 % \(100 %\) +7 % \(21 %\) +0 %$/);
  assert.match(text[4] ?? "", /^outbox +delay-and-loss +1 +0\.50 s \(4\.30 s\) +0 \(87\) +100 % \(100 %\) +7 % \(8 %\) +-$/);
  assert.equal(sourceTable([]), "");
});

test("cost and false alarms are tables of their own: how many times naive's, and a bound for each mode", () => {
  const { degradation, falseAlarms } = EXAMPLE;
  assert.match(costTable(degradation), /^saga +\(healthy\) +8 +200 +200\.0 ×1\.00 .* 12\.0 ×1\.09$/m);
  assert.match(alarmLines(falseAlarms), /^saga +3 +1 +33\.3 % +<= 86\.5 %$/m);
  assert.match(alarmLines(falseAlarms), /^all +5 +1 +20 %/m);
  assert.deepEqual([costTable([]), alarmLines(null)], ["", ""]);
});

test("judges are asleep where a broken variant passed, and where a right one did not", () => {
  const detection = EXAMPLE.views.selftest?.detection[0] ?? assert.fail();
  const seen = (change: Partial<typeof detection>): readonly string[] => judgesAsleep({ views: { ...EXAMPLE.views, selftest: { measuredAt: "", seed: 1, seeds: 1, detection: [{ ...detection, ...change }] } } });
  assert.deepEqual([seen({}), seen({ caught: false }), seen({ rightObjections: ["torn (seed 1)"] })], [[], ['nobody objected to "no inbox"'], ['the right twin of "no inbox" was objected to by torn (seed 1)']]);
});

test("a promise is broken by whoever made one, and by who could not be judged; naive made none", () => {
  const torn = cellOf(name, [record(1, 700), TORN]);
  assert.deepEqual(brokenPromises([cellOf(name, [record(1, 700)]), cellOf({ ...name, mode: "naive" }, [TORN])]), []);
  const [said] = brokenPromises([torn]);
  assert.match(said ?? "", /^saga under primary-killed is invalid: torn, paid-without-stock .*\n {2}again: npm run lab/);
  assert.equal(brokenPromises([cellOf(name, [record(1, 700, { verdict: "unknown", notJudged: ["lost: not read"] })])]).length, 1);
});
