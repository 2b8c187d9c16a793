import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { VARIANTS, type Variant } from "./faults.ts";
import { simulate } from "./run.ts";

const HELP = `npm run sim -- [--seeds N] [--from SEED] [--variant NAME] [--trace]

Runs the real coordinator and protocols on the memory store in virtual time: 20 transactions a seed, two coordinators,
lost, late, doubled and reordered messages, crashes at any await, pauses past the lease, clock jumps.

  --seeds N       how many seeds (default 200)
  --from SEED     the first seed (default 1)
  --once          run each seed once only, not twice to compare the traces
  --variant NAME  break it on purpose: ${VARIANTS.join(", ")}
  --trace         print everything that happened (with one seed)`;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    once: { type: "boolean", default: false },
    variant: { type: "string" },
    trace: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(HELP);
else process.exitCode = await main();

async function main(): Promise<number> {
  const seeds = Number(values.seeds);
  const from = Number(values.from);
  const variant = VARIANTS.find((it) => it === values.variant);
  if (!Number.isInteger(seeds) || seeds < 1 || !Number.isInteger(from) || (values.variant !== undefined && variant === undefined)) {
    console.error(HELP);
    return 2;
  }
  const beganMs = performance.now();
  let failed = 0;
  let transactions = 0;
  let crashes = 0;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const outcome = await runSeed(seed, variant);
    transactions += outcome.transactions;
    crashes += outcome.crashes;
    if (outcome.failed) failed += 1;
  }
  const seconds = (performance.now() - beganMs) / 1_000;
  console.log(
    `sim: ${seeds} seeds${values.once ? "" : " (each twice)"}, ${transactions} transactions, ${crashes} crashes, ${failed} seeds failed, ` +
      `${seconds.toFixed(1)} s, ${Math.round(transactions / seconds)} transactions/s on one core of ${availableParallelism()}`,
  );
  return failed === 0 ? 0 : 1;
}

async function runSeed(seed: number, variant: Variant | undefined): Promise<{ failed: boolean; transactions: number; crashes: number }> {
  const first = await simulate(seed, variant);
  if (values.trace) console.log(first.lines.join("\n"));
  const problems = [...first.violations];
  let transactions = first.transactions;
  if (!values.once) {
    const second = await simulate(seed, variant);
    transactions += second.transactions;
    if (second.trace !== first.trace) problems.push(`not deterministic: trace ${first.trace}, then ${second.trace}`);
  }
  if (problems.length > 0) {
    console.error(`seed ${seed}:\n  ${problems.slice(0, 10).join("\n  ")}\n  replay: npm run sim -- --seeds 1 --from ${seed}${variant === undefined ? "" : ` --variant ${variant}`} --trace`);
  }
  return { failed: problems.length > 0, transactions, crashes: first.crashes };
}
