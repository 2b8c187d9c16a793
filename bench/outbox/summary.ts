import { spread } from "../statistics.ts";
import type { Spread } from "../statistics.ts";
import { cases } from "./cases.ts";
import type { CaseName } from "./cases.ts";
import { peers } from "./contestants.ts";
import type { OutboxContestant } from "./contestants.ts";
import type { OutboxRounds, TurnFigures } from "./rounds.ts";

/** One contestant in one case: medians over the rounds, `null` where there is no figure. */
export interface OutboxRow {
  name: string;
  case: CaseName;
  /** Messages delivered a second; without a relay, committed. */
  perSecond: number | null;
  /** Slowest and fastest round. */
  perSecondFrom: number | null;
  perSecondTo: number | null;
  commitsPerSecond: number | null;
  backlogHalf: number | null;
  backlogEnd: number | null;
  heldShare: number | null;
  /** In every round. */
  keptUp: boolean | null;
  /** Open loop: the rate that was asked for. Where `perSecond` stays behind it, commits alone could not be had that fast. */
  offeredPerSecond: number | null;
  p50Ms: number | null;
  p95Ms: number | null;
  p99Ms: number | null;
  p95MsFrom: number | null;
  p95MsTo: number | null;
  /** Consumed cases: of all rounds, messages that were not delivered soon after the last commit. */
  undelivered: number | null;
  reason?: string;
}

export function outboxRows(contestants: readonly OutboxContestant[], { byRound, reasons }: OutboxRounds): OutboxRow[] {
  return contestants.flatMap(({ name, turns }) =>
    [...new Set(turns)].map((caseName): OutboxRow => {
      const over = (figure: string): Spread | null => figureOver(byRound, { name, caseName, figure });
      const perSecond = over(cases[caseName].load === "open" ? "perSecond" : cases[caseName].consumed ? "deliveredPerSecond" : "committedPerSecond");
      const p95Ms = over("p95Ms");
      const keptUp = over("keptUp");
      const reason = reasons.get(`${name} ${caseName}`) ?? reasons.get(name);
      return {
        name,
        case: caseName,
        perSecond: perSecond?.median ?? null,
        perSecondFrom: perSecond?.min ?? null,
        perSecondTo: perSecond?.max ?? null,
        commitsPerSecond: over("commitsPerSecond")?.median ?? null,
        backlogHalf: cases[caseName].consumed ? (over("backlogHalf")?.median ?? null) : null,
        backlogEnd: cases[caseName].consumed ? (over("backlogEnd")?.median ?? null) : null,
        heldShare: over("heldShare")?.median ?? null,
        keptUp: cases[caseName].consumed && keptUp !== null ? keptUp.min === 1 : null,
        offeredPerSecond: over("offeredPerSecond")?.median ?? null,
        p50Ms: over("p50Ms")?.median ?? null,
        p95Ms: p95Ms?.median ?? null,
        p99Ms: over("p99Ms")?.median ?? null,
        p95MsFrom: p95Ms?.min ?? null,
        p95MsTo: p95Ms?.max ?? null,
        undelivered: over("undelivered")?.max ?? null,
        ...(reason === undefined ? {} : { reason }),
      };
    }),
  );
}

/** Which figure of whom. */
export interface FigureOf {
  name: string;
  caseName: CaseName;
  figure: string;
}

/** A case measured more than once in a round counts with its mean. */
function figureIn(round: readonly TurnFigures[], { name, caseName, figure }: FigureOf): number | undefined {
  const values = round
    .filter((one) => one.name === name && one.caseName === caseName)
    .map(({ figures }) => figures[figure])
    .filter((value) => value !== undefined);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A figure over all rounds, `null` when no round has it. */
export function figureOver(byRound: OutboxRounds["byRound"], figure: FigureOf): Spread | null {
  const values = byRound.map((round) => figureIn(round, figure)).filter((value) => value !== undefined);
  return values.length === 0 ? null : spread(values);
}

/** The quotient of two figures, taken within each round. `null` when no round has both. */
export function ratioOver(byRound: OutboxRounds["byRound"], upper: FigureOf, lower: FigureOf): Spread | null {
  const quotients = byRound.flatMap((round) => {
    const above = figureIn(round, upper);
    const below = figureIn(round, lower);
    return above === undefined || below === undefined || below === 0 ? [] : [above / below];
  });
  return quotients.length === 0 ? null : spread(quotients);
}

/** The producers' rate with the relay in that without: what delivering costs those who send. */
export function relayOnVsOff(byRound: OutboxRounds["byRound"]): Spread | null {
  const figure = "commitsPerSecond";
  return ratioOver(byRound, { name: "tripact", caseName: "single", figure }, { name: "tripact", caseName: "without-relay", figure });
}

/** Our delivered messages in a peer's, at its documented best, in each case that has a rate. */
export function ratiosToPeers(byRound: OutboxRounds["byRound"]): Record<string, number | null> {
  const figure = "deliveredPerSecond";
  return Object.fromEntries(
    peers.flatMap(({ key, documented }) =>
      rated.map((caseName) => {
        const name = `${caseName}Vs${key.charAt(0).toUpperCase()}${key.slice(1)}`;
        return [name, ratioOver(byRound, { name: "tripact", caseName, figure }, { name: documented, caseName, figure })?.median ?? null];
      }),
    ),
  );
}

const rated = ["single", "batched1500B", "batched200B"] as const;

/** One contestant's figures as the results file has them. */
export interface Standing {
  perSecond: Record<(typeof rated)[number], number | null>;
  latencyMs: { p50: number | null; p95: number | null; p99: number | null };
}

export function standingOf(rows: readonly OutboxRow[], contestant: string): Standing {
  const row = (caseName: CaseName): OutboxRow | undefined => rows.find((one) => one.name === contestant && one.case === caseName);
  const latency = row("latency");
  return {
    perSecond: {
      single: row("single")?.perSecond ?? null,
      batched1500B: row("batched1500B")?.perSecond ?? null,
      batched200B: row("batched200B")?.perSecond ?? null,
    },
    latencyMs: { p50: latency?.p50Ms ?? null, p95: latency?.p95Ms ?? null, p99: latency?.p99Ms ?? null },
  };
}

/** The peers' standings by key; `null` for one without any figure, its reason being among the others. */
export function peerStandings(rows: readonly OutboxRow[]): Record<string, { documented: Standing; defaults: Standing } | null> {
  const measured = new Set(rows.filter(({ perSecond }) => perSecond !== null).map(({ name }) => name));
  return Object.fromEntries(
    peers.map(({ key, documented, defaults }) => [
      key,
      measured.has(documented) || measured.has(defaults) ? { documented: standingOf(rows, documented), defaults: standingOf(rows, defaults) } : null,
    ]),
  );
}
