import assert from "node:assert/strict";
import test from "node:test";
import { FAULTS } from "../../faults/all.ts";
import { BadUsage } from "../../command-line.ts";
import { argsOf, parseCommand, type LabPlan } from "./options.ts";

function planOf(args: readonly string[]): LabPlan {
  const command = parseCommand(args, 42);
  assert.equal(command.kind, "run");
  return command.kind === "run" ? command.plan : assert.fail();
}
const faultsOf = ({ faults }: LabPlan): readonly string[] => faults.map(({ name }) => name);

test("with nothing said: all modes under all faults, three runs at half of what a mode can sell, and the drawn seed", () => {
  const plan = planOf([]);
  assert.deepEqual({ ...plan, faults: faultsOf(plan) }, {
    modes: ["saga", "choreography", "tcc", "outbox", "naive"], faults: FAULTS.map(({ name }) => name), runs: 3, rates: {}, busyRate: undefined, units: 100_000, seed: 42,
    quick: false, views: ["selftest", "profile", "wal", "ladder"], jsonFile: undefined, append: undefined,
  });
});

test("a quick look is one run of a control and three faults, unless others are named", () => {
  const quick = planOf(["--quick"]);
  assert.deepEqual([faultsOf(quick), quick.runs, quick.modes.length, quick.rates.saga], [["none", "coordinator-killed", "partition", "primary-killed"], 1, 5, 30]);
  assert.deepEqual(quick.views, ["selftest", "profile"]);
  assert.deepEqual(faultsOf(planOf(["--quick", "--faults", "paused,none,paused"])), ["paused", "none"]);
});

test("what a plan was started with, said again, is the same plan", () => {
  const plan = planOf("--modes tcc,naive --faults none,partition --runs 7 --rate 12 --units 99 --seed 3 --quick --views wal".split(" "));
  assert.deepEqual({ ...planOf(argsOf(plan)), rates: plan.rates }, plan);
  assert.deepEqual(planOf(argsOf(plan)).rates, { tcc: 12, naive: 12 });
  assert.deepEqual(planOf(argsOf({ ...plan, views: [] })).views, []);
  assert.deepEqual([plan.modes, plan.runs, plan.rates.tcc, plan.units, plan.seed], [["tcc", "naive"], 7, 12, 99, 3]);
  assert.deepEqual(planOf(argsOf(planOf([]))), planOf([]));
});

test("a mode can have a rate of its own; one without is measured", () => {
  const plan = planOf("--modes saga,tcc,naive --rate saga=40,tcc=30".split(" "));
  assert.deepEqual(plan.rates, { saga: 40, tcc: 30 });
  assert.deepEqual(planOf(argsOf(plan)), plan);
  assert.equal(planOf(argsOf(planOf(["--busy-rate", "91"]))).busyRate, 91);
});

test("files, an earlier run to add to, a replay, and a call for help", () => {
  const plan = planOf(["--json", "out.json", "--append", "2026-01-02-030405-9"]);
  assert.deepEqual([plan.jsonFile, plan.append], ["out.json", "2026-01-02-030405-9"]);
  assert.deepEqual(parseCommand(["replay", "2026-01-02-030405-9"], 1), { kind: "replay", run: "2026-01-02-030405-9" });
  assert.deepEqual(parseCommand(["--quick", "--help"], 1), { kind: "help" });
});

for (const [args, message] of [
  [["--fast"], /Unknown option '--fast'/],
  [["--modes", "sagas"], /--modes are of .*, got "sagas"/],
  [["--modes", "saga,"], /--modes are of .*, got ""/],
  [["--faults", "none,flood"], /--faults are of .*, got "flood"/],
  [["--runs", "0"], /--runs needs a whole number from 1 to 1000, got "0"/],
  [["--rate", "1e3"], /--rate needs a whole number/],
  [["--rate", "saga=x"], /--rate saga= needs a whole number/],
  [["--rate", "sagas=3"], /--rate names modes of .*, got "sagas"/],
  [["--units", ""], /--units needs .* got ""/],
  [["--seed", "-1"], /--seed/],
  [["--views", "wall"], /--views are of .*, got "wall"/],
  [["--json", ""], /--json needs a file's name/],
  [["--append", "../elsewhere"], /--append needs the name of a run/],
  [["replay"], /replay takes the name of one run/],
  [["replay", "a", "--quick"], /replay takes the name of one run/],
  [["replay", "../../etc"], /replay needs the name of a run/],
  [["wal"], /there is no "wal"/],
] as const) {
  test(`refused: ${args.join(" ")}`, () => {
    assert.throws(() => parseCommand(args, 1), (error) => error instanceof BadUsage && message.test(error.message));
  });
}
