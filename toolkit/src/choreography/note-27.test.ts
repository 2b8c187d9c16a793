/** Note 27: the holes of choreography, each made on purpose and seen by the same walk over all orders that the real one passes. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { inboxAlone, trackerThatActs, twoDeciders } from "../../test/choreography/broken.ts";
import { explore } from "../../test/choreography/explore.ts";
import { chain, setupOf, type Setup } from "../../test/choreography/purchase.ts";
import { openWorld } from "../../test/choreography/world.ts";

const world = await openWorld();
after(() => world.close());

async function violationsOf(setup: Setup, until?: RegExp): Promise<readonly string[]> {
  // A watcher leaves overdue sagas behind, and the next walk's sweep would begin with those.
  await world.query("orders", "truncate tripact.choreography", []);
  return (await explore(world, setup, { sku: "lamp" }, { wishes: ["deadline"], ...(until === undefined ? {} : { until }) })).violations;
}

test("note 27: with barrier and tombstones a forward event that comes after its undo is refused, and one row decides", async () => {
  assert.deepEqual(await violationsOf(setupOf(chain)), []);
});

const holes = {
  "note 27: with the inbox alone a late forward event is applied after its compensation": { setup: inboxAlone, says: /rolled-back, and what is left is: .*action/ },
  "note 27: a tracker that acts undoes what the initiator commits": { setup: trackerThatActs, says: /decided twice: committed, and undone/ },
  "note 27: of two deciders one commits what the other undoes": { setup: twoDeciders, says: /decided twice: committed, and undone/ },
} as const;

for (const [name, { setup, says }] of Object.entries(holes)) {
  test(`${name}: caught`, async (t) => {
    const violation = (await violationsOf(setup(), says)).find((each) => says.test(each));
    assert.ok(violation !== undefined, "nothing was found");
    t.diagnostic(violation);
  });
}
