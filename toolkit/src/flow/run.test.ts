import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { Refused, saga } from "tripact";
import { eventually, gate, nodes } from "../../test/memory/nodes.ts";

const UNDO = { undo: () => undefined } as const;

describe("note 19: a flow that throws beside a pivot that is still open", () => {
  const thrown: readonly (readonly [string, Error])[] = [["an error", new Error("oops")], ["a refusal of its own", new Refused("no")]];
  for (const [what, error] of thrown) {
    it(`(${what}) parks once the pivot is done, for there is no way back any more`, async (t) => {
      const { node, database } = nodes(t);
      const [begun, waits] = [gate(), gate()];
      const definition = saga("shipping", async (tx, _: null) => {
        void tx.pivot("ship", async () => {
          begun.open();
          await waits.opened;
        });
        await begun.opened;
        throw error;
      });
      const tripact = await node({ definitions: [definition] });
      await tripact.start(definition, null, { gid: "g" });
      await begun.opened;
      await wait(10);
      waits.open();
      await eventually(() => database.transactions.get("g")?.summary.parked?.startsWith("flow-threw-after-pivot") === true, "it parks");
      // A person lets it run again; it throws again.
      await tripact.decide("g", undefined, "retry", "once more");
      await eventually(() => database.transactions.get("g")?.summary.parked?.startsWith("flow-threw-after-pivot") === true, "it parks again");
    });
  }

  it("rolls back once the pivot is refused", async (t) => {
    const { node } = nodes(t);
    const [begun, waits] = [gate(), gate()];
    const definition = saga("shipping", async (tx, _: null) => {
      void tx.pivot("ship", async () => {
        begun.open();
        await waits.opened;
        throw new Refused("closed");
      });
      await begun.opened;
      throw new Error("oops");
    });
    const tripact = await node({ definitions: [definition] });
    const end = tripact.run(definition, null, { gid: "g" });
    await begun.opened;
    waits.open();
    const outcome = await end;
    assert.deepEqual(outcome.kind === "rolled-back" ? outcome.reason.kind : outcome, "flow-threw");
  });
});

describe("a replay that waits for something of its own", () => {
  it("gets the time of an op to come to a branch, as it did before the crash", async (t) => {
    const { node } = nodes(t);
    const [begun, hangs] = [gate(), gate()];
    const definition = (first: boolean) => saga("unzipping", async (tx, n: number) => {
      // Deterministic, and nothing that a journal should hold: unzipping, hashing, a module that is loaded.
      await wait(first ? 1 : 60);
      const a = await tx.step("a", () => n, UNDO);
      await wait(first ? 1 : 60);
      return await tx.step("b", async () => {
        begun.open();
        if (first) await hangs.opened;
        return a + 1;
      }, UNDO);
    });
    const [mine, theirs] = [definition(true), definition(false)];
    const one = await node({ definitions: [mine] });
    await one.start(mine, 1, { gid: "g" });
    await begun.opened;
    await one.stop();
    const other = await node({ definitions: [theirs] });
    await eventually(async () => ((await other.outcome("g")) as { parked?: string }).parked !== undefined || (await other.outcome("g")).kind === "committed", "it ends, or parks");
    assert.deepEqual(await other.outcome("g"), { kind: "committed", gid: "g", result: 2 });
    hangs.open();
  });
});
