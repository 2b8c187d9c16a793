import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Redis } from "./miniature/redis.ts";
import { World } from "./miniature/world.ts";
import { isFailure, selftest, SEEDS_MAX, type DetectionRow } from "./selftest.ts";
import { detectionLines, summary } from "./table.ts";
import type { Variant } from "./variant.ts";
import { VARIANTS } from "./variants.ts";
import { selftestViewOf } from "./view.ts";
import { runView } from "../views/program.ts";

const SEEDS = 4;

/** Who has to see it. Others may see it too. */
const SEEN_BY: Readonly<Record<string, string>> = {
  "no inbox": "duplicated",
  "ack before commit": "lost",
  "compensation skipped on retry": "torn",
  "no fencing": "never-paid-and-cancelled",
  "high-water-mark outbox": "lost",
  "Redis as the ledger": "no-oversell",
  "raw DECR with a re-sending client": "nothing-stuck",
  "lease by wall clock": "never-paid-and-cancelled",
  "info read as fail": "never-paid-and-cancelled",
  "barrier in another transaction than the effect": "torn",
  "NOTIFY as the only wake-up": "lost",
  "try accepted after cancel": "nothing-stuck",
  "refusal not recorded": "nothing-stuck",
  "own flush read as foreign": "lost",
  "reservation released by its own clock": "torn",
  "absence read as no": "phantom",
};

/** By the outbox and the inbox themselves, and not only by what became of the orders. */
const SEEN_IN_MAIL: readonly string[] = ["ack before commit", "high-water-mark outbox", "NOTIFY as the only wake-up"];

const variantNamed = (name: string): Variant => VARIANTS.find((variant) => variant.name === name) ?? assert.fail(name);

describe("the selftest", () => {
  let rows: readonly DetectionRow[] = [];

  it("catches every broken variant and objects to no right one", async () => {
    rows = await selftest({ seed: 1, seeds: SEEDS });
    assert.deepEqual(rows.filter(isFailure), []);
    assert.deepEqual(rows.map(({ variant }) => variant), Object.keys(SEEN_BY));
    assert.deepEqual(rows.filter(({ variant, objected }) => !objected.includes(SEEN_BY[variant] ?? "")), []);
    assert.deepEqual(rows.filter(({ objected }) => objected.includes("outbox-delivery")).map(({ variant }) => variant), SEEN_IN_MAIL);
    assert.ok(rows.every(({ rightRuns }) => rightRuns === SEEDS));
  });

  it("repeats a detection by its seed", async () => {
    const late = rows.filter(({ seedsUntilCaught }) => (seedsUntilCaught ?? 0) > 1);
    assert.notEqual(late.length, 0);
    for (const { variant, objected, caughtBySeed } of late) {
      const [again] = await selftest({ seed: caughtBySeed ?? 0, seeds: 1, variants: [variantNamed(variant)] });
      assert.deepEqual([again?.objected, again?.seedsUntilCaught], [objected, 1]);
    }
  });

  it("says so when a broken one is missed, and when a right one is not in order", async () => {
    const asleep: Variant = { ...variantNamed("no inbox"), run: (run) => variantNamed("no inbox").run({ ...run, broken: false }) };
    const alwaysBroken: Variant = { ...variantNamed("raw DECR with a re-sending client"), run: (run) => variantNamed("raw DECR with a re-sending client").run({ ...run, broken: true }) };
    const unjudged: Variant = { name: "nothing happens", wrong: "There is nothing to judge.", run: async () => undefined };
    const [missed, hurt, unknown] = await selftest({ seed: 1, seeds: 2, variants: [asleep, alwaysBroken, unjudged] });
    assert.ok(missed !== undefined && hurt !== undefined && unknown !== undefined);
    assert.deepEqual([missed.seedsUntilCaught, missed.objected, missed.rightObjections, isFailure(missed)], [null, [], [], true]);
    assert.deepEqual([hurt.seedsUntilCaught, hurt.rightObjections.includes("nothing-stuck (seed 1)"), isFailure(hurt)], [1, true, true]);
    assert.ok(unknown.rightObjections.includes("lost could not judge (seed 1)") && unknown.seedsUntilCaught === null);
    assert.match(detectionLines(missed), /^no inbox +missed +yes +nobody\n/);
    assert.match(detectionLines(hurt), / 1 +NO +nothing-stuck\n.*\n +its right twin: nothing-stuck \(seed 1\)/);
    assert.equal(summary([missed, hurt]), "1 of 2 broken variants caught, 1 of 2 right twins clean");
  });

  it("refuses what is no number of seeds, and names the run that broke off", async () => {
    for (const wrong of [{ seed: -1, seeds: 1 }, { seed: 0.5, seeds: 1 }, { seed: 1, seeds: 0 }, { seed: 1, seeds: SEEDS_MAX + 1 }]) await assert.rejects(selftest(wrong), { code: "invalid-input" });
    const endless: Variant = {
      name: "endless", wrong: "It never ends.",
      async run({ world }) {
        world.spawn(async function* turning() {
          for (;;) yield;
        });
        await world.run();
      },
    };
    await assert.rejects(selftest({ seed: 7, seeds: 1, variants: [endless] }), { code: "broke-off", message: /endless, broken, seed 7/ });
    await assert.rejects(selftest({ seed: 1, seeds: 1, signal: AbortSignal.abort(new Error("enough")) }), /enough/);
  });

  it("ends with 0 where all is well, with 1 where the judges are not awake, with 2 where it is asked wrongly", async () => {
    const folder = await mkdtemp(join(tmpdir(), "selftest-"));
    try {
      const json = join(folder, "rows.json");
      const printed: string[] = [];
      const print = (text: string): void => void printed.push(text);
      const awake = variantNamed("own flush read as foreign");
      assert.equal(await runView(selftestViewOf([awake]), ["--seeds", "2", "--json", json], { print }), 0);
      assert.match(printed.join("\n"), /^broken variant .*\n-+\nown flush read as foreign .*\n.*\n\n1 of 1 broken variants caught, 1 of 1 right twins clean$/);
      const [row] = JSON.parse(await readFile(json, "utf8")) as DetectionRow[];
      assert.deepEqual([row?.variant, row?.caughtBySeed, row?.rightRuns], [awake.name, 1, 2]);
      assert.equal(await runView(selftestViewOf([{ ...awake, run: (run) => awake.run({ ...run, broken: false }) }]), ["--seeds", "1"], { print }), 1);
    } finally {
      await rm(folder, { recursive: true });
    }
    const entry = fileURLToPath(new URL("main.ts", import.meta.url));
    for (const args of [["--seeds", "many"], ["--nonsense"]]) assert.equal(spawnSync(process.execPath, [entry, ...args], { encoding: "utf8", timeout: 30_000 }).status, 2);
  });
});

