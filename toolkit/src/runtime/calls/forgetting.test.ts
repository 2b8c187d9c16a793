import assert from "node:assert/strict";
import test from "node:test";
import { createTripact, memoryStore, participant, saga } from "../../index.ts";

test("participants are told, in batches, which transactions have ended; those that keep no rows are not asked", async () => {
  const told: string[][] = [];
  const wallet = participant({
    name: "wallet",
    try: () => null,
    confirm: () => undefined,
    cancel: () => undefined,
    forget: (gids) => void told.push([...gids]),
  });
  const stock = participant({ name: "stock", action: () => null, compensate: () => undefined });
  const purchase = saga("purchase", async (tx, fails: boolean) => {
    await tx.tcc("pay", wallet, {});
    await tx.step("reserve", stock, {});
    if (fails) throw new Error("no");
  });
  const tripact = await createTripact({ store: memoryStore(), definitions: [purchase], participants: [wallet, stock], forgetBatch: 2 });
  for (const [index, fails] of [false, true, false].entries()) await tripact.run(purchase, fails, { gid: `p${index}` });
  await tripact.stop();
  assert.deepEqual(told, [["p0", "p1"], ["p2"]]);
});
