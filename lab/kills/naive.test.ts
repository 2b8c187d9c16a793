import assert from "node:assert/strict";
import { figuresOf } from "../checkers/figures.ts";
import { killOf } from "./faults.ts";
import { Theatre, held } from "./guarded.ts";
import { inWords, summaryOf } from "./report.ts";
import { sellUnder } from "./sale.ts";

const theatre = new Theatre("naive");
/** What it has forgotten it never ends, so there is nothing to wait for. */
const CAPS = { settleMs: 5_000, quietMs: 1_000 };

theatre.test("a sale without a fault is valid: the judges object to what a fault has broken, and to nothing else", async (stage, seed, t) => {
  held(stage, await sellUnder(stage, { sku: "quiet", units: 150, seed }), t);
});

theatre.test("SIGKILL of a worker, of stock and of payment is seen to break it", async (stage, seed, t) => {
  const found: number[] = [];
  for (const [index, target] of ["orders-1", "stock", "payment"].entries()) {
    const run = await sellUnder(stage, { sku: `kill-${target}`, units: 5_000, seed: seed + index, fault: killOf(target) }, CAPS);
    // They look at every sale of this stage so far.
    const { lost, torn, stuck } = figuresOf(run.verdicts);
    found.push((lost?.operations ?? 0) + (torn ?? 0) + (stuck ?? 0));
    t.diagnostic(summaryOf(stage, run));
    t.diagnostic(`so far: ${lost?.operations ?? "?"} lost, ${torn ?? "?"} torn, ${stuck ?? "?"} stuck`);
    for (const verdict of run.verdicts) if (verdict.verdict !== "valid") t.diagnostic(inWords(verdict).slice(0, 400));
  }
  assert.ok((found.at(-1) ?? 0) > 0, `three kills were survived by plain calls without a trace: ${found.join(", ")}; either they struck nothing, or nobody sees it`);
});
