/** All delivery orders, all duplicates, a crash before each commit; and the proof that the checks ring. Effects are counted in three databases. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { explore } from "../../test/choreography/explore.ts";
import { chain, setupOf, sideBySide } from "../../test/choreography/purchase.ts";
import { openWorld } from "../../test/choreography/world.ts";

const world = await openWorld();
after(() => world.close());

const nothing = "rolled-back: order cancelled";
const committed = "committed: order placed h/reserve r, reserve action, charge action";
const both = "rolled-back: order cancelled, reserve action, reserve undo h/reserve, charge action, charge undo r";
const onlyReserve = "rolled-back: order cancelled, reserve action, reserve undo h/reserve";
const onlyCharge = "rolled-back: order cancelled, charge action, charge undo r";

// A walk that never meets its case holds of everything: so every end is named, and there is no other.
const walks = [
  { name: "one after the other", definition: chain, refuse: undefined, ends: [committed, nothing, onlyReserve, both] },
  { name: "one after the other", definition: chain, refuse: "reserve", ends: [nothing] },
  { name: "one after the other", definition: chain, refuse: "charge", ends: [nothing, onlyReserve] },
  { name: "side by side", definition: sideBySide, refuse: undefined, ends: [committed, nothing, onlyReserve, onlyCharge, both] },
  { name: "side by side", definition: sideBySide, refuse: "reserve", ends: [nothing, onlyCharge] },
  { name: "side by side", definition: sideBySide, refuse: "charge", ends: [nothing, onlyReserve] },
] as const;

for (const { name, definition, refuse, ends } of walks) {
  const title = refuse === undefined ? "nothing is refused" : `${refuse} is refused`;
  test(`two steps ${name}, ${title}: every order, every duplicate, cancel and deadline at any time, a crash before each commit`, async (t) => {
    const found = await explore(world, setupOf(definition), { sku: "lamp", ...(refuse === undefined ? {} : { refuse }) }, { wishes: ["cancel", "deadline"] });
    assert.deepEqual(found.violations, []);
    assert.deepEqual([...found.ends].toSorted(), [...ends].toSorted());
    t.diagnostic(`${found.states} states, ${found.commits} commits`);
  });
}
