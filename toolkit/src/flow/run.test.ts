import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { participant, Refused, saga } from "tripact";
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

describe("a flow that returns without waiting for a pivot that is still queued", () => {
  it("commits with it, for it was asked for", async (t) => {
    const { node, journal } = nodes(t);
    const { opened: waits, open } = gate();
    let shipped = 0;
    const definition = saga("shipping", async (tx, _: null) => {
      void tx.step("pack", () => waits, UNDO);
      void tx.pivot("ship", () => {
        shipped += 1;
      });
      void tx.step("thank", () => 1, { undo: "nothing" });
      return "sent";
    });
    const tripact = await node({ definitions: [definition] });
    const end = tripact.run(definition, null, { gid: "g" });
    await eventually(() => journal("g").some((event) => event.kind === "registered"), "the step is registered");
    open();
    assert.deepEqual(await end, { kind: "committed", gid: "g", result: "sent" });
    assert.equal(shipped, 1);
    assert.deepEqual(journal("g").filter((event) => event.kind === "done").map((event) => "branch" in event && event.branch), ["pack", "ship", "thank"]);
  });

  it("rolls back if what it stands behind is refused", async (t) => {
    const { node } = nodes(t);
    let shipped = 0;
    const definition = saga("shipping", async (tx, _: null) => {
      void tx.step("pack", () => Promise.reject(new Refused("broken")), UNDO);
      void tx.pivot("ship", () => {
        shipped += 1;
      });
    });
    const tripact = await node({ definitions: [definition] });
    const outcome = await tripact.run(definition, null, { gid: "g" });
    assert.deepEqual([outcome.kind, shipped], ["rolled-back", 0]);
  });

  it("parks if what is queued behind a pivot cannot follow one", async (t) => {
    const { node, database } = nodes(t);
    const wallet = participant({ name: "wallet", try: () => 1, confirm: () => undefined, cancel: () => undefined });
    const definition = saga("shipping", async (tx, _: null) => {
      void tx.pivot("ship", () => 1);
      void tx.tcc("pay", wallet, null);
    });
    const tripact = await node({ definitions: [definition], participants: [wallet] });
    await tripact.start(definition, null, { gid: "g" });
    await eventually(() => database.transactions.get("g")?.summary.parked?.startsWith("flow-threw-after-pivot") === true, "it parks");
  });

  it("goes on with it after a takeover", async (t) => {
    const { node, journal } = nodes(t);
    const { opened: waits, open } = gate();
    let shipped = 0;
    const definition = (first: boolean) => saga("shipping", async (tx, _: null) => {
      void tx.step("pack", () => (first ? waits : Promise.resolve()), UNDO);
      void tx.pivot("ship", () => {
        shipped += 1;
      });
    });
    const [mine, theirs] = [definition(true), definition(false)];
    const a = await node({ definitions: [mine] });
    await a.start(mine, null, { gid: "g" });
    await eventually(() => journal("g").some((event) => event.kind === "registered"), "the step is registered");
    await a.stop();
    const b = await node({ definitions: [theirs] });
    assert.equal((await b.run(theirs, null, { gid: "g" })).kind, "committed");
    open();
    assert.equal(shipped, 1);
  });
});
