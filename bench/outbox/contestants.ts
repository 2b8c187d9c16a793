import { whyMissing } from "../peers/install.ts";
import type { Contestant } from "../turn.ts";
import { cases, connections } from "./cases.ts";
import type { Case, CaseName } from "./cases.ts";

/** Who carries messages, and which cases it is measured in, in this order. `single` comes before `latency`, which needs its rate. */
export interface OutboxContestant {
  name: string;
  about: string;
  runner: URL;
  variant: string;
  turns: readonly CaseName[];
  missing: string | undefined;
}

/** Where a peer's figures stand in the results file. */
export interface Peer {
  key: string;
  packageName: string;
  documented: string;
  defaults: string;
}

export const peers: readonly Peer[] = [
  { key: "graphileWorker", packageName: "graphile-worker", documented: "graphile-worker", defaults: "graphile-worker-defaults" },
  { key: "pgBoss", packageName: "pg-boss", documented: "pg-boss", defaults: "pg-boss-defaults" },
];

const consumed: readonly CaseName[] = ["single", "batched1500B", "batched200B", "latency"];

export function outboxContestants(): OutboxContestant[] {
  const ours: OutboxContestant = {
    name: "tripact",
    about: "our outbox and relay, defaults",
    runner: new URL("ours.ts", import.meta.url),
    variant: "defaults",
    // Before and after: whatever the machine does meanwhile, the relay stands between.
    turns: ["without-relay", "single", "without-relay", "batched1500B", "batched200B", "latency"],
    missing: undefined,
  };
  return [
    ours,
    ...peers.flatMap(({ packageName, documented, defaults }) => {
      const runner = new URL(`../peers/${packageName}.ts`, import.meta.url);
      const missing = whyMissing(packageName);
      return [
        { name: documented, about: `${packageName}, set up for throughput as its documents say`, runner, variant: "documented", turns: consumed, missing },
        { name: defaults, about: `${packageName}, defaults`, runner, variant: "defaults", turns: consumed, missing },
      ];
    }),
  ];
}

/** The same as somebody who can take a turn. `perSecond`: of an open loop. */
export function turnOf({ name, about, runner, variant }: OutboxContestant, { name: caseName }: Case, perSecond: number | undefined): Contestant {
  const rate = perSecond === undefined ? [] : [`--per-second=${perSecond}`];
  return { name, about, runner, variant, inFlight: [connections], args: [`--case=${caseName}`, ...rate] };
}

export function aboutCases(): string[] {
  return Object.values(cases).map(({ name, about }) => `  ${name}: ${about}`);
}
