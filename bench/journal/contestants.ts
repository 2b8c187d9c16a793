import { peerContestants } from "../peers/contestants.ts";
import type { Contestant } from "../turn.ts";

/** More connections than this only queue; a default Postgres would refuse them from 100 on. */
export const mostConnections = 90;

const ours = new URL("ours.ts", import.meta.url);

/** Everybody who runs in the rounds. */
export function journalContestants(inFlight: number[]): Contestant[] {
  return [
    { name: "tripact", about: "our coordinator, defaults, level strict", runner: ours, inFlight },
    { name: "commit-per-transition", about: "(a) the same without group commit", runner: ours, variant: "commit-per-transition", inFlight },
    {
      name: "plain-commit",
      about: `(b) single-row inserts, a connection each, at most ${mostConnections}`,
      runner: new URL("plain-commits.ts", import.meta.url),
      inFlight: [...new Set(inFlight.map((level) => Math.min(level, mostConnections)))],
    },
    ...peerContestants(inFlight).filter(({ name }) => name !== "dbos-queue"),
  ];
}

/** What is measured once, beside the rounds: each prints one figure. */
export function singleFigures(): Contestant[] {
  return [
    { name: "rssMb10000", about: "resident memory with 10,000 open transactions", runner: new URL("open-transactions.ts", import.meta.url), inFlight: [10_000] },
    { name: "protocolEventsPerSecond", about: "events a second of the pure protocol", runner: new URL("protocol-events.ts", import.meta.url), inFlight: [1] },
  ];
}
