import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { ConflictingGid, createTripact, memoryStore, NeverStarted, Overloaded, participant, Pending, plan, saga, TripactError, type Plan, type TripactErrorCode } from "tripact";
import type { PlanBranch } from "./protocol/plan.ts";
import type { TuningOptions } from "./runtime/options.ts";
import { eventually, gate, nodes } from "../test/memory/nodes.ts";

const refusing = (code: TripactErrorCode) => (error: unknown): boolean => error instanceof TripactError && error.code === code;
const echo = saga("echo", async (tx, input: unknown) => await tx.step("echo", () => JSON.stringify(input), { undo: "nothing" }));
const other = saga("other", async (_tx, _input: unknown) => 1);

describe("a gid that was used before", () => {
  it("with the same input attaches: on this node, on another one, and after the end", async (t) => {
    const { node, database } = nodes(t);
    const waits = gate();
    let runs = 0;
    const slow = saga("slow", async (tx, input: { readonly a: number; readonly b: number }) =>
      await tx.step("wait", async () => {
        runs += 1;
        await waits.opened;
        return input.a;
      }, { undo: "nothing" }),
    );
    const [here, there] = [await node({ definitions: [slow] }), await node({ definitions: [slow] })];
    const first = await here.start(slow, { a: 1, b: 2 }, { gid: "g" });
    // Another order of members is the same input.
    const second = await here.start(slow, { b: 2, a: 1 }, { gid: "g" });
    const third = await there.start(slow, { a: 1, b: 2 }, { gid: "g" });
    assert.deepEqual([first.attached, second.attached, third.attached], [false, true, true]);
    const ends = [here.run(slow, { a: 1, b: 2 }, { gid: "g" }), there.run(slow, { a: 1, b: 2 }, { gid: "g" })];
    waits.open();
    for (const end of ends) assert.deepEqual(await end, { kind: "committed", gid: "g", result: 1 });
    assert.deepEqual(await there.run(slow, { a: 1, b: 2 }, { gid: "g" }), { kind: "committed", gid: "g", result: 1 });
    assert.equal(runs, 1);
    assert.equal(database.transactions.size, 1);
  });

  it("note 32: of many starts at once on two nodes one begins it, all others attach", async (t) => {
    const { node } = nodes(t);
    const all = [await node({ definitions: [echo] }), await node({ definitions: [echo] })];
    const started = await Promise.all(Array.from({ length: 20 }, (_, index) => all[index % 2]!.start(echo, "same", { gid: "g" })));
    assert.equal(started.filter(({ attached }) => !attached).length, 1);
  });

  it("with another input or definition is a conflict: on this node, on another one, and after the end", async (t) => {
    const { node } = nodes(t);
    const waits = gate();
    const slow = saga("slow", async (tx, _: unknown) => await tx.step("wait", () => waits.opened, { undo: "nothing" }));
    const definitions = [slow, other];
    const [here, there] = [await node({ definitions }), await node({ definitions })];
    const conflicts = async (): Promise<void> => {
      for (const tripact of [here, there]) {
        await assert.rejects(tripact.start(slow, { n: 2 }, { gid: "g" }), (error) => error instanceof ConflictingGid && error.message.includes("input"));
        await assert.rejects(tripact.start(other, { n: 1 }, { gid: "g" }), (error) => error instanceof ConflictingGid && error.message.includes("definition"));
      }
    };
    await here.start(slow, { n: 1 }, { gid: "g" });
    await conflicts();
    waits.open();
    await here.run(slow, { n: 1 }, { gid: "g" });
    await conflicts();
  });

  it("note 6: was asked for or cancelled before: it never starts, on any node", async (t) => {
    const { node } = nodes(t);
    const [here, there] = [await node({ definitions: [echo] }), await node({ definitions: [echo] })];
    assert.deepEqual(await here.outcome("asked"), { kind: "never-started", gid: "asked" });
    assert.deepEqual(await there.cancel("cancelled"), { kind: "never-started", gid: "cancelled" });
    for (const gid of ["asked", "cancelled"]) {
      for (const tripact of [here, there]) await assert.rejects(tripact.start(echo, 1, { gid }), NeverStarted);
      assert.deepEqual(await here.outcome(gid), { kind: "never-started", gid });
    }
    await assert.rejects(here.complete("nobody", "pay", { kind: "done" }), refusing("unknown-transaction"));
    await assert.rejects(here.decide("nobody", "pay", "done", "because"), refusing("unknown-transaction"));
    await assert.rejects(here.nudge("nobody"), refusing("unknown-transaction"));
  });
});

