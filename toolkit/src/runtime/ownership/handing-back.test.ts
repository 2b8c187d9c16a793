import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { participant, plan, Refused } from "tripact";
import { eventually, gate, nodes } from "../../../test/memory/nodes.ts";

const stockWith = (action: () => unknown) => participant({ name: "stock", action: async (_call, _units: number) => (await action()) as number, compensate: () => undefined });
const data = plan({ stock: stockWith(() => 1) }).step("reserve", "stock", 1).build();

describe("note 11: a plan whose participant only another node reaches", () => {
  it("is nobody's after a takeover, visible and not parked, until that node is back", async (t) => {
    const { node, database, journal, notices, dropLockOf } = nodes(t);
    const begun = gate();
    const a = await node({
      participants: [
        stockWith(() => {
          begun.open();
          return new Promise(() => undefined);
        }),
      ],
    });
    await a.startPlan(data, { gid: "g" });
    await begun.opened;
    const b = await node();
    await dropLockOf(a);
    await a.stop();
    await eventually(async () => (await b.list({ state: "unclaimed" })).some(({ gid }) => gid === "g"), "it is unclaimed");
    assert.ok(notices.some((notice) => notice.kind === "handed-back" && notice.participant === "stock"));
    assert.deepEqual(await b.list({ state: "parked" }), []);
    // It leaves it alone now: no claim a poll, no entry a claim.
    const { epoch, seq } = { ...database.transactions.get("g") };
    await wait(100);
    assert.deepEqual([database.transactions.get("g")?.epoch, database.transactions.get("g")?.seq], [epoch, seq]);
    assert.equal(b.ready(), true);

    const again = await node({ participants: [stockWith(() => 1)] });
    assert.deepEqual(await b.runPlan(data, { gid: "g" }).catch((error: unknown) => error instanceof Error && error.message), "This node cannot reach stock. [reserve] Register it, or allow its host.");
    assert.deepEqual(await again.runPlan(data, { gid: "g" }), { kind: "committed", gid: "g", result: { reserve: 1 } });
    assert.ok(!journal("g").some((event) => event.kind === "parked"));
  });

  it("is undone by the node that can, when the other holds it in its second phase", async (t) => {
    const { node, database, journal } = nodes(t);
    const [undoing, compensated] = [gate(), { count: 0 }];
    const wallet = participant({ name: "wallet", action: (_call, _cents: number) => Promise.reject(new Refused("empty")), compensate: () => undefined });
    const stock = (hangs: boolean) => participant({
      name: "stock",
      action: (_call, _units: number) => 1,
      compensate: () => {
        undoing.open();
        if (hangs) return new Promise(() => undefined);
        compensated.count += 1;
        return undefined;
      },
    });
    const both = plan({ stock: stock(false), wallet }).step("reserve", "stock", 1).step("pay", "wallet", 1).build();
    const a = await node({ participants: [stock(true), wallet] });
    await a.startPlan(both, { gid: "g" });
    await undoing.opened;
    const b = await node({ participants: [wallet] });
    await a.stop();
    await eventually(async () => (await b.list({ state: "unclaimed" })).length === 1, "it is unclaimed");
    await node({ participants: [stock(false), wallet] });
    await eventually(() => database.transactions.get("g")?.summary.ended === true, "it ends");
    assert.equal(database.transactions.get("g")?.summary.status, "rolled-back");
    assert.equal(compensated.count, 1);
    assert.ok(!journal("g").some((event) => event.kind === "parked"));
  });
});
