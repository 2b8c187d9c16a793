import { describeMachine, machineText } from "../machine.ts";
import { resultRows, resultsText, writeResults } from "../results.ts";
import { runRounds } from "../rounds.ts";
import { startBenchServer } from "../server.ts";
import type { BenchPlan } from "../options.ts";
import { peerContestants } from "./contestants.ts";

/** `npm run bench -- peers`: the peers alone. */
export async function benchPeers(plan: BenchPlan, progress: (line: string) => void): Promise<void> {
  const server = await startBenchServer();
  try {
    const machine = describeMachine(server.dataFolder, server.version);
    progress(machineText(machine));
    const contestants = peerContestants(plan.inFlight);
    const rounds = await runRounds({ server, contestants, rounds: plan.rounds, measureMs: plan.measureMs, progress });
    const results = resultRows(contestants, rounds);
    console.log(resultsText(contestants, results, machine));
    if (plan.jsonFile !== undefined) {
      const file = { schema: 1, bench: "peers", machine, results, reasons: Object.fromEntries(rounds.reasons) };
      await writeResults(plan.jsonFile, file);
    }
  } finally {
    await server.stop();
  }
}