describe("what is refused at the door, before anything is written", () => {
  it("input that is not JSON, in all its forms", async (t) => {
    const { node, database } = nodes(t);
    const tripact = await node({ definitions: [echo] });
    const circle: { self?: unknown } = {};
    circle.self = circle;
    const bad: readonly unknown[] = [circle, 1n, () => 1, Symbol("s"), { a: undefined }, [undefined], Number.NaN, Number.POSITIVE_INFINITY, new Map(), new Set([1]), new Date(), new Error("e"), Promise.resolve(1)];
    for (const input of bad) await assert.rejects(tripact.start(echo, input as string), refusing("invalid-input"), String(input));
    assert.equal(database.transactions.size, 0);
  });

  it("input that is too large, by a limit that can be set", async (t) => {
    const { node, database } = nodes(t);
    const [usual, small] = [await node({ definitions: [echo, other] }), await node({ definitions: [echo, other], payloadBytesMax: 10 })];
    await assert.rejects(usual.start(echo, "x".repeat(1_048_576)), refusing("too-large"));
    await assert.rejects(small.start(other, "ééééé"), refusing("too-large"));
    assert.equal(database.transactions.size, 0);
    assert.equal((await small.run(other, "éééé")).kind, "committed");
  });

  it("a gid that is empty, too long, no text, or has control characters", async (t) => {
    const { node, database } = nodes(t);
    const tripact = await node({ definitions: [echo] });
    for (const gid of ["", "x".repeat(129), "a\nb", "a\u0000", "a\u007f", "\ud800", 7 as unknown as string]) {
      await assert.rejects(tripact.start(echo, 1, { gid }), refusing("invalid-gid"));
      await assert.rejects(tripact.outcome(gid), refusing("invalid-gid"));
      await assert.rejects(tripact.cancel(gid), refusing("invalid-gid"));
    }
    assert.equal(database.transactions.size, 0);
    assert.equal((await tripact.run(echo, 1, { gid: "x".repeat(128) })).kind, "committed");
  });

  it("a definition that this node does not run, and one given twice", async (t) => {
    const { node, database } = nodes(t);
    const tripact = await node({ definitions: [echo] });
    await assert.rejects(tripact.start(other, 1), refusing("unknown-definition"));
    await assert.rejects(tripact.start(saga("echo", { version: "2" }, async () => 1), 1), refusing("unknown-definition"));
    assert.equal(database.transactions.size, 0);
    await assert.rejects(node({ definitions: [echo, echo] }), refusing("invalid-option"));
    await assert.rejects(node({ definitions: [saga("a b", async () => 1)] }), refusing("invalid-option"));
    assert.throws(() => saga("", async () => 1), refusing("invalid-option"));
  });

  it("negative times, by name", async (t) => {
    const { node, database } = nodes(t);
    const tripact = await node({ definitions: [echo] });
    for (const deadlineMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) await assert.rejects(tripact.start(echo, 1, { deadlineMs }), refusing("invalid-option"));
    assert.throws(() => saga("late", { deadlineMs: -1 }, async () => 1), refusing("invalid-option"));
    await assert.rejects(createTripact({ store: memoryStore(), waitForStoreMs: -1 }), refusing("invalid-option"));
    assert.equal(database.transactions.size, 0);
  });

  it("settings that cannot work, or that would break what retention promises", async () => {
    const misspelt: object = { leaseMS: 5_000 };
    const misspeltPolicy: object = { maxAttemps: 3 };
    const bad: readonly (readonly [TuningOptions, string])[] = [
      [{ opTimeoutMs: -1 }, "opTimeoutMs"],
      [{ openMax: Number.NaN }, "openMax"],
      [{ leaseMs: 100, beatEveryMs: 60 }, "leaseMs"],
      [{ retry: { maxAttempts: 0 } }, "maxAttempts"],
      [{ retry: { factor: 0.5 } }, "factor"],
      [{ batchMax: 0 }, "batchMax"],
      [{ claimSlice: 0 }, "claimSlice"],
      [{ claimSlice: 1.5 }, "claimSlice"],
      [{ participantLimit: 0 }, "participantLimit"],
      [{ breakerAfter: 0 }, "breakerAfter"],
      [misspelt, "leaseMS"],
      [{ retry: misspeltPolicy }, "maxAttemps"],
      [{ callLifeMs: 86_400_000, retention: { barrierMs: 86_400_000 } }, "retention.barrierMs"],
      [{ retention: { headersMs: 1, entriesMs: 2 } }, "retention.headersMs"],
    ];
    for (const [options, name] of bad) {
      await assert.rejects(createTripact({ store: memoryStore(), ...options }), (error) => refusing("invalid-option")(error) && error instanceof Error && error.message.includes(name));
    }
  });

  it("a plan with two steps of one name, without its undo, with an unknown participant or payload", async (t) => {
    const { node, database } = nodes(t);
    const stock = participant({ name: "stock", action: (_call, _input: number) => null, compensate: () => undefined });
    const tripact = await node({ participants: [stock] });
    const step = { kind: "step", name: "a", participant: "stock", payload: 1, undo: "compensate" } as const;
    const { undo: _, ...withoutUndo } = step;
    const bad = (groups: unknown, code: TripactErrorCode): Promise<void> => assert.rejects(tripact.startPlan({ groups: groups as Plan["groups"] }), refusing(code));
    await bad([[step], [step]], "invalid-plan");
    await bad([[withoutUndo]], "invalid-plan");
    await bad([[{ ...step, participant: "" }]], "invalid-plan");
    await bad([[{ ...step, participant: "nobody" }]], "unknown-participant");
    await bad([[{ ...step, payload: { at: new Date() } }]], "invalid-input");
    await bad("nonsense", "invalid-plan");
    await bad([], "invalid-plan");
    assert.equal(database.transactions.size, 0);
    assert.throws(() => plan({ stock }).step("a", "stock", 1).step("a", "stock", 1).build(), refusing("invalid-plan"));
    assert.equal((await tripact.runPlan(plan({ stock }).step("a", "stock", 1).build())).kind, "committed");
  });
});

