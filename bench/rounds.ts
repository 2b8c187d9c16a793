import type { Measurement } from "./measurement.ts";
import type { BenchServer } from "./server.ts";
import { spread } from "./statistics.ts";
import type { Spread } from "./statistics.ts";
import { takeTurn } from "./turn.ts";
import type { Contestant } from "./turn.ts";

/** All measurements of a run, by round; a figure is found by contestant and level. */
export interface Rounds {
  byRound: Measurement[][];
  /** Why a contestant, or one of its levels (`name at 2000`), has no figures. */
  reasons: Map<string, string>;
}

export interface RoundsTask {
  server: BenchServer;
  contestants: Contestant[];
  rounds: number;
  measureMs: number;
  progress: (line: string) => void;
}

/**
 * Interleaved: each round lets everybody run once, and starts one place later than the round before. A machine
 * that slows down or speeds up meanwhile then does so for all, and ratios within a round hold.
 */
export async function runRounds(task: RoundsTask): Promise<Rounds> {
  const { server, contestants, rounds, measureMs, progress } = task;
  const reasons = new Map<string, string>();
  for (const { name, missing } of contestants) if (missing !== undefined) reasons.set(name, missing);
  const byRound: Measurement[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const measured: Measurement[] = [];
    byRound.push(measured);
    for (const contestant of rotated(contestants, round)) {
      if (reasons.has(contestant.name)) continue;
      const label = `round ${round + 1}/${rounds}  ${contestant.name.padEnd(22)}`;
      const turn = await server.openTurn();
      const { failure } = await takeTurn(contestant, {
        databaseUrl: turn.url,
        measureMs,
        onLine(line) {
          if (line.kind === "measured") {
            measured.push(line.measurement);
            progress(`${label} ${levelText(line.measurement)}`);
          } else if (line.kind === "level-failed") {
            reasons.set(`${contestant.name} at ${line.inFlight}`, line.reason);
            progress(`${label} ${String(line.inFlight).padStart(5)} in flight: ${line.reason}`);
          }
        },
      });
      await turn.close();
      if (failure === undefined) continue;
      reasons.set(contestant.name, failure);
      progress(`${label} ${failure}`);
    }
  }
  return { byRound, reasons };
}

export function rotated<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}

/** Which of a contestant's figures. */
export interface Figure {
  name: string;
  inFlight: number;
  of: "perSecond" | "p50Ms" | "p99Ms" | "idleP50Ms";
}

function figureIn(round: readonly Measurement[], { name, inFlight, of }: Figure): number | undefined {
  return round.find((one) => one.name === name && one.inFlight === inFlight)?.[of];
}

/** A figure over all rounds, `null` when no round has it. */
export function figureOver({ byRound }: Rounds, figure: Figure): Spread | null {
  const values = byRound.map((round) => figureIn(round, figure)).filter((value) => value !== undefined);
  return values.length === 0 ? null : spread(values);
}

/** The quotient of two figures, taken within each round. `null` when no round has both. */
export function ratioOver({ byRound }: Rounds, upper: Figure, lower: Figure): Spread | null {
  const quotients = byRound.flatMap((round) => {
    const above = figureIn(round, upper);
    const below = figureIn(round, lower);
    return above === undefined || below === undefined ? [] : [above / below];
  });
  return quotients.length === 0 ? null : spread(quotients);
}

function levelText({ inFlight, perSecond, p50Ms, p99Ms }: Measurement): string {
  return `${String(inFlight).padStart(5)} in flight: ${perSecond.toFixed(0).padStart(6)}/s  p50 ${p50Ms.toFixed(1)} ms  p99 ${p99Ms.toFixed(1)} ms`;
}
