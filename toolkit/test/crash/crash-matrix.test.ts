import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { leashedFolder, removeLeashedFolder } from "@tripact/testbed";
import { Lane } from "./lane.ts";
import { interruptions, roles, runCells } from "./matrix.ts";
import { hostParticipants, type Participants } from "./participants.ts";
import { WarmPool } from "./process.ts";

// For a quick look: every eighth interruption. Everything is the default.
const every = process.env["TRIPACT_CRASH"] === "quick" ? 8 : 1;
// A restart waits for the grace of a free lock, a peer does not.
const lanesOf = { "peer alive": 2, "restart only": 3 } as const;

const pool = new WarmPool(4);
const folder = leashedFolder("/var/tmp/tripact-tokens-");
let participants: Participants;
before(async () => {
  participants = await hostParticipants();
});
after(async () => {
  await pool.close();
  await participants.close();
  removeLeashedFolder(folder);
});

test("a coordinator killed at any point leaves every effect exactly once, and nothing stuck", async (t) => {
  const parts = { pool, participants, folder };
  const scout = await Lane.open(parts);
  const all = await interruptions(scout);
  const unharmed = await scout.violations();
  await scout.close();
  assert.deepEqual(unharmed, [], "while the points were enumerated");

  const chosen = all.filter((_, n) => n % every === 0);
  let done = 0;
  const onDone = (): void => {
    done += 1;
    if (done % 100 === 0) console.log(`  crash matrix: ${done} of ${chosen.length * roles.length}`);
  };
  const ofRoles = roles.map((role) => runCells(chosen.map((it) => ({ role, ...it })), parts, lanesOf[role], onDone));
  const violations = (await Promise.all(ofRoles)).flat();
  t.diagnostic(`${chosen.length} points × ${roles.length} roles, ${violations.length} violations`);
  if (chosen.length < all.length) t.diagnostic(`a quick look: ${all.length} points without TRIPACT_CRASH=quick`);
  assert.deepEqual(violations, []);
});

test("the alarm rings: participants without the barrier are caught", async () => {
  const unguarded = await hostParticipants(false);
  try {
    const cell = { role: "peer alive", shape: "saga", first: "after call ship.action" } as const;
    const violations = await runCells([cell], { pool, participants: unguarded, folder }, 1);
    assert.match(violations.join("\n"), /effects at the participants: .*ship\.action, ship\.action/);
  } finally {
    await unguarded.close();
  }
});
