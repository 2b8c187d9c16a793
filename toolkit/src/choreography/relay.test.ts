/** The whole of it: three services, three databases, three relays, and nobody in between. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { createRelay, postgresConsumer, postgresOutboxLog } from "tripact/relay";
import { chain, initiatorOf, setupOf } from "../../test/choreography/purchase.ts";
import { openWorld, places } from "../../test/choreography/world.ts";

const world = await openWorld();
const { services } = setupOf(chain);
const purchase = initiatorOf(chain);
const relays = await Promise.all(
  places.map((place) =>
    createRelay({
      log: postgresOutboxLog({ url: world.urls[place] }),
      source: place,
      subscriptions: services.map(({ name, place: at, handle, topics }) => ({ name, topics, sink: postgresConsumer({ name, database: world.open[at], handle }) })),
    }),
  ),
);
after(async () => {
  await Promise.all(relays.map((relay) => relay.stop()));
  await world.close();
});

test("purchases that relays carry end all or nothing, whatever is refused or cancelled meanwhile", async (t) => {
  const gids = Array.from({ length: 60 }, (_, n) => `order-${n}`);
  const beganMs = performance.now();
  await Promise.all(
    gids.map(async (gid, n) => {
      await world.open.orders((db) => purchase.start(db, gid, { sku: "lamp", ...(n % 3 === 1 ? { refuse: "charge" } : {}) }));
      if (n % 3 === 2) await world.open.orders((db) => purchase.cancel(db, gid));
    }),
  );
  const outcomeOf = (gid: string) => world.open.orders((db) => purchase.outcome(db, gid));
  const deadlineMs = performance.now() + 60_000;
  let outcomes = await Promise.all(gids.map(outcomeOf));
  while (outcomes.some(({ kind }) => kind === "open") && performance.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    outcomes = await Promise.all(gids.map(outcomeOf));
  }
  t.diagnostic(`${gids.length} purchases in ${Math.round(performance.now() - beganMs)} ms`);
  for (const [n, gid] of gids.entries()) {
    assert.equal(outcomes[n]?.kind, n % 3 === 0 ? "committed" : "rolled-back", gid);
    const effects = (await Promise.all(places.map((place) => world.look(place, gid)))).flatMap((view) => view.effects);
    for (const step of ["reserve", "charge"]) {
      const count = effects.filter((effect) => effect.step === step).length;
      if (n % 3 === 0) assert.equal(count, 1, `${gid} ${step}`);
      else assert.equal(count % 2, 0, `${gid} ${step}`);
    }
    assert.deepEqual(effects.filter(({ step }) => step === "order").map(({ what }) => what), [n % 3 === 0 ? "placed h/reserve r" : "cancelled"]);
  }
});
