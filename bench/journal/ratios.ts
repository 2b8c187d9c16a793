import { ratioOver } from "../rounds.ts";
import type { Figure, Rounds } from "../rounds.ts";

/** A figure that does not depend on the machine, and what it is meant to reach. */
export interface Ratio {
  name: string;
  about: string;
  upper: Figure;
  lower: Figure;
  target?: Target;
}

export type Target = { atLeast: number } | { atMost: number };

const tripact50 = { name: "tripact", inFlight: 50 } as const;
const tripact500 = { name: "tripact", inFlight: 500 } as const;
const commit50 = { name: "plain-commit", inFlight: 50 } as const;

export const ratios: readonly Ratio[] = [
  {
    name: "vsDbos50",
    about: "sagas a second against DBOS, 50 in flight",
    upper: { ...tripact50, of: "perSecond" },
    lower: { name: "dbos", inFlight: 50, of: "perSecond" },
    target: { atLeast: 20 },
  },
  {
    name: "vsRestate50",
    about: "sagas a second against Restate, 50 in flight",
    upper: { ...tripact50, of: "perSecond" },
    lower: { name: "restate", inFlight: 50, of: "perSecond" },
    target: { atLeast: 10 },
  },
  {
    name: "vsRestateOnePartition50",
    about: "the same against Restate with one partition",
    upper: { ...tripact50, of: "perSecond" },
    lower: { name: "restate-one-partition", inFlight: 50, of: "perSecond" },
  },
  {
    name: "vsCommitPerTransition500",
    about: "what group commit gains, 500 in flight",
    upper: { ...tripact500, of: "perSecond" },
    lower: { name: "commit-per-transition", inFlight: 500, of: "perSecond" },
    target: { atLeast: 6 },
  },
  {
    name: "p99VsCommit50",
    about: "p99 of a saga, 50 in flight, in p99s of a plain commit at 50 connections",
    upper: { ...tripact50, of: "p99Ms" },
    lower: { ...commit50, of: "p99Ms" },
    target: { atMost: 3 },
  },
  {
    name: "idleP50VsCommit",
    about: "one idle saga, in idle plain commits",
    upper: { ...tripact50, of: "idleP50Ms" },
    lower: { ...commit50, of: "idleP50Ms" },
    target: { atMost: 8 },
  },
];

/** Every ratio by name: the median over the rounds of the quotient within a round. */
export function ratiosOver(rounds: Rounds): Record<string, number | null> {
  return Object.fromEntries(ratios.map(({ name, upper, lower }) => [name, ratioOver(rounds, upper, lower)?.median ?? null]));
}

export function targetText(target: Target | undefined): string {
  if (target === undefined) return "";
  return "atLeast" in target ? `>= ${target.atLeast}` : `<= ${target.atMost}`;
}

export function verdictOn(value: number | null, target: Target | undefined): "met" | "missed" | "" {
  if (value === null || target === undefined) return "";
  const met = "atLeast" in target ? value >= target.atLeast : value <= target.atMost;
  return met ? "met" : "missed";
}
