import { describeMachine, machineText } from "../machine.ts";
import type { BenchPlan } from "../options.ts";
import { resultRows, resultsText, writeResults } from "../results.ts";
import { figureOver, runRounds } from "../rounds.ts";
import { startBenchServer } from "../server.ts";
import type { BenchServer } from "../server.ts";
import { figureText, textTable } from "../table.ts";
import { takeTurn } from "../turn.ts";
import { journalContestants, singleFigures } from "./contestants.ts";
import { ratios, ratiosOver, targetText, verdictOn } from "./ratios.ts";

/** `npm run bench -- journal`. Sets exit code 1 when our own figures could not be had. */
export async function benchJournal(plan: BenchPlan, progress: (line: string) => void): Promise<void> {
  const server = await startBenchServer();
  try {
    const machine = describeMachine(server.dataFolder, server.version);
    progress(machineText(machine));
    const contestants = journalContestants(plan.inFlight);
    const rounds = await runRounds({ server, contestants, rounds: plan.rounds, measureMs: plan.measureMs, progress });
    const singles = await measureSingles(server, rounds.reasons, progress);

    const results = resultRows(contestants, rounds);
    const quotients = ratiosOver(rounds);
    console.log(resultsText(contestants, results, machine));
    console.log(`${ratiosText(quotients, singles)}\n`);
    for (const [what, reason] of rounds.reasons) console.log(`no figure for ${what}: ${reason}`);

    if (plan.jsonFile !== undefined) {
      const file = {
        schema: 1,
        bench: "journal",
        machine,
        rounds: plan.rounds,
        secondsEach: plan.measureMs / 1000,
        results,
        ratios: quotients,
        idleP50Ms: figureOver(rounds, { name: "tripact", inFlight: plan.inFlight[0] ?? 50, of: "idleP50Ms" })?.median ?? null,
        ...singles,
        reasons: Object.fromEntries(rounds.reasons),
      };
      await writeResults(plan.jsonFile, file);
    }
    // A missing peer is only a reason; without ourselves there is nothing to report.
    if (rounds.reasons.has("tripact")) process.exitCode = 1;
  } finally {
    await server.stop();
  }
}

/** The figures that need no rounds, `null` where there is none; the reason joins the others. */
async function measureSingles(server: BenchServer, reasons: Map<string, string>, progress: (line: string) => void): Promise<Record<string, number | null>> {
  const figures: Record<string, number | null> = {};
  for (const single of singleFigures()) {
    const turn = await server.openTurn();
    const { lines, failure } = await takeTurn(single, { databaseUrl: turn.url, measureMs: 0 });
    await turn.close();
    figures[single.name] = null;
    for (const line of lines) if (line.kind === "figure") figures[line.name] = line.value;
    if (failure !== undefined) reasons.set(single.name, failure);
    progress(`${single.about}: ${failure ?? figureText(figures[single.name] ?? null)}`);
  }
  return figures;
}

function ratiosText(quotients: Record<string, number | null>, singles: Record<string, number | null>): string {
  const rows = ratios.map(({ name, about, target }) => {
    const value = quotients[name] ?? null;
    return [`${name}: ${about}`, figureText(value), targetText(target), verdictOn(value, target)];
  });
  const memoryTarget = { atMost: 300 };
  const memory = singles["rssMb10000"] ?? null;
  rows.push(["resident MB with 10,000 open transactions", figureText(memory), targetText(memoryTarget), verdictOn(memory, memoryTarget)]);
  rows.push(["events/s of the pure protocol", figureText(singles["protocolEventsPerSecond"] ?? null), "", ""]);
  return textTable(["ratios within one round, medians", "", "target", ""], rows);
}