describe("a plan whose participant does not serve what it asks for", () => {
  it("is refused before anything is written, instead of being tried in vain", async (t) => {
    const { node, database } = nodes(t);
    const stock = participant({ name: "stock", action: () => 1, compensate: () => undefined });
    const wallet = participant({ name: "wallet", try: () => 1, confirm: () => undefined, cancel: () => undefined });
    const tripact = await node({ participants: [stock, wallet] });
    const call = { name: "a", payload: 1 };
    const wrong: readonly PlanBranch[] = [
      { kind: "step", ...call, participant: "wallet", undo: "compensate" },
      { kind: "pivot", ...call, participant: "wallet" },
      { kind: "tcc", ...call, participant: "stock" },
    ];
    for (const branch of wrong) await assert.rejects(tripact.startPlan({ groups: [[branch]] }), refusing("invalid-plan"));
    assert.equal(database.transactions.size, 0);
  });
});

describe("the answer for a branch that is not there", () => {
  it("is told, where the node drives the transaction", async (t) => {
    const { node, journal } = nodes(t);
    const paying = saga("paying", async (tx, _: null) => await tx.step("pay", () => Promise.reject(new Pending({ retryAfterMs: 3_600_000 })), { undo: "nothing" }));
    const tripact = await node({ definitions: [paying] });
    await tripact.start(paying, null, { gid: "g" });
    await assert.rejects(tripact.complete("g", "pya", { kind: "done" }), (error) => refusing("unknown-branch")(error) && error instanceof Error && error.message.includes("pay"));
    await tripact.complete("g", "pay", { kind: "done", result: 1 });
    assert.ok(journal("g").some((event) => event.kind === "done"));
  });
});

