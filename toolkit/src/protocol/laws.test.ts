import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeLives } from "../../test/protocol/check.ts";
import { laws } from "../../test/protocol/laws.ts";
import { seed } from "../../test/protocol/seed.ts";
import type { Protocol, Run } from "../../test/protocol/world.ts";
import { decide } from "./decide.ts";
import { evolve } from "./evolve.ts";

const runs = Number(process.env["TRIPACT_RUNS"] ?? 600);
const protocol: Protocol = { evolve, decide };

for (const law of laws) {
  test(law.name, () => {
    try {
      judgeLives(protocol, (run) => law.holds(run, protocol), { seed, runs });
    } catch (error) {
      const line = `TRIPACT_SEED=${seed} TRIPACT_RUNS=${runs} npx node --test toolkit/src/protocol/laws.test.ts`;
      throw new Error(`${error instanceof Error ? error.message : String(error)}\nAgain with: ${line}`, { cause: error });
    }
  });
}

// A law that never meets its case holds of everything.
test("the random lives reach every corner that the laws speak of", () => {
  const seen = new Set<string>();
  judgeLives(protocol, (run) => cornersOf(run).forEach((corner) => seen.add(corner)), { seed: 1, runs: 4_000 });
  assert.deepEqual(corners.filter((corner) => !seen.has(corner)), []);
});

const corners = [
  "attempted", "commit-requested", "deadline-reached", "decided", "done", "emitted", "operator-decided", "parked", "pending",
  "recovered", "refused", "registered", "roll-back-requested", "started",
  "pivot parked: pivot-in-doubt",
  "a second-phase op is late",
  "committed: pivot done", "committed: pivot refused", "committed: sql done", "committed: sql refused", "committed: step done",
  "committed: step refused", "committed: step closed after refused", "committed: tcc closed after done",
  "committed: tcc closed after refused", "committed: tcc refused", "committed: timer done",
  "rolled-back: attempts-spent", "rolled-back: cancelled", "rolled-back: deadline", "rolled-back: flow-threw",
  "rolled-back: refused", "rolled-back: reservation-expired",
  "rolled-back: pivot refused", "rolled-back: sql closed after done", "rolled-back: sql closed after unknown",
  "rolled-back: step closed after done", "rolled-back: step closed after refused", "rolled-back: step closed after unknown",
  "rolled-back: step refused", "rolled-back: tcc closed after done", "rolled-back: tcc closed after refused",
  "rolled-back: tcc closed after unknown", "rolled-back: tcc refused",
];

function cornersOf({ journal, final }: Run): string[] {
  const branches = "branches" in final ? final.branches : [];
  const states = journal.flatMap(({ after }) => ("branches" in after ? after.branches.map((branch) => ({ ...branch, of: after.kind })) : []));
  return [
    ...journal.map(({ event }) => event.kind),
    ...states.flatMap(({ offer, phase }) => (phase.kind === "parked" ? [`${offer.kind} parked: ${phase.reason}`] : [])),
    ...states.flatMap(({ late, of }) => (late && of !== "forward" ? ["a second-phase op is late"] : [])),
    ...("reason" in final ? [`${final.kind}: ${final.reason.kind}`] : []),
    ...branches.map(({ offer, phase }) => `${final.kind}: ${offer.kind} ${phase.kind}${"forward" in phase ? ` after ${phase.forward.kind}` : ""}`),
  ];
}
