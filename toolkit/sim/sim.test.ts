import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { VARIANTS } from "./faults.ts";
import { simulate } from "./run.ts";
import { replayLine, runSeeds, runSeedsInThreads } from "./seeds.ts";

/** In one thread beside other suites this stays within a minute; `npm run sim -- --seeds 2000` goes further. */
const SEEDS = 600;
/** The rarest variant shows within some twenty seeds. */
const SEEDS_FOR_A_VARIANT = 150;

describe("the simulation", () => {
  it(`finds nothing wrong in ${SEEDS} seeds, and each seed does the same twice`, async (t) => {
    const beganMs = performance.now();
    const { transactions, crashes, failed } = await runSeedsInThreads({ from: 1, seeds: SEEDS, once: false, variant: undefined }, 2);
    const seconds = (performance.now() - beganMs) / 1_000;
    t.diagnostic(`sim: ${SEEDS} seeds twice, ${transactions} transactions, ${crashes} crashes, ${Math.round(transactions / seconds)} transactions/s in 2 threads`);
    assert.deepEqual(failed.map(({ seed, problems }) => `${problems[0] ?? ""} (${replayLine(seed, undefined)})`), []);
    assert.ok(crashes > SEEDS / 2, `only ${crashes} crashes: the faults do not bite`);
  });

  it("takes every shape of transaction to both ends", async () => {
    const kinds = new Set<string>();
    for (let seed = 1; seed <= 10; seed += 1) {
      for (const line of (await simulate(seed)).lines) {
        const end = /^\d+ t\d+ (committed|rolled-back)$/.exec(line)?.[1];
        if (end !== undefined) kinds.add(end);
      }
    }
    assert.deepEqual([...kinds].sort(), ["committed", "rolled-back"]);
  });

  for (const variant of VARIANTS) {
    it(`catches the broken variant ${variant}`, async (t) => {
      const { failed } = await runSeeds({ from: 1, seeds: SEEDS_FOR_A_VARIANT, once: true, variant, stopAtFailure: true });
      const [first] = failed;
      assert.ok(first !== undefined, `${variant} goes unseen in ${SEEDS_FOR_A_VARIANT} seeds`);
      t.diagnostic(`seed ${first.seed}: ${first.problems[0] ?? ""}`);
    });
  }
});
