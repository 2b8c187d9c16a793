import { rotated } from "../rounds.ts";
import type { BenchServer } from "../server.ts";
import { takeTurn } from "../turn.ts";
import { cases } from "./cases.ts";
import type { CaseName } from "./cases.ts";
import { turnOf } from "./contestants.ts";
import type { OutboxContestant } from "./contestants.ts";

/** One turn's figures by name, as its runner said them. */
export interface TurnFigures {
  name: string;
  caseName: CaseName;
  figures: Readonly<Record<string, number>>;
}

export interface OutboxRounds {
  byRound: TurnFigures[][];
  /** Why a contestant (`pg-boss`), or one of its cases (`pg-boss latency`), has no figures. */
  reasons: Map<string, string>;
}

export interface OutboxRoundsTask {
  server: BenchServer;
  contestants: readonly OutboxContestant[];
  rounds: number;
  measureMs: number;
  progress: (line: string) => void;
}

/** Fewer messages a second make no percentiles in a few seconds. */
const PER_SECOND_MIN = 40;

/** Interleaved as the other benches' rounds: everybody runs all of its cases in each round, and each round starts one place later. */
export async function runOutboxRounds({ server, contestants, rounds, measureMs, progress }: OutboxRoundsTask): Promise<OutboxRounds> {
  const reasons = new Map<string, string>();
  for (const { name, missing } of contestants) if (missing !== undefined) reasons.set(name, missing);
  const byRound: TurnFigures[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const measured: TurnFigures[] = [];
    byRound.push(measured);
    for (const contestant of rotated(contestants, round)) {
      if (reasons.has(contestant.name)) continue;
      for (const caseName of contestant.turns) {
        const what = `${contestant.name} ${caseName}`;
        if (reasons.has(what)) continue;
        const said = (text: string): void => progress(`round ${round + 1}/${rounds}  ${contestant.name.padEnd(24)} ${caseName.padEnd(14)} ${text}`);
        const perSecond = caseName === "latency" ? halfLoad(measured, contestant.name) : undefined;
        if (perSecond !== undefined && perSecond < PER_SECOND_MIN) {
          reasons.set(what, `half load would be ${perSecond.toPrecision(2)}/s, too few for percentiles`);
          said(reasons.get(what) ?? "");
          continue;
        }
        const turn = await server.openTurn();
        const { lines, failure } = await takeTurn(turnOf(contestant, cases[caseName], perSecond), { databaseUrl: turn.url, measureMs });
        await turn.close();
        const figures = Object.fromEntries(lines.flatMap((line) => (line.kind === "figure" ? [[line.name, line.value]] : [])));
        if (failure === undefined) measured.push({ name: contestant.name, caseName, figures });
        else reasons.set(what, failure);
        said(failure ?? figuresText(figures));
      }
    }
  }
  return { byRound, reasons };
}

/** Half of what this contestant delivered in `single` in this round. */
export function halfLoad(measured: readonly TurnFigures[], contestant: string): number {
  const single = measured.find(({ name, caseName }) => name === contestant && caseName === "single");
  return (single?.figures["deliveredPerSecond"] ?? 0) / 2;
}

function figuresText(figures: Readonly<Record<string, number>>): string {
  const { commitsPerSecond, deliveredPerSecond, backlogHalf, backlogEnd, heldShare, perSecond, offeredPerSecond, p50Ms, p95Ms, p99Ms } = figures;
  if (p95Ms !== undefined) return `${fixed(perSecond, 0)} of ${fixed(offeredPerSecond, 0)}/s  p50 ${fixed(p50Ms)} ms  p95 ${fixed(p95Ms)} ms  p99 ${fixed(p99Ms)} ms`;
  const consumed = `${fixed(deliveredPerSecond, 0).padStart(6)} delivered/s  backlog ${fixed(backlogHalf, 0)} then ${fixed(backlogEnd, 0)}, held ${fixed((heldShare ?? 0) * 100, 0)} %`;
  return `${fixed(commitsPerSecond, 0).padStart(6)} commits/s${deliveredPerSecond === 0 ? "" : `  ${consumed}`}`;
}

const fixed = (value: number | undefined, digits = 1): string => (value ?? 0).toFixed(digits);
