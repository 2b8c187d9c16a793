import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { participant, plan, resultOf, saga } from "tripact";
import { answers, testSaga } from "tripact/testing";
import { eventually, gate, nodes } from "../../test/memory/nodes.ts";

const UNDO = { undo: () => undefined } as const;

/** A saga that waits in its step until told, and says so. */
function waiting() {
  const [begun, waits] = [gate(), gate()];
  const definition = saga("waiting", async (tx, _: null) => {
    await tx.step("wait", async () => {
      begun.open();
      await waits.opened;
    }, UNDO);
    return "through";
  });
  return { begun, waits, definition };
}

describe("note 22: cancel", () => {
  it("before the decision rolls back, whichever node is asked, and says so", async (t) => {
    for (const asked of [0, 1]) {
      const { node } = nodes(t);
      const { definition, begun, waits } = waiting();
      const both = [await node({ definitions: [definition] }), await node({ definitions: [definition] })];
      await both[0]!.start(definition, null, { gid: "g" });
      await begun.opened;
      const outcome = await both[asked]!.cancel("g", "ann");
      assert.notEqual(outcome.kind, "committed");
      const end = await both[0]!.run(definition, null, { gid: "g" });
      assert.deepEqual(end.kind === "rolled-back" ? end.reason : end, { kind: "cancelled", by: "ann" });
      waits.open();
    }
  });

  it("after the decision has no effect and says who won", async (t) => {
    const { node, journal } = nodes(t);
    const quick = saga("quick", async (_tx, _: null) => "done");
    const [here, there] = [await node({ definitions: [quick] }), await node({ definitions: [quick] })];
    await here.run(quick, null, { gid: "g" });
    for (const tripact of [here, there]) assert.deepEqual(await tripact.cancel("g"), { kind: "committed", gid: "g", result: "done" });
    assert.ok(!journal("g").some((event) => event.kind === "roll-back-requested"));
  });

  it("that races the commit from another node gets the answer that stands, every time", async (t) => {
    const { node } = nodes(t);
    const quick = saga("quick", async (tx, _: number) => await tx.step("a", () => 1, UNDO));
    const [here, there] = [await node({ definitions: [quick] }), await node({ definitions: [quick] })];
    const told = new Map<string, number>();
    await Promise.all(
      Array.from({ length: 60 }, async (_, n) => {
        const gid = `g${n}`;
        await here.start(quick, n, { gid });
        const answer = await there.cancel(gid);
        const end = await here.run(quick, n, { gid });
        const said = answer.kind === "open" ? (answer.phase === "rolling-back" ? "rolled-back" : "committed") : answer.kind;
        assert.equal(said, end.kind);
        told.set(said, (told.get(said) ?? 0) + 1);
      }),
    );
    assert.equal([...told.values()].reduce((sum, count) => sum + count, 0), 60);
  });
});

describe("a deadline", () => {
  it("rolls back what is not decided by then, and is a journaled event, not a reading of the clock", async () => {
    const slow = saga("slow", async (tx, _: null) => {
      await tx.step("a", () => 1, UNDO);
      await tx.sleep(10_000);
      await tx.step("b", () => 1, UNDO);
    });
    await testSaga(slow).when(null, { deadlineMs: 5_000 }).expect({ rolledBack: { kind: "deadline" }, calls: ["a.action", "a.compensate"] });
    await testSaga(slow).when(null, { deadlineMs: 15_000 }).expect({ calls: ["a.action", "b.action"] });
  });

  it("after the decision has no effect", async () => {
    const wallet = participant({ name: "wallet", try: () => 1, confirm: () => undefined, cancel: () => undefined });
    const paying = saga("paying", { deadlineMs: 5_000 }, async (tx, _: null) => await tx.tcc("pay", wallet, null));
    const confirm = answers.inOrder(answers.pending(20_000), answers.done());
    await testSaga(paying).given({ pay: { try: answers.done(1), confirm } }).when(null).expect({ committed: 1 });
  });
});

describe("note 5: the expiry of a reservation", () => {
  const wallet = participant({ name: "wallet", try: () => 1, confirm: () => undefined, cancel: () => undefined });
  const paying = (expiresAfterMs: number) => saga("paying", async (tx, sleepMs: number) => {
    await tx.tcc("pay", wallet, null, { expiresAfterMs });
    await tx.sleep(sleepMs);
  });

  it("bounds the decision: commit is journaled only well before it, else roll back is", async () => {
    await testSaga(paying(60_000)).when(50_000).expect({ calls: ["pay.try", "pay.confirm"] });
    // 58 s is before the expiry, and less than the margin before it.
    await testSaga(paying(60_000)).when(58_000).expect({ rolledBack: { kind: "reservation-expired", branch: "pay" }, calls: ["pay.try", "pay.cancel"] });
  });

  it("is asked for by the participant, which is told the decision: roll back, if nothing was decided yet", async (t) => {
    const { node } = nodes(t);
    const { definition, begun, waits } = waiting();
    const [here, there] = [await node({ definitions: [definition] }), await node({ definitions: [definition] })];
    await here.start(definition, null, { gid: "g" });
    await begun.opened;
    assert.equal((await there.outcome("g")).kind, "open");
    const decided = await there.outcome("g", { expiredBranch: "wait" });
    assert.ok(decided.kind === "rolled-back" || (decided.kind === "open" && decided.phase === "rolling-back"), JSON.stringify(decided));
    const end = await here.run(definition, null, { gid: "g" });
    assert.deepEqual(end.kind === "rolled-back" ? end.reason : end, { kind: "reservation-expired", branch: "wait" });
    waits.open();
  });

  it("changes nothing where the commit was decided before", async (t) => {
    const { node } = nodes(t);
    const quick = saga("quick", async (_tx, _: null) => "done");
    const tripact = await node({ definitions: [quick] });
    await tripact.run(quick, null, { gid: "g" });
    assert.deepEqual(await tripact.outcome("g", { expiredBranch: "pay" }), { kind: "committed", gid: "g", result: "done" });
  });
});

