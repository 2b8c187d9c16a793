import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { VARIANTS } from "./faults.ts";
import { simulate } from "./run.ts";
import { replayLine, runSeedsInThreads } from "./seeds.ts";

const HELP = `npm run sim -- [--seeds N] [--from SEED] [--variant NAME] [--trace]

Runs the real coordinator and protocols on the memory store in virtual time: 20 transactions a seed, two coordinators,
lost, late, doubled and reordered messages, crashes at any await, pauses past the lease, clock jumps.

  --seeds N       how many seeds (default 200)
  --from SEED     the first seed (default 1)
  --once          run each seed once only, not twice to compare the traces
  --threads N     how many threads (default: one a core)
  --variant NAME  break it on purpose: ${VARIANTS.join(", ")}
  --trace         print everything that happened (with one seed)`;

const PROBLEMS_SHOWN = 10;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    once: { type: "boolean", default: false },
    threads: { type: "string", default: String(availableParallelism()) },
    variant: { type: "string" },
    trace: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(HELP);
else process.exitCode = await main();

async function main(): Promise<number> {
  const [seeds, from, threads] = [Number(values.seeds), Number(values.from), Number(values.threads)];
  const variant = VARIANTS.find((it) => it === values.variant);
  const sound = Number.isInteger(seeds) && seeds >= 1 && Number.isInteger(from) && Number.isInteger(threads) && threads >= 1;
  if (!sound || (values.variant !== undefined && variant === undefined)) {
    console.error(HELP);
    return 2;
  }
  if (values.trace) console.log((await simulate(from, variant)).lines.join("\n"));
  const beganMs = performance.now();
  const { transactions, crashes, failed } = await runSeedsInThreads({ seeds, from, once: values.once, variant }, threads);
  const seconds = (performance.now() - beganMs) / 1_000;
  for (const { seed, problems } of failed) {
    console.error(`seed ${seed}:\n  ${problems.slice(0, PROBLEMS_SHOWN).join("\n  ")}\n  replay: ${replayLine(seed, variant)}`);
  }
  console.log(
    `sim: ${seeds} seeds${values.once ? "" : " (each twice)"}, ${transactions} transactions, ${crashes} crashes, ${failed.length} seeds failed, ` +
      `${seconds.toFixed(1)} s, ${Math.round(transactions / seconds)} transactions/s in ${Math.min(threads, seeds)} threads`,
  );
  return failed.length === 0 ? 0 : 1;
}
