import { targetText, verdictOn } from "../journal/ratios.ts";
import type { Target } from "../journal/ratios.ts";
import { describeMachine, machineText } from "../machine.ts";
import type { Machine } from "../machine.ts";
import type { BenchPlan } from "../options.ts";
import { writeResults } from "../results.ts";
import { startBenchServer } from "../server.ts";
import { figureText, textTable } from "../table.ts";
import { aboutCases, outboxContestants } from "./contestants.ts";
import type { OutboxContestant } from "./contestants.ts";
import { runOutboxRounds } from "./rounds.ts";
import { outboxRows, peerStandings, ratiosToPeers, relayOnVsOff, standingOf } from "./summary.ts";
import type { OutboxRow, Standing } from "./summary.ts";

/** `npm run bench -- outbox`. Sets exit code 1 when one of our own figures could not be had. */
export async function benchOutbox(plan: BenchPlan, progress: (line: string) => void): Promise<void> {
  const server = await startBenchServer();
  try {
    const machine = describeMachine(server.dataFolder, server.version);
    progress(machineText(machine));
    const contestants = outboxContestants();
    const { byRound, reasons } = await runOutboxRounds({ server, contestants, rounds: plan.rounds, measureMs: plan.measureMs, progress });

    const results = outboxRows(contestants, { byRound, reasons });
    const ours = standingOf(results, "tripact");
    const ratios = { relayOnVsOff: relayOnVsOff(byRound)?.median ?? null, ...ratiosToPeers(byRound) };
    console.log(rowsText(contestants, results, machine));
    console.log(`${targetsText(ours, ratios)}\n`);
    for (const [what, reason] of reasons) console.log(`no figure for ${what}: ${reason}`);

    if (plan.jsonFile !== undefined) {
      const file = {
        schema: 1,
        bench: "outbox",
        machine,
        rounds: plan.rounds,
        secondsEach: plan.measureMs / 1000,
        results,
        ratios,
        perSecond: ours.perSecond,
        latencyMs: ours.latencyMs,
        peers: peerStandings(results),
        reasons: Object.fromEntries(reasons),
      };
      await writeResults(plan.jsonFile, file);
    }
    // A missing peer is only a reason; without ourselves there is nothing to report.
    if (results.some(({ name, perSecond }) => name === "tripact" && perSecond === null)) process.exitCode = 1;
  } finally {
    await server.stop();
  }
}

function rowsText(contestants: readonly OutboxContestant[], rows: readonly OutboxRow[], machine: Machine): string {
  const abouts = contestants.map(({ name, about, missing }) => `  ${name}: ${about}${missing === undefined ? "" : ` (not measured: ${missing})`}`);
  const table = textTable(
    ["", "", "messages/s", "rounds", "commits/s", "backlog half, end", "held", "p50 ms", "p95 ms", "p99 ms"],
    rows.map((row) => [
      row.name,
      row.case,
      figureText(row.perSecond),
      row.perSecondFrom === null ? "" : `${figureText(row.perSecondFrom)}..${figureText(row.perSecondTo)}`,
      row.commitsPerSecond === null ? "" : figureText(row.commitsPerSecond),
      row.backlogHalf === null ? "" : `${figureText(row.backlogHalf)}, ${figureText(row.backlogEnd)}`,
      row.backlogHalf === null ? "" : `${Math.round((row.heldShare ?? 0) * 100)} %`,
      row.p50Ms === null ? "" : figureText(row.p50Ms),
      row.p95Ms === null ? "" : figureText(row.p95Ms),
      row.p99Ms === null ? "" : figureText(row.p99Ms),
    ]),
  );
  return ["", machineText(machine), ...abouts, ...aboutCases(), "", table, ""].join("\n");
}

interface Aim {
  about: string;
  value: number | null;
  target?: Target;
}

function targetsText(ours: Standing, ratios: Record<string, number | null>): string {
  const { relayOnVsOff: onVsOff, ...toPeers } = ratios;
  const aims: Aim[] = [
    { about: "relayOnVsOff: the producers' rate with the relay, in that without", value: onVsOff ?? null, target: { atLeast: 0.7 } },
    { about: "batched1500B: delivered messages a second", value: ours.perSecond.batched1500B, target: { atLeast: 25_000 } },
    { about: "batched200B: delivered messages a second", value: ours.perSecond.batched200B, target: { atLeast: 50_000 } },
    { about: "p95 from commit to consumer's commit at half load, ms", value: ours.latencyMs.p95, target: { atMost: 5 } },
    ...Object.entries(toPeers).map(([name, value]) => ({ about: `${name}: delivered messages a second`, value })),
  ];
  return textTable(
    ["medians; ratios within one round", "", "target", ""],
    aims.map(({ about, value, target }) => [about, figureText(value), targetText(target), verdictOn(value, target)]),
  );
}
