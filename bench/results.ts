import { writeFile } from "node:fs/promises";
import { machineText } from "./machine.ts";
import type { Machine } from "./machine.ts";
import { figureOver } from "./rounds.ts";
import type { Rounds } from "./rounds.ts";
import { figureText, textTable } from "./table.ts";
import type { Contestant } from "./turn.ts";

/** One contestant at one level: medians over the rounds, `null` with a reason where there is no figure. */
export interface ResultRow {
  name: string;
  inFlight: number;
  perSecond: number | null;
  p50Ms: number | null;
  p99Ms: number | null;
  idleP50Ms: number | null;
  /** Slowest and fastest round. */
  perSecondFrom: number | null;
  perSecondTo: number | null;
  reason?: string;
}

export function resultRows(contestants: readonly Contestant[], rounds: Rounds): ResultRow[] {
  return contestants.flatMap(({ name, inFlight: levels }) =>
    levels.map((inFlight) => {
      const perSecond = figureOver(rounds, { name, inFlight, of: "perSecond" });
      const reason = rounds.reasons.get(`${name} at ${inFlight}`) ?? rounds.reasons.get(name);
      return {
        name,
        inFlight,
        perSecond: perSecond?.median ?? null,
        p50Ms: figureOver(rounds, { name, inFlight, of: "p50Ms" })?.median ?? null,
        p99Ms: figureOver(rounds, { name, inFlight, of: "p99Ms" })?.median ?? null,
        idleP50Ms: figureOver(rounds, { name, inFlight, of: "idleP50Ms" })?.median ?? null,
        perSecondFrom: perSecond?.min ?? null,
        perSecondTo: perSecond?.max ?? null,
        ...(reason === undefined ? {} : { reason }),
      };
    }),
  );
}

export function resultsText(contestants: readonly Contestant[], rows: readonly ResultRow[], machine: Machine): string {
  const abouts = contestants.map(({ name, about, missing }) => `  ${name}: ${about}${missing === undefined ? "" : ` (not measured: ${missing})`}`);
  const table = textTable(
    ["", "in flight", "per second", "rounds", "p50 ms", "p99 ms", "idle p50 ms"],
    rows.map((row) => [
      row.name,
      String(row.inFlight),
      figureText(row.perSecond),
      row.perSecondFrom === null ? "" : `${figureText(row.perSecondFrom)}..${figureText(row.perSecondTo)}`,
      figureText(row.p50Ms),
      figureText(row.p99Ms),
      figureText(row.idleP50Ms),
    ]),
  );
  return ["", machineText(machine), ...abouts, "", table, ""].join("\n");
}

/** Writes a results file. Three decimals: more would claim a precision that no round has. */
export async function writeResults(path: string, results: object): Promise<void> {
  const rounded = (_key: string, value: unknown): unknown => (typeof value === "number" ? Math.round(value * 1000) / 1000 : value);
  await writeFile(path, `${JSON.stringify(results, rounded, 2)}\n`);
}
