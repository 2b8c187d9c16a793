import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { MessageAborted, MessageSubmitted, NeverStarted, Pause, Pending, Refused, TripactError, twoPhaseMessage, type CheckBackAnswer } from "tripact";
import { answers, crashAtEveryAwait, testSaga } from "tripact/testing";
import { eventually, nodes } from "../../test/memory/nodes.ts";
import { CHECK_BACK_AFTER_MS, ORDER, Theatre, TOPICS, type Order } from "../../test/memory/two-phase.ts";

/** A poll may lie between. */
const SOON_MS = 100;

describe("a two-phase message that is submitted", () => {
  it("is in the outbox when submit resolves, once, and its check-back is never asked", async () => {
    const theatre = new Theatre();
    const { points, local, gid } = theatre;
    await theatre.perform(theatre.boot(), async ({ tripact }) => {
      const prepared = await points.prepare(tripact, ORDER, { gid });
      assert.deepEqual([prepared.gid, prepared.attached, theatre.sent], [gid, false, []]);
      local.work(gid);
      assert.deepEqual(await prepared.submit(), { kind: "committed", gid, result: undefined });
      assert.deepEqual(theatre.sent, TOPICS);
    });
    await theatre.pass(60_000);
    assert.deepEqual([theatre.sent, theatre.asks], [TOPICS, []]);
  });

  it("twice, by anybody, is submitted once; an abort that comes later is told so", async () => {
    const theatre = new Theatre();
    const { points, gid } = theatre;
    const [here, there] = [theatre.boot(), theatre.boot()];
    await theatre.perform(here, async ({ tripact }) => {
      const prepared = await points.prepare(tripact, ORDER, { gid });
      await Promise.all([prepared.submit(), prepared.submit(), points.submit(await there.tripact, gid)]);
      assert.equal((await prepared.submit()).kind, "committed");
      await assert.rejects(prepared.abort(), (error) => error instanceof MessageSubmitted && error.code === "message-submitted");
      await assert.rejects(points.abort(await there.tripact, gid), MessageSubmitted);
    });
    assert.deepEqual([theatre.sent, theatre.status], [TOPICS, "committed"]);
  });

  it("by another node than the one that drives it, with that node alive or dead", async () => {
    for (const dies of [false, true]) {
      const theatre = new Theatre();
      const { points, gid } = theatre;
      const [here, there] = [theatre.boot(), theatre.boot()];
      await theatre.perform(here, ({ tripact }) => points.prepare(tripact, ORDER, { gid }));
      if (dies) theatre.kill(here);
      assert.equal((await theatre.perform(there, ({ tripact }) => points.submit(tripact, gid))).kind, "committed");
      assert.deepEqual([theatre.sent, theatre.asks], [TOPICS, []]);
    }
  });
});

describe("a two-phase message that is aborted", () => {
  it("is never sent; a submit that comes later is told so, and so is who prepares it again", async () => {
    const theatre = new Theatre();
    const { points, gid } = theatre;
    await theatre.perform(theatre.boot(), async ({ tripact }) => {
      const prepared = await points.prepare(tripact, ORDER, { gid });
      const outcome = await prepared.abort("sold out");
      assert.deepEqual(outcome.kind === "rolled-back" ? outcome.reason : outcome, { kind: "refused", branch: "check-back", code: "aborted", details: { reason: "sold out" } });
      assert.equal((await prepared.abort()).kind, "rolled-back");
      const tooLate = (error: unknown): boolean => error instanceof MessageAborted && error.code === "message-aborted" && error.message.includes("it was aborted");
      await assert.rejects(prepared.submit(), tooLate);
      await assert.rejects(points.submit(tripact, gid), tooLate);
      await assert.rejects(points.prepare(tripact, ORDER, { gid }), tooLate);
    });
    await theatre.pass(60_000);
    assert.deepEqual([theatre.sent, theatre.asks, theatre.status], [[], [], "rolled-back"]);
  });

  it("at once with a submit: one of the two wins, and both hear who", async () => {
    for (const first of ["submit", "abort"] as const) {
      const theatre = new Theatre();
      const { points, gid } = theatre;
      const [here, there] = [theatre.boot(), theatre.boot()];
      const ends = await theatre.perform(here, async ({ tripact }) => {
        await points.prepare(tripact, ORDER, { gid });
        const other = await there.tripact;
        return await Promise.allSettled(first === "submit" ? [points.submit(tripact, gid), points.abort(other, gid)] : [points.abort(tripact, gid), points.submit(other, gid)]);
      });
      assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1, JSON.stringify(ends));
      const [lost] = ends.filter((end) => end.status === "rejected");
      const committed = theatre.status === "committed";
      assert.ok(committed ? lost?.reason instanceof MessageSubmitted : lost?.reason instanceof MessageAborted, String(lost?.reason));
      assert.deepEqual(theatre.sent, committed ? TOPICS : []);
    }
  });
});