describe("the world", () => {
  it("repeats a seed to the letter, and another seed is another run", async () => {
    const told = async (seed: number): Promise<string> => {
      const world = new World(seed);
      let story = "";
      for (const name of ["a", "b"]) {
        world.spawn(async function* steps() {
          for (let step = 0; step < 5; step += 1) {
            story += `${name}${step} `;
            yield;
          }
        }, { kills: 1 });
      }
      await world.run();
      return story;
    };
    assert.equal(await told(3), await told(3));
    assert.notEqual(await told(3), await told(4));
  });

  it("kills between two steps: what was to come does not, and what must be undone is", async () => {
    const world = new World(1);
    let [starts, undone] = [0, 0];
    const process = world.spawn(async function* steps() {
      starts += 1;
      try {
        for (;;) yield;
      } finally {
        undone += 1;
      }
    }, { kills: 1, restarts: false });
    assert.equal(process.alive(), true);
    await world.run();
    assert.deepEqual([starts, undone, process.alive()], [1, 1, false]);
  });
});

describe("the miniature Redis", () => {
  it("forgets at a failover what its replica has not heard of", () => {
    const redis = new Redis();
    redis.set("units", 5);
    redis.replicate(1);
    assert.deepEqual([redis.decr("units"), redis.decr("units")], [4, 3]);
    redis.replicate(1);
    redis.failOver();
    assert.equal(redis.get("units"), 4);
  });

  it("takes one for an id, however often it is asked, and none where there is none", () => {
    const redis = new Redis();
    redis.set("units", 1);
    assert.deepEqual([redis.takeOnce("units", "a"), redis.takeOnce("units", "a"), redis.takeOnce("units", "b"), redis.get("units")], [true, true, false, 0]);
  });
});
