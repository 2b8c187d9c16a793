import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { memoryStore, participant, Pause, Refused, saga, TripactError, type Tripact, type TripactErrorCode } from "tripact";
import { evolve } from "../protocol/evolve.ts";
import { UNBORN, type Transaction, type TransactionEvent } from "../protocol/transaction.ts";
import { eventually, gate, nodes } from "../../test/memory/nodes.ts";
import { eventsOf } from "./letters.ts";

const UNDO = { undo: () => undefined } as const;
const refusing = (code: TripactErrorCode) => (error: unknown): boolean => error instanceof TripactError && error.code === code;

function given(...events: readonly TransactionEvent[]): Transaction {
  return events.reduce<Transaction>((state, event) => evolve(state, event, 0), evolve(UNBORN, { kind: "started" }, 0));
}

describe("a completion from outside", () => {
  it("ends no timer, and no local SQL step: its write would be missing", () => {
    const state = given(
      { kind: "registered", branch: "sleep-1", offer: { kind: "timer", afterMs: 1_000 }, inputHash: "" },
      { kind: "registered", branch: "order", offer: { kind: "sql", undo: "nothing" }, inputHash: "" },
      { kind: "registered", branch: "pay", offer: { kind: "step", guard: "barrier", undo: "nothing" }, inputHash: "" },
    );
    for (const branch of ["sleep-1", "order"]) {
      for (const outcome of [{ kind: "done" }, { kind: "refused", code: "no" }] as const) assert.deepEqual(eventsOf({ kind: "complete", branch, outcome }, state), []);
    }
    assert.equal(eventsOf({ kind: "complete", branch: "pay", outcome: { kind: "done" } }, state).length, 1);
  });
});

describe("what a person or a callback says is checked at the door", () => {
  it("an outcome that is neither done nor refused is not read as refused; a verdict is one of four; names are texts", async (t) => {
    const { node, journal } = nodes(t);
    const definition = saga("pausing", async (tx, _: null) => await tx.step("pay", () => Promise.reject(new Pause("look")), UNDO));
    const tripact = await node({ definitions: [definition] });
    await tripact.start(definition, null, { gid: "g" });
    await eventually(() => journal("g").some((event) => event.kind === "parked"), "it parks");
    const any = <T>(value: unknown): T => value as T;
    type Outcome = Parameters<Tripact["complete"]>[2];
    const bad: readonly (() => Promise<unknown>)[] = [
      () => tripact.complete("g", "pay", any<Outcome>({ kind: "unknown" })),
      () => tripact.complete("g", "pay", any<Outcome>({ kind: "refused" })),
      () => tripact.complete("g", "pay", any<Outcome>(null)),
      () => tripact.decide("g", "pay", any("perhaps"), "why"),
      () => tripact.decide("g", "pay", "done", any(7)),
      () => tripact.decide("g", "pay", "done", "why", { who: any(1n) }),
      () => tripact.decide("g", "pay", "done", "why", { result: any(1n) }),
      () => tripact.cancel("g", any(1n)),
    ];
    for (const ask of bad) await assert.rejects(ask(), refusing("invalid-input"), ask.toString());
    await assert.rejects(tripact.decide("g", "a/b", "done", "why"), refusing("invalid-gid"));
    await tripact.decide("g", "pay", "done", "looked", { result: 1 });
    assert.deepEqual(await tripact.run(definition, null, { gid: "g" }), { kind: "committed", gid: "g", result: 1 });
  });

  it("a trace context that is none is left out: no header may stop a payment", async (t) => {
    const { node, journal } = nodes(t);
    const definition = saga("traced", async (tx, _: null) => await tx.step("a", (b) => b.headers()["traceparent"] ?? "none", UNDO));
    const tripact = await node({ definitions: [definition] });
    const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert.deepEqual(await tripact.run(definition, null, { gid: "good", traceparent: good }), { kind: "committed", gid: "good", result: good });
    assert.deepEqual(await tripact.run(definition, null, { gid: "bad", traceparent: "a\r\nb" }), { kind: "committed", gid: "bad", result: "none" });
    assert.deepEqual(journal("bad")[0], { kind: "started" });
  });
});