describe("a gid that was never prepared", () => {
  it("note 6: is told so by submit and abort, and they make it so", async () => {
    const theatre = new Theatre();
    const { points } = theatre;
    await theatre.perform(theatre.boot(), async ({ tripact }) => {
      await assert.rejects(points.submit(tripact, "submitted"), NeverStarted);
      assert.deepEqual(await points.abort(tripact, "aborted"), { kind: "never-started", gid: "aborted" });
      for (const gid of ["submitted", "aborted"]) {
        await assert.rejects(points.prepare(tripact, ORDER, { gid }), NeverStarted);
        await assert.rejects(points.submit(tripact, gid), NeverStarted);
        assert.equal((await points.abort(tripact, gid)).kind, "never-started");
      }
    });
    assert.deepEqual(theatre.sent, []);
  });

  it("or that another definition has, is a conflict, and nothing happens to that one", async (t) => {
    const { node, database } = nodes(t);
    const [points, other] = [twoPhase("points", "not-yet"), twoPhase("other", "not-yet")];
    const tripact = await node({ definitions: [points, other] });
    await other.prepare(tripact, ORDER, { gid: "g" });
    await assert.rejects(points.submit(tripact, "g"), { code: "conflicting-gid" });
    await assert.rejects(points.abort(tripact, "g"), { code: "conflicting-gid" });
    await assert.rejects(points.prepare(tripact, ORDER, { gid: "g" }), { code: "conflicting-gid" });
    await other.submit(tripact, "g");
    await assert.rejects(points.submit(tripact, "g"), { code: "conflicting-gid" });
    assert.equal(database.outbox.length, 1);
  });
});

