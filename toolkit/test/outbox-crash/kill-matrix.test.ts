import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { leashedFolder, removeLeashedFolder } from "@tripact/testbed";
import { cellsOf, runCells } from "./matrix.ts";
import { WarmRelays } from "./process.ts";
import { roles, type Role } from "./scenes.ts";
import { Consumer } from "./shop.ts";
import { titleOf, Track, type Cell, type TrackParts } from "./track.ts";

// For a quick look: every eighth point; or those of which a part is given, each eight times. Everything, once, is the default.
const look = process.env["TRIPACT_CRASH"] ?? "";
const chosenFrom = (cells: readonly Cell[]): readonly Cell[] => {
  if (look === "quick") return cells.filter((_, n) => n % 8 === 0);
  if (look === "") return cells;
  return cells.filter((cell) => titleOf(cell).includes(look)).flatMap((cell) => Array.from({ length: 8 }, () => cell));
};
// A restart waits for the grace of a free lock, a peer does not.
const tracksOf = { "peer alive": 3, "restart only": 4 } as const;

/** Points that were passed while they were enumerated, and never again. */
const UNREACHED_SHARE_MAX = 0.05;

const pool = new WarmRelays(6);
const folder = leashedFolder("/var/tmp/tripact-tokens-");
let consumer: Consumer;
before(async () => {
  consumer = await Consumer.open();
});
after(async () => {
  await pool.close();
  await consumer.close();
  removeLeashedFolder(folder);
});

test("a relay killed at any point: every message is applied exactly once, in the order of its key, and nothing is stuck", async (t) => {
  const beganMs = performance.now();
  const parts = { pool, consumer, folder };
  const all = await Promise.all(roles.map((role) => enumerated(role, parts)));
  const enumeratedMs = performance.now() - beganMs;
  let done = 0;
  const onDone = (): void => {
    done += 1;
    if (done % 50 === 0) console.log(`  relay kills: ${done}, ${Math.round((performance.now() - beganMs) / 1_000)} s`);
  };
  const chosen = all.map(chosenFrom);
  const found = await Promise.all(chosen.map((cells, n) => runCells(cells, parts, tracksOf[roles[n] ?? "peer alive"], onDone)));
  const violations = found.flatMap((it) => it.violations);
  const unreached = found.flatMap((it) => it.unreached);
  const tookMs = performance.now() - beganMs;
  t.diagnostic(`${roles.map((role, n) => `${chosen[n]?.length ?? 0} points × ${role}`).join(", ")}: ${violations.length} violations, ${seconds(tookMs)} (enumerated in ${seconds(enumeratedMs)})`);
  if (look !== "") t.diagnostic(`a quick look: ${all.map((cells) => cells.length).join(" + ")} points without TRIPACT_CRASH`);
  if (unreached.length > 0) t.diagnostic(`by chance nobody came by ${unreached.join("; ")}`);
  assert.deepEqual(violations, []);
  assert.ok(unreached.length <= UNREACHED_SHARE_MAX * chosen.flat().length, `${unreached.length} points were not reached`);
});

test("the alarm rings: a consumer without an inbox applies twice what a dead relay had delivered", async () => {
  const cell = { role: "peer alive", scene: "delivery", point: "after sink.deliver" } as const;
  const { violations } = await runCells([cell], { pool, consumer, folder, forgetful: true }, 1);
  assert.match(violations.join("\n"), /a message was applied 2 times/);
});

async function enumerated(role: Role, parts: TrackParts): Promise<readonly Cell[]> {
  const scout = await Track.open(parts);
  try {
    const cells = await cellsOf(scout, role);
    assert.deepEqual(await scout.violations(), [], "while the points were enumerated");
    return cells;
  } finally {
    await scout.close();
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(0)} s`;
}
