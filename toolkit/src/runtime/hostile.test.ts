import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { participant, Pause, Pending, plan, Refused, saga, type Json } from "tripact";
import { eventually, gate, nodes } from "../../test/memory/nodes.ts";

const UNDO = { undo: () => undefined } as const;
/** What no compiler stops in a program that is not all TypeScript, and what `JSON.stringify` throws at. */
const NOT_JSON = { n: 1n } as unknown as Json;
const quick = saga("quick", async (tx, n: number) => await tx.step("a", () => n, UNDO));

describe("one transaction with data that is not JSON", () => {
  const refusing = saga("refusing", async (tx, _: null) => await tx.step("a", () => Promise.reject(new Refused("no", NOT_JSON)), UNDO));
  const refusingItself = saga("refusing-itself", async (_tx, _: null) => Promise.reject(new Refused("no", NOT_JSON)));
  const emitting = saga("emitting", async (tx, _: null) => await tx.emit("t", { key: "k", payload: 1, headers: { n: 1n as unknown as string } }));

  for (const bad of [refusing, refusingItself, emitting]) {
    it(`(${bad.definition}) rolls back, and holds up no other`, async (t) => {
      const { node } = nodes(t);
      const tripact = await node({ definitions: [bad, quick] });
      const ends = [tripact.run(bad, null, { gid: "bad" }), ...[1, 2, 3].map((n) => tripact.run(quick, n, { gid: `good-${n}` }))];
      assert.deepEqual((await Promise.all(ends)).map(({ kind }) => kind), ["rolled-back", "committed", "committed", "committed"]);
    });
  }

  it("keeps of a refusal what is JSON, live and in the journal alike", async (t) => {
    const { node, journal } = nodes(t);
    const details = { why: "sold out", left: 0 };
    const definition = saga("refused", async (tx, _: null) => await tx.step("a", () => Promise.reject(new Refused("no", details)), UNDO));
    const tripact = await node({ definitions: [definition] });
    const outcome = await tripact.run(definition, null, { gid: "g" });
    assert.deepEqual(outcome.kind === "rolled-back" ? outcome.reason : outcome, { kind: "refused", branch: "a", code: "no", details });
    assert.deepEqual(journal("g").find((event) => event.kind === "refused"), { kind: "refused", branch: "a", op: "action", code: "no", details });
  });
});

describe("an op that throws what it should not", () => {
  const thrown: readonly (readonly [string, unknown])[] = [
    ["an object without a text", Object.create(null)],
    ["a pause without a reason", new Pause(undefined as unknown as string)],
    ["pending without a number", new Pending({ retryAfterMs: Number.NaN })],
    ["pending for ever", new Pending({ retryAfterMs: Number.POSITIVE_INFINITY })],
  ];
  for (const [what, error] of thrown) {
    it(`(${what}) is answered, and never asked in a loop`, async (t) => {
      const { node, journal } = nodes(t);
      let calls = 0;
      const definition = saga("throwing", async (tx, _: null) => await tx.step("a", () => {
        calls += 1;
        throw error;
      }, UNDO));
      const tripact = await node({ definitions: [definition], retry: { maxAttempts: 2 } });
      await tripact.start(definition, null, { gid: "g" });
      await eventually(() => journal("g").some((event) => event.kind === "attempted" || event.kind === "pending" || event.kind === "parked"), "its answer is journaled");
      const asked = calls;
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.ok(calls <= asked + 1, `${calls} calls`);
      const [pending] = journal("g").filter((event) => event.kind === "pending");
      assert.ok(pending === undefined || pending.kind !== "pending" || pending.retryAfterMs === 1_000);
    });
  }

  it("a flow that does so rolls back", async (t) => {
    const { node } = nodes(t);
    const definition = saga("throwing", async (_tx, _: null): Promise<void> => {
      throw Object.create(null);
    });
    const tripact = await node({ definitions: [definition] });
    assert.equal((await tripact.run(definition, null, { gid: "g" })).kind, "rolled-back");
  });
});

describe("a flow that changes what it was given", () => {
  it("finds it unchanged when it runs again: its input, and the results of its steps", async (t) => {
    const { node, database } = nodes(t);
    const [begun, hangs] = [gate(), gate()];
    const seen: unknown[] = [];
    const undone: unknown[] = [];
    const definition = (first: boolean) => saga("changing", async (tx, order: { readonly items: string[] }) => {
      order.items.push("fee");
      const hold = await tx.step("hold", () => ({ left: 1 }), { undo: (_b, result) => undone.push(result?.left) });
      hold.left -= 1;
      seen.push([order.items.length, hold.left]);
      await tx.step("next", async () => {
        begun.open();
        if (first) await hangs.opened;
        throw new Refused("no");
      }, UNDO);
    });
    const [mine, theirs] = [definition(true), definition(false)];
    const a = await node({ definitions: [mine] });
    await a.start(mine, { items: ["shoe"] }, { gid: "g" });
    await begun.opened;
    await a.stop();
    const b = await node({ definitions: [theirs] });
    assert.equal((await b.run(theirs, { items: ["shoe"] }, { gid: "g" })).kind, "rolled-back");
    hangs.open();
    assert.deepEqual(seen, [[2, 0], [2, 0]]);
    assert.deepEqual(undone, [1]);
    assert.equal(database.transactions.get("g")?.start.input, '{"items":["shoe"]}');
  });
});

describe("a plan", () => {
  it("is driven as it was accepted, whatever its caller does with it afterwards", async (t) => {
    const { node } = nodes(t);
    const asked: unknown[] = [];
    const stock = participant({ name: "stock", action: (_call, input: { readonly money: string }) => void asked.push(input), compensate: () => undefined });
    const tripact = await node({ participants: [stock] });
    const money = { cents: 5, toJSON: () => "5 cents" };
    const data = { groups: [[{ kind: "step" as const, name: "a", participant: "stock", undo: "nothing" as const, payload: { money } as unknown as Json }]] };
    const started = tripact.startPlan(data, { gid: "g" });
    data.groups.length = 0;
    await started;
    assert.equal((await tripact.runPlan(plan({ stock }).step("a", "stock", { money: "5 cents" }, { undo: "nothing" }).build(), { gid: "h" })).kind, "committed");
    await eventually(() => asked.length === 2, "both are asked");
    assert.deepEqual(asked, [{ money: "5 cents" }, { money: "5 cents" }]);
  });
});