describe("the check-back", () => {
  it("note 6: is asked within seconds when nobody says anything: done is sent", async () => {
    const theatre = new Theatre();
    const { points, local, gid } = theatre;
    const preparedMs = await theatre.perform(theatre.boot(), async ({ tripact }) => {
      await points.prepare(tripact, ORDER, { gid });
      local.work(gid);
      return theatre.nowMs;
    });
    await theatre.until(() => theatre.status === "committed");
    const [askedMs = 0] = theatre.asks;
    assert.ok(askedMs >= preparedMs + CHECK_BACK_AFTER_MS - SOON_MS && askedMs <= preparedMs + CHECK_BACK_AFTER_MS + SOON_MS, `prepared ${preparedMs}, asked ${askedMs}`);
    assert.deepEqual([theatre.sent, theatre.asks.length], [TOPICS, 1]);
  });

  it("note 6: is asked within the same seconds after a takeover, counted from when it was prepared", async () => {
    const theatre = new Theatre();
    const { points, local, gid } = theatre;
    const [here] = [theatre.boot(), theatre.boot()];
    const preparedMs = await theatre.perform(here, async ({ tripact, pause }) => {
      await points.prepare(tripact, ORDER, { gid });
      local.work(gid);
      const nowMs = theatre.nowMs;
      await pause(1_500);
      return nowMs;
    });
    theatre.kill(here);
    await theatre.until(() => theatre.status === "committed");
    const [askedMs = 0] = theatre.asks;
    assert.ok(askedMs >= preparedMs + CHECK_BACK_AFTER_MS - SOON_MS && askedMs <= preparedMs + CHECK_BACK_AFTER_MS + SOON_MS, `prepared ${preparedMs}, asked ${askedMs}`);
    assert.deepEqual(theatre.sent, TOPICS);
  });

  it("note 6: that answers refused has written the tombstone: the later local work refuses, and the message is never sent", async () => {
    const theatre = new Theatre();
    const { points, local, gid } = theatre;
    await theatre.perform(theatre.boot(), async ({ tripact, pause }) => {
      const prepared = await points.prepare(tripact, ORDER, { gid });
      await pause(10_000);
      assert.equal(local.work(gid), false);
      await assert.rejects(prepared.submit(), (error) => error instanceof MessageAborted && error.message.includes("its check-back said refused"));
    });
    assert.deepEqual([theatre.sent, theatre.status, local.isDone(gid)], [[], "rolled-back", false]);
  });

  it("note 6: of a slow local work answers not-yet, and the work that then succeeds is delivered", async () => {
    const theatre = new Theatre("patient");
    const { points, local, gid } = theatre;
    await theatre.perform(theatre.boot(), async ({ tripact, pause }) => {
      await points.prepare(tripact, ORDER, { gid });
      await pause(7_000);
      assert.equal(local.work(gid), true);
      // And nobody submits.
    });
    await theatre.until(() => theatre.status === "committed");
    assert.ok(theatre.asks.length >= 3, String(theatre.asks));
    assert.deepEqual(theatre.sent, TOPICS);
  });

  it("that cannot be reached is asked for ever, at the cap: no number of tries rolls back", async () => {
    const theatre = new Theatre("away");
    const { points, local, gid } = theatre;
    await theatre.perform(theatre.boot(), ({ tripact }) => points.prepare(tripact, ORDER, { gid }));
    local.work(gid);
    await theatre.until(() => theatre.status === "committed");
    assert.deepEqual([theatre.asks.length, theatre.sent], [3, TOPICS]);
    const given = { "check-back": answers.inOrder(answers.unknown(), ...Array.from({ length: 200 }, () => answers.unknown()), answers.done()) };
    const { calls, tookMs } = await testSaga(points, { given }).when(ORDER).expect({ committed: undefined });
    assert.deepEqual([calls.length, tookMs > 60_000], [202, true]);
  });

  it("late, and cancelled in vain until it answers", async (t) => {
    const { node, database } = nodes(t);
    let answer: CheckBackAnswer | undefined;
    const points = twoPhaseMessage("points", {
      messages: (order: Order) => [{ topic: "points.added", key: order.buyer, payload: order }],
      checkBackAfterMs: 0,
      checkBack: () => answer ?? Promise.reject(new Error("nobody home")),
    });
    const tripact = await node({ definitions: [points] });
    await points.prepare(tripact, ORDER, { gid: "g" });
    await eventually(async () => (await tripact.list({ state: "late" })).length === 1, "it is late");
    const cancelled = tripact.cancel("g", "ann");
    answer = "done";
    assert.equal((await cancelled).kind, "committed");
    assert.equal(database.outbox.length, 1);
  });

  it("answers by three words; whatever else it returns or throws is unknown, a Refused and a Pause too; Pending is not-yet", async (t) => {
    const { node, journal, database } = nodes(t);
    const replies = [() => "yes" as CheckBackAnswer, () => Promise.reject(new Refused("no")), () => Promise.reject(new Pause("look")), () => Promise.reject(new Pending({ retryAfterMs: 1 })), () => "done" as const];
    const attempts: number[] = [];
    const points = twoPhaseMessage("points", {
      messages: (order: Order) => [{ topic: "points.added", key: order.buyer, payload: order }],
      checkBackAfterMs: 0,
      checkBack: ({ attempt, input, gid, signal, preparedAtMs }) => {
        assert.deepEqual([input, gid, signal.aborted, preparedAtMs <= Date.now()], [ORDER, "g", false, true]);
        attempts.push(attempt);
        return (replies[attempts.length - 1] ?? (() => "done" as const))();
      },
    });
    const tripact = await node({ definitions: [points] });
    assert.equal((await tripact.run(points, ORDER, { gid: "g" })).kind, "committed");
    assert.deepEqual(attempts, [1, 2, 3, 4, 4]);
    assert.deepEqual(journal("g").flatMap(({ kind }) => (kind === "attempted" || kind === "pending" || kind === "done" ? [kind] : [])), ["attempted", "attempted", "attempted", "pending", "done"]);
    assert.equal(database.outbox.length, 1);
  });
});