describe("a node's own state", () => {
  it("refuses new work when as much as it may is open, and takes work again afterwards", async (t) => {
    const { node } = nodes(t);
    const waits = gate();
    const slow = saga("slow", async (tx, _: number) => await tx.step("wait", () => waits.opened, { undo: "nothing" }));
    const tripact = await node({ definitions: [slow], openMax: 2, overloadedRetryMs: 7 });
    await Promise.all([tripact.start(slow, 1, { gid: "a" }), tripact.start(slow, 2, { gid: "b" })]);
    await assert.rejects(tripact.start(slow, 3, { gid: "c" }), (error) => error instanceof Overloaded && error.retryAfterMs === 7);
    // The same promise again is no new work.
    assert.equal((await tripact.start(slow, 1, { gid: "a" })).attached, true);
    waits.open();
    await Promise.all([tripact.run(slow, 1, { gid: "a" }), tripact.run(slow, 2, { gid: "b" })]);
    assert.equal((await tripact.run(slow, 3, { gid: "c" })).kind, "committed");
  });

  it("is ready once it has joined, says how it stands, and is not ready once it stops", async (t) => {
    const { node } = nodes(t);
    const tripact = await node({ definitions: [echo] });
    assert.equal(tripact.ready(), true);
    const { store, ready, open, journal } = await tripact.health();
    assert.deepEqual({ store, ready, open, journal }, { store: { state: "up" }, ready: true, open: 0, journal: { open: 0, parked: 0, late: 0, unclaimed: 0 } });
    await tripact.stop();
    assert.equal(tripact.ready(), false);
    await assert.rejects(tripact.start(echo, 1), refusing("stopped"));
  });

  it("stops twice without harm, and hands over what is in flight", async (t) => {
    const { node, database } = nodes(t);
    const hangs = gate();
    const begun: string[] = [];
    const slow = (name: string) => saga("slow", async (tx, _: number) => {
      const step = await tx.step("first", () => name, { undo: "nothing" });
      return await tx.step("second", async () => {
        begun.push(name);
        if (name === "a") await hangs.opened;
        return `${step} then ${name}`;
      }, { undo: "nothing" });
    });
    const [mine, theirs] = [slow("a"), slow("b")];
    const a = await node({ definitions: [mine] });
    await a.start(mine, 1, { gid: "g" });
    await eventually(() => begun.length > 0, "the second step begins");
    const waiting = assert.rejects(a.run(mine, 1, { gid: "g" }), refusing("stopped"));
    await Promise.all([a.stop(), a.stop()]);
    await a.stop();
    await waiting;
    assert.equal(database.nodes.size, 0);
    const b = await node({ definitions: [theirs] });
    assert.deepEqual(await b.run(theirs, 1, { gid: "g" }), { kind: "committed", gid: "g", result: "a then b" });
    hangs.open();
  });

  it("lists by nothing that it was not made for", async (t) => {
    const { node } = nodes(t);
    const tripact = await node();
    const wrong: readonly Readonly<Record<string, unknown>>[] = [
      { state: "open' or true" },
      { limit: 0 },
      { limit: 1.5 },
      { limit: "9; drop" },
      { limit: 10_001 },
      { definition: 1 },
      { before: { startedAtMs: Number.NaN, gid: "g" } },
      { before: { startedAtMs: 1 } },
    ];
    for (const query of wrong) await assert.rejects(tripact.list(query), refusing("invalid-option"), JSON.stringify(query));
    assert.deepEqual(await tripact.list({ state: "open", limit: 10_000, before: { startedAtMs: 1, gid: "g" } }), []);
  });

  it("lists and prunes", async (t) => {
    const { node } = nodes(t);
    const tripact = await node({ definitions: [echo, other], retention: { entriesMs: 0, headersMs: 86_400_000 } });
    await tripact.run(echo, 1, { gid: "e" });
    await tripact.run(other, 1, { gid: "o" });
    assert.deepEqual((await tripact.list({ definition: "echo" })).map(({ gid }) => gid), ["e"]);
    assert.deepEqual(await tripact.list({ state: "open" }), []);
    await eventually(async () => (await tripact.prune()) === 0, "everything is pruned");
    // The outcome stays as long as a client may ask.
    assert.deepEqual(await tripact.run(echo, 1, { gid: "e" }), { kind: "committed", gid: "e", result: "1" });
    await assert.rejects(tripact.start(echo, 2, { gid: "e" }), ConflictingGid);
  });
});
