import type { Contestant } from "../turn.ts";
import { whyMissing } from "./install.ts";

/**
 * The peers, each as it comes and once more in the setting that makes the largest difference. `dbos` and `restate`
 * are configured by default, as Postgres and we are; the others are there so that nobody has to wonder.
 */
export function peerContestants(inFlight: number[]): Contestant[] {
  const dbos = { runner: new URL("dbos.ts", import.meta.url), missing: whyMissing("@dbos-inc/dbos-sdk") };
  const restate = { runner: new URL("restate.ts", import.meta.url), missing: whyMissing("@restatedev/restate-server") };
  return [
    { ...dbos, name: "dbos", about: "DBOS, workflows called directly, on the same Postgres", inFlight },
    { ...dbos, name: "dbos-queue", about: "DBOS, workflows started through a queue", variant: "queue", inFlight: inFlight.slice(0, 1) },
    { ...restate, name: "restate", about: "Restate, one node, 24 partitions (its default)", inFlight },
    { ...restate, name: "restate-one-partition", about: "Restate, one node, one partition", variant: "1", inFlight },
  ];
}