describe("prepare", () => {
  it("again under the same gid attaches; another input is a conflict", async (t) => {
    const { node, database } = nodes(t);
    const points = twoPhase("points", "not-yet");
    const [here, there] = [await node({ definitions: [points] }), await node({ definitions: [points] })];
    assert.equal((await points.prepare(here, ORDER, { gid: "g" })).attached, false);
    const again = await points.prepare(there, ORDER, { gid: "g" });
    assert.equal(again.attached, true);
    await assert.rejects(points.prepare(there, { ...ORDER, points: 6 }, { gid: "g" }), { code: "conflicting-gid" });
    await again.submit();
    assert.equal((await points.prepare(here, ORDER, { gid: "g" })).attached, true);
    assert.equal(database.outbox.length, 1);
  });

  it("is one entry of the journal: there is no moment at which a submit would find nothing to answer", async (t) => {
    const { node, journal, database } = nodes(t);
    const points = twoPhase("points", "not-yet");
    await points.prepare(await node({ definitions: [points] }), ORDER, { gid: "g" });
    assert.deepEqual(journal("g").map(({ kind }) => kind), ["started", "recorded", "emitted", "registered"]);
    assert.equal(database.transactions.get("g")?.seq, 1);
  });

  it("refuses a bad input, and messages that could not be sent, before anything is written", async (t) => {
    const { node, database } = nodes(t);
    const make = (messages: (order: Order) => unknown) =>
      twoPhaseMessage(`p${Math.random()}`, { messages: messages as (order: Order) => { topic: string; key: string; payload: number }[], checkBack: () => "refused" });
    const bad: readonly (readonly [(order: Order) => unknown, string])[] = [
      [() => [], "invalid-input"],
      [() => undefined, "invalid-input"],
      [() => [{ topic: "", key: "k", payload: 1 }], "invalid-input"],
      [() => [{ topic: "t", payload: 1 }], "invalid-input"],
      [() => [{ topic: "t", key: "k", payload: new Map() }], "invalid-input"],
      [() => [{ topic: "t", key: "k", payload: 1, headers: { a: 1 } }], "invalid-input"],
      [() => [{ topic: "t", key: "k", payload: "x".repeat(200) }], "too-large"],
      [() => { throw new Error("no such buyer"); }, "invalid-input"],
    ];
    for (const [messages, code] of bad) {
      const points = make(messages);
      const tripact = await node({ definitions: [points], payloadBytesMax: 100 });
      await assert.rejects(points.prepare(tripact, ORDER, { gid: "g" }), (error) => error instanceof TripactError && error.code === code, String(messages));
    }
    const points = twoPhase("points", "not-yet");
    const tripact = await node({ definitions: [points] });
    await assert.rejects(points.prepare(tripact, { buyer: "ann", points: Number.NaN }, { gid: "g" }), { code: "invalid-input" });
    await assert.rejects(points.prepare(tripact, ORDER, { gid: "" }), { code: "invalid-gid" });
    assert.equal(database.transactions.size, 0);
    assert.throws(() => twoPhaseMessage("", { messages: () => [], checkBack: () => "done" }), { code: "invalid-option" });
    assert.throws(() => twoPhaseMessage("p", { messages: () => [], checkBack: () => "done", checkBackAfterMs: -1 }), { code: "invalid-option" });
    assert.throws(() => twoPhaseMessage("p", { messages: () => [], checkBack: undefined as unknown as () => "done" }), { code: "invalid-option" });
  });

  it("of a message that newer code makes otherwise waits for a person; what was submitted is journaled, and sent under the right code", async (t) => {
    const { node, database, journal } = nodes(t);
    const made = (topic: string) => twoPhaseMessage("points", { messages: (_: Order) => [{ topic, key: "k", payload: 1 }], checkBack: () => "not-yet" });
    const [points, renamed] = [made("points.added"), made("points.renamed")];
    const first = await node({ definitions: [points] });
    await points.prepare(first, ORDER, { gid: "g" });
    await first.stop();
    const second = await node({ definitions: [renamed] });
    await assert.rejects(renamed.submit(second, "g"), (error) => error instanceof TripactError && error.code === "parked" && /flow-changed.*points\.renamed/.test(error.message));
    assert.ok(journal("g").some(({ kind }) => kind === "done"));
    assert.equal(database.outbox.length, 0);
    await second.stop();
    const third = await node({ definitions: [points] });
    await third.decide("g", undefined, "retry", "the right code is back");
    assert.equal((await points.submit(third, "g")).kind, "committed");
    assert.deepEqual(database.outbox.map(({ topic }) => topic), ["points.added"]);
  });
});

describe("crashAtEveryAwait", () => {
  it("finds a two-phase message sound, done and refused and not-yet, with one crash and with two", async () => {
    const points = twoPhase("points", "done");
    for (const answer of [answers.done(), answers.refused("refused"), answers.inOrder(answers.pending(1_000), answers.unknown(), answers.done())]) {
      const { points: killed } = await crashAtEveryAwait(points, ORDER, { given: { "check-back": answer }, crashes: 2 });
      assert.ok(killed.some((point) => point.includes("after call check-back.action")), killed.join("; "));
    }
  });
});

function twoPhase(name: string, answer: CheckBackAnswer) {
  return twoPhaseMessage(name, {
    messages: (order: Order) => [{ topic: "points.added", key: order.buyer, payload: order }],
    checkBack: () => answer,
  });
}