describe("a plan that does not say its participants' guards", () => {
  it("note 2: gets them from the node, so that a refusal after an unseen attempt proves nothing", async (t) => {
    const { node } = nodes(t);
    const paid = new Set<string>();
    let calls = 0;
    const bank = participant({
      name: "bank",
      action: (call) => {
        calls += 1;
        if (calls > 1) throw new Refused("twice");
        paid.add(call.key);
        throw new Error("reset");
      },
      compensate: (call) => void paid.delete(call.key),
      unguarded: { settleMs: 1, ask: (key) => Promise.resolve(paid.has(key)) },
    });
    const tripact = await node({ participants: [bank] });
    const outcome = await tripact.runPlan({ groups: [[{ kind: "step", name: "pay", participant: "bank", undo: "compensate", payload: 1 }]] });
    assert.equal(outcome.kind, "rolled-back");
    assert.equal(paid.size, 0);
  });
});

describe("a letter that cannot be followed", () => {
  it("is told, and holds up neither the letters behind it nor a takeover", async (t) => {
    const { node, database, notices } = nodes(t);
    const [begun, waits] = [gate(), gate()];
    const definition = (first: boolean) => saga("flow", async (tx, _: number) => await tx.step("pay", async () => {
      begun.open();
      if (first) await waits.opened;
      return 1;
    }, UNDO));
    const [mine, theirs] = [definition(true), definition(false)];
    const one = await node({ definitions: [mine], opTimeoutMs: 60_000 });
    for (const [n, gid] of ["a", "b"].entries()) await one.start(mine, n, { gid });
    await begun.opened;
    const post = (gid: string, n: number, letter: unknown): unknown => database.transactions.get(gid)?.mail.push({ gid, n, body: typeof letter === "string" ? letter : JSON.stringify(letter) });
    post("a", 1, "no letter at all");
    post("b", 1, { kind: "cancel", by: "ann" });
    const outcome = await one.run(mine, 1, { gid: "b" });
    assert.equal(outcome.kind, "rolled-back");
    assert.ok(notices.some((notice) => notice.kind === "bug" && notice.where.includes("a")));
    await one.start(mine, 2, { gid: "c" });
    await one.stop();
    const other = await node({ definitions: [theirs] });
    assert.equal((await other.run(theirs, 2, { gid: "c" })).kind, "committed");
    waits.open();
  });
});

describe("a person who asks an unguarded branch again", () => {
  it("note 2: does not make the attempt unseen that was in flight: a later refusal proves nothing", async (t) => {
    const { node } = nodes(t);
    const begun = gate();
    const paid = new Set<string>();
    let calls = 0;
    const definition = saga("paying", async (tx, _: null) => await tx.step("pay", async (b) => {
      calls += 1;
      if (calls > 1) throw new Refused("twice");
      paid.add(b.key);
      begun.open();
      await new Promise(() => undefined);
    }, { undo: (b) => paid.delete(b.key), unguarded: { settleMs: 1, ask: (key) => Promise.resolve(paid.has(key)) } }));
    const tripact = await node({ definitions: [definition] });
    await tripact.start(definition, null, { gid: "g" });
    await begun.opened;
    await tripact.decide("g", "pay", "retry", "it hangs");
    assert.equal((await tripact.run(definition, null, { gid: "g" })).kind, "rolled-back");
    assert.equal(paid.size, 0);
  });
});

describe("an application that hears notices", () => {
  it("breaks nothing when it throws", async (t) => {
    const { node, database } = nodes(t);
    const definition = saga("refused", async (tx, _: null) => await tx.step("a", () => Promise.reject(new Refused("no")), UNDO));
    const store = memoryStore(database);
    const write = store.journal.write.bind(store.journal);
    let [heard, writes] = [0, 0];
    store.journal.write = async (batch) => {
      writes += 1;
      if (writes === 1) throw new TripactError("store-unknown", "no reply");
      return await write(batch);
    };
    const onNotice = (): never => {
      heard += 1;
      throw new Error("the log is full");
    };
    const tripact = await node({ store, definitions: [definition], onNotice });
    assert.equal((await tripact.run(definition, null)).kind, "rolled-back");
    assert.ok(heard > 0);
  });
});