describe("a plan", () => {
  it("passes results on, runs side by side what stands together, and sends its messages with the commit", async (t) => {
    const { node, database } = nodes(t);
    const bothBegun = gate();
    let begun = 0;
    const both = async (): Promise<void> => {
      begun += 1;
      if (begun === 2) bothBegun.open();
      await bothBegun.opened;
    };
    const stock = participant({ name: "stock", action: (_call, input: { readonly units: number }) => ({ id: `hold-${input.units}` }), compensate: () => undefined });
    const seen: string[] = [];
    const wallet = participant({
      name: "wallet",
      try: async (_call, input: { readonly hold: string }) => {
        await both();
        seen.push(input.hold);
      },
      confirm: () => undefined,
      cancel: () => undefined,
    });
    const tripact = await node({ participants: [stock, wallet] });
    const data = plan({ stock, wallet })
      .step("reserve", "stock", { units: 2 })
      .together((side) => side.tcc("pay", "wallet", { hold: resultOf("reserve", "/id") }).tcc("fee", "wallet", { hold: resultOf("reserve", "/id") }))
      .emit("placed", { key: "k", payload: 1 })
      .build();
    assert.equal((await tripact.runPlan(data, { gid: "p" })).kind, "committed");
    assert.deepEqual(seen, ["hold-2", "hold-2"]);
    assert.deepEqual(database.outbox.map(({ topic }) => topic), ["placed"]);
    assert.equal((await tripact.startPlan(data, { gid: "p" })).attached, true);
    await assert.rejects(tripact.startPlan(plan({ stock }).step("reserve", "stock", { units: 3 }).build(), { gid: "p" }), { code: "conflicting-gid" });
  });
});

describe("taking over", () => {
  it("note 11: only a node that runs the definition's version takes its transactions; what nobody runs waits, visibly, and is never parked", async (t) => {
    const { node, database } = nodes(t);
    const begun = gate();
    const hangs = gate();
    const v1 = (hang: boolean) => saga("flow", { version: "1" }, async (tx, _: null) => await tx.step("a", async () => {
      begun.open();
      if (hang) await hangs.opened;
      return "v1";
    }, UNDO));
    const v2 = saga("flow", { version: "2" }, async (tx, _: null) => await tx.step("b", () => "v2", UNDO));
    const [old, rolled] = [v1(true), v1(false)];
    const first = await node({ definitions: [old] });
    const second = await node({ definitions: [v2] });
    await first.start(old, null, { gid: "g" });
    await begun.opened;
    await first.stop();
    // It finishes a transaction of its own, and may have looked for orphans many times since.
    for (let n = 0; n < 5; n += 1) await second.run(v2, null, { gid: `other-${n}` });
    await eventually(async () => (await second.health()).journal?.unclaimed === 1, "it is seen to wait");
    assert.equal(database.transactions.get("g")?.summary.parked, undefined);
    assert.deepEqual((await second.list({ state: "unclaimed" })).map(({ gid }) => gid), ["g"]);
    // The same promise, asked for by newer code, is still the same promise.
    assert.equal((await second.start(v2, null, { gid: "g" })).attached, true);
    const third = await node({ definitions: [rolled] });
    assert.deepEqual(await third.run(rolled, null, { gid: "g" }), { kind: "committed", gid: "g", result: "v1" });
    hangs.open();
  });

  it("of a node that is found dead: fenced, finished elsewhere, and its later writes are refused", async (t) => {
    const { node, database, dropLockOf, notices } = nodes(t);
    const [begun, hangs] = [gate(), gate()];
    let calls = 0;
    const definition = saga("flow", async (tx, _: null) => {
      const first = await tx.step("a", async () => {
        calls += 1;
        if (calls > 1) return calls;
        begun.open();
        await hangs.opened;
        return 1;
      }, UNDO);
      return await tx.step("b", () => first, UNDO);
    });
    const a = await node({ definitions: [definition], opTimeoutMs: 60_000 });
    await a.start(definition, null, { gid: "g" });
    await begun.opened;
    const { incarnation } = await a.health();
    const b = await node({ definitions: [definition] });
    await dropLockOf(a);
    assert.deepEqual(await b.run(definition, null, { gid: "g" }), { kind: "committed", gid: "g", result: 2 });
    hangs.open();
    await eventually(async () => (await a.health()).incarnation !== incarnation, "it begins anew, as somebody else");
    assert.ok(notices.some((notice) => notice.kind === "node-lost" && notice.incarnation === incarnation && notice.by === "lock"));
    const owners = database.transactions.get("g")?.entries.map(({ epoch, owner }) => ({ epoch, isOld: owner === incarnation })) ?? [];
    assert.ok(owners.every(({ epoch, isOld }) => isOld === (epoch === 1)), JSON.stringify(owners));
    // As somebody else, it is a node like any other.
    assert.equal((await a.run(definition, null, { gid: "h" })).kind, "committed");
  });
});
