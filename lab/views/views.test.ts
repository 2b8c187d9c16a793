import assert from "node:assert/strict";
import test from "node:test";
import { ladderFigures } from "../ladder/figures.ts";
import { partOf as ladderPart } from "../ladder/view.ts";
import { profileFigures } from "../profile/summary.ts";
import { folderOf } from "../profile/options.ts";
import { partOf as profilePart } from "../profile/view.ts";
import { pageOf } from "../report/page.ts";
import { checkedResults } from "../results/file.ts";
import { results } from "../results/results.fixture.ts";
import type { Views } from "../results/views.ts";
import { partOf as selftestPart } from "../selftest/view.ts";
import { delaysOf, phaseFigures } from "../wal/figures.ts";
import { partOf as walPart } from "../wal/view.ts";
import { BadUsage } from "../command-line.ts";
import { runView } from "./program.ts";
import { optionsOf, type View } from "./view.ts";

// What each view measures, with as little in it as can be, and with what nobody knows.
const now = new Date(Date.UTC(2026, 0, 1));

function views(): Views {
  const ladder = ladderFigures({ seed: 3, partitionMs: 1_000, ratePerSecond: 10, timeoutMs: 150, goodWithinMs: 175 }, []);
  const nobody = { delivered: [] };
  const wal = { schema: 1, seed: 3, ratePerSecond: 20, seconds: 8, sent: 1, missing: 1, unseen: 0, notStreamed: -1, phases: [{ ...phaseFigures("healthy", nobody, { fromMs: 0, toMs: 1 }), committed: delaysOf([-0.4, 30_000]) }] } as const;
  const profile = profileFigures({ seed: 3, mode: "saga", compensated: [], probed: [], profiles: [], files: ["/somewhere/else/worker.cpuprofile"] });
  const row = { variant: "v", wrong: "w", objected: [], seedsUntilCaught: null, caughtBySeed: null, rightRuns: 3, rightObjections: ["torn (seed 1)"] };
  return { ladder: ladderPart(ladder, now), wal: walPart(wal, now), profile: profilePart(profile, now), selftest: selftestPart([row], { seed: 1, seeds: 3 }, now) };
}

test("what a view has measured is as the schema says, and can be drawn, even where it is nothing", () => {
  const all = results([], { views: views() });
  assert.deepEqual(checkedResults(JSON.parse(JSON.stringify(all)), "test"), JSON.parse(JSON.stringify(all)));
  assert.doesNotMatch(pageOf(all), /NaN|undefined|Infinity/);
});

test("a part names no folder of the machine, and says when it was over", () => {
  const { profile, wal } = views();
  assert.deepEqual([profile?.files, wal?.measuredAt], [["worker.cpuprofile"], "2026-01-01T00:00:00.000Z"]);
  assert.deepEqual([folderOf({ folder: "" }, undefined), folderOf({ folder: "" }, "/r"), folderOf({ folder: "mine" }, "/r")], [".results/profile", "/r/profile", "mine"]);
});

test("options are the view's own and where it goes; what is not among them is refused by name", () => {
  assert.deepEqual(optionsOf(["--seed", "4", "--into", "r"], { seed: "1", rate: "2" }), { seed: "4", rate: "2", jsonFile: undefined, into: "r" });
  for (const [args, message] of [[["--speed", "4"], /'--speed'/], [["--json", ""], /--json needs/], [["--into", ""], /--into needs/]] as const) {
    assert.throws(() => optionsOf(args, { seed: "1" }), (error) => error instanceof BadUsage && message.test(error.message));
  }
});

test("a view's program ends with 1 where what it was to show is not so, and prints what was found", async () => {
  const printed: string[] = [];
  const view = (failed: boolean): View => ({
    name: "ladder", usage: "how", quickArgs: null,
    prepare: () => ({ jsonFile: undefined, into: undefined, measure: ({ print }) => Promise.resolve().then(() => print("row")).then(() => ({ text: "found", figures: 1, part: {}, failed })) }),
  });
  const surroundings = { print: (text: string): void => void printed.push(text) };
  assert.deepEqual([await runView(view(false), [], surroundings), await runView(view(true), [], surroundings), await runView(view(true), ["--help"], surroundings)], [0, 1, 0]);
  assert.deepEqual(printed, ["row", "found", "row", "found", "how"]);
});
