import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { participant, Pause, Pending, Refused, saga, type Verdict } from "tripact";
import { answers, testSaga } from "tripact/testing";
import type { Transport } from "../../transports/transport.ts";
import { eventually, gate, nodes } from "../../../test/memory/nodes.ts";

const UNDO = { undo: () => undefined } as const;
const FAR_MS = 3_600_000;

describe("a pending answer", () => {
  const paying = saga("paying", async (tx, _: null) => await tx.step("pay", () => Promise.reject(new Pending({ retryAfterMs: FAR_MS })), UNDO));

  it("is completed from outside, once: by the owner or by any other node", async (t) => {
    const { node, journal } = nodes(t);
    const [here, there] = [await node({ definitions: [paying] }), await node({ definitions: [paying] })];
    for (const [index, tripact] of [here, there].entries()) {
      const gid = `g${index}`;
      await here.start(paying, null, { gid });
      await eventually(() => journal(gid).some((event) => event.kind === "pending"), "it is pending");
      await tripact.complete(gid, "pay", { kind: "done", result: { id: 7 } });
      await tripact.complete(gid, "pay", { kind: "refused", code: "too-late" });
      assert.deepEqual(await here.run(paying, null, { gid }), { kind: "committed", gid, result: { id: 7 } });
      await tripact.complete(gid, "pay", { kind: "done" });
    }
  });

  it("may turn out to be a refusal, and is bounded by the deadline", async (t) => {
    const { node, journal } = nodes(t);
    const tripact = await node({ definitions: [paying] });
    await tripact.start(paying, null, { gid: "g" });
    await eventually(() => journal("g").some((event) => event.kind === "pending"), "it is pending");
    await tripact.complete("g", "pay", { kind: "refused", code: "declined" });
    const outcome = await tripact.run(paying, null, { gid: "g" });
    assert.deepEqual(outcome.kind === "rolled-back" ? outcome.reason : outcome, { kind: "refused", branch: "pay", code: "declined" });
    await testSaga(paying).when(null, { deadlineMs: 10_000 }).expect({ rolledBack: { kind: "deadline" }, calls: ["pay.action", "pay.compensate"] });
  });

  it("is asked again at once by a nudge, and uses up no attempt", async (t) => {
    const { node } = nodes(t);
    let calls = 0;
    const waiting = saga("waiting", async (tx, _: null) =>
      await tx.step("pay", (b) => {
        calls += 1;
        if (calls < 8) throw new Pending({ retryAfterMs: FAR_MS });
        return b.attempt;
      }, UNDO),
    );
    const tripact = await node({ definitions: [waiting], retry: { maxAttempts: 2 } });
    await tripact.start(waiting, null, { gid: "g" });
    for (let asked = 1; asked < 8; asked += 1) {
      await eventually(() => calls === asked, `call ${asked}`);
      // A nudge that comes before the answer is journaled finds nothing to hurry.
      await eventually(async () => {
        await tripact.nudge("g", "pay");
        return calls > asked;
      }, `call ${asked + 1}`);
    }
    assert.deepEqual(await tripact.run(waiting, null, { gid: "g" }), { kind: "committed", gid: "g", result: 1 });
  });
});

describe("a paused branch", () => {
  const ends: { readonly [verdict in Verdict]: string } = { done: "committed", refused: "rolled-back", retry: "committed", skip: "committed" };
  for (const verdict of ["done", "refused", "retry", "skip"] as const) {
    it(`goes on when a person says ${verdict}, who and why are journaled`, async (t) => {
      const { node, journal, notices } = nodes(t);
      let calls = 0;
      const pausing = saga("pausing", async (tx, _: null) =>
        await tx.step("pay", () => {
          calls += 1;
          if (calls === 1) throw new Pause("the amount is odd");
          return "asked again";
        }, UNDO),
      );
      const tripact = await node({ definitions: [pausing] });
      await tripact.start(pausing, null, { gid: "g" });
      await eventually(async () => (await tripact.list({ state: "parked" })).length === 1, "it parks");
      const parked = await tripact.outcome("g");
      assert.ok(parked.kind === "open" && parked.parked === "paused at pay: the amount is odd", JSON.stringify(parked));
      assert.ok(notices.some((notice) => notice.kind === "parked" && notice.branch === "pay"));
      await tripact.decide("g", "pay", verdict, "I looked", { who: "ann", result: "by hand" });
      const outcome = await tripact.run(pausing, null, { gid: "g" });
      assert.equal(outcome.kind, ends[verdict]);
      if (verdict === "done") assert.ok(outcome.kind === "committed" && outcome.result === "by hand");
      if (verdict === "retry") assert.ok(outcome.kind === "committed" && outcome.result === "asked again");
      const [decision] = journal("g").filter((event) => event.kind === "operator-decided");
      assert.ok(decision?.kind === "operator-decided" && decision.who === "ann" && decision.why === "I looked" && decision.verdict === verdict);
    });
  }
});

describe("note 4: in the second phase", () => {
  const wallet = participant({ name: "wallet", try: () => 1, confirm: () => undefined, cancel: () => undefined });
  const paying = saga("paying", async (tx, fails: boolean) => {
    await tx.tcc("pay", wallet, null);
    if (fails) throw new Refused("no");
    return "paid";
  });
  const outage = Array.from({ length: 60 }, () => answers.unknown("down"));
  const after = (...last: readonly ReturnType<typeof answers.done>[]): ReturnType<typeof answers.done> => answers.inOrder(answers.unknown("down"), ...outage, ...last);

  it("nothing is ever spent: confirm and cancel go on at the cap through any outage", async () => {
    const story = await testSaga(paying).given({ pay: { try: answers.done(), confirm: after(answers.done()) } }).when(false).expect({ committed: "paid" });
    assert.ok(story.tookMs > 60_000, "the outage was long");
    await testSaga(paying).given({ pay: { try: answers.done(), cancel: after(answers.done()) } }).when(true).expect({ rolledBack: { kind: "refused-by-flow" } });
  });

  it("only an answer parks, and a person may force an end, which is then called mixed", async (t) => {
    const { node } = nodes(t);
    const stubborn = participant({ name: "wallet", try: () => 1, confirm: () => Promise.reject(new Refused("expired")), cancel: () => undefined });
    const tripact = await node({ definitions: [saga("paying", async (tx, _: null) => await tx.tcc("pay", stubborn, null))] });
    const definition = saga("paying", async (_tx, _: null) => 1);
    await tripact.start(definition, null, { gid: "g" });
    await eventually(async () => (await tripact.list({ state: "parked" })).length === 1, "it parks");
    await tripact.decide("g", "pay", "refused", "the money is gone");
    const outcome = await tripact.run(definition, null, { gid: "g" });
    assert.ok(outcome.kind === "mixed" && outcome.decision === "commit" && outcome.branches[0]?.state === "forced", JSON.stringify(outcome));
  });
});

describe("note 21: a payload conflict", () => {
  it("is neither done nor refused: it parks", async () => {
    const paying = saga("paying", async (tx, _: null) => await tx.step("pay", () => 1, UNDO));
    await testSaga(paying).given({ pay: { action: () => ({ kind: "key-reused", detail: "another amount" }) } }).when(null).expect({ parked: "key-reused at pay: another amount" });
  });
});

describe("note 28: a participant without a barrier", () => {
  function bank(lands: boolean) {
    const paid = new Set<string>();
    const asked: string[] = [];
    const refunds: string[] = [];
    const hung = gate();
    const remote = participant({
      name: "bank",
      action: async (call) => {
        if (lands) paid.add(call.key);
        await hung.opened;
        return 1;
      },
      compensate: (call) => {
        refunds.push(call.key);
        paid.delete(call.key);
      },
      unguarded: {
        settleMs: 5_000,
        ask: (key) => {
          asked.push(key);
          return Promise.resolve(paid.has(key));
        },
      },
    });
    const paying = saga("paying", async (tx, _: null) => await tx.step("pay", remote, null));
    return { paying, paid, asked, refunds };
  }

  it("is asked whether its effect is there, undone, and asked once more after the time in which a lost call may land", async () => {
    const { paying, paid, asked, refunds } = bank(true);
    const story = await testSaga(paying, { tuning: { retry: { maxAttempts: 1 } }, realWaitMs: 20 }).when(null).expect({ rolledBack: { kind: "attempts-spent", branch: "pay" } });
    assert.deepEqual([paid.size, asked, refunds], [0, ["test/pay", "test/pay"], ["test/pay"]]);
    assert.ok(story.tookMs > 5_000);
  });

  it("is not undone where nothing happened", async () => {
    const { paying, asked, refunds } = bank(false);
    await testSaga(paying, { tuning: { retry: { maxAttempts: 1 } }, realWaitMs: 20 }).when(null).expect({ rolledBack: { kind: "attempts-spent" } });
    assert.deepEqual([asked.length, refunds], [2, []]);
  });

  it("note 2: its refusal after an attempt that nobody saw end is no proof: it is undone", async () => {
    const paying = (guard: object) => {
      let calls = 0;
      const action = (): never => {
        calls += 1;
        throw calls === 1 ? new Error("reset") : new Refused("no");
      };
      return saga("paying", async (tx, _: null) => void (await tx.step("pay", action, { ...UNDO, ...guard })));
    };
    const unguarded = { settleMs: 10, ask: () => Promise.resolve(true) };
    const rolledBack = { kind: "refused", branch: "pay" } as const;
    await testSaga(paying({ unguarded })).when(null).expect({ rolledBack, calls: ["pay.action", "pay.action", "pay.compensate", "pay.compensate"] });
    // A barrier that has recorded the refusal is proof.
    await testSaga(paying({})).when(null).expect({ rolledBack, calls: ["pay.action", "pay.action"] });
  });
});

describe("a participant that does not answer", () => {
  it("is paused by its breaker, which spends no attempts", async (t) => {
    const { node, notices } = nodes(t);
    let calls = 0;
    let up = false;
    const flaky = participant({
      name: "flaky",
      action: () => {
        calls += 1;
        if (!up) throw new Error("down");
        return calls;
      },
      compensate: () => undefined,
    });
    const using = saga("using", async (tx, _: number) => await tx.step("use", flaky, null));
    const tripact = await node({ definitions: [using], participants: [flaky], breakerAfter: 4, breakerPauseMs: 50, retry: { baseMs: 0, capMs: 1, maxAttempts: 30 } });
    const runs = Array.from({ length: 10 }, (_, n) => tripact.run(using, n, { gid: `g${n}` }));
    await eventually(() => calls >= 8, "some calls test the water");
    // Ten that retry without a breaker would have called a hundred times by now; each pause lets one call test the water.
    assert.ok(calls < 40, `${calls} calls`);
    up = true;
    for (const outcome of await Promise.all(runs)) assert.equal(outcome.kind, "committed");
    assert.deepEqual(notices.filter((notice) => notice.kind.startsWith("participant-")).map(({ kind }) => kind), ["participant-paused", "participant-resumed"]);
  });

  it("does not fill the slots of others", async (t) => {
    const { node } = nodes(t);
    const hangs = gate<number>();
    const slow = participant({ name: "slow", action: () => hangs.opened, compensate: () => undefined });
    const quick = participant({ name: "quick", action: () => 1, compensate: () => undefined });
    const using = saga("using", async (tx, isSlow: boolean) => await tx.step("use", isSlow ? slow : quick, null));
    const tripact = await node({ definitions: [using], participants: [slow, quick], participantLimit: 2, opTimeoutMs: FAR_MS });
    const stuck = Array.from({ length: 5 }, (_, n) => tripact.run(using, true, { gid: `slow-${n}` }));
    for (let n = 0; n < 5; n += 1) assert.equal((await tripact.run(using, false, { gid: `quick-${n}` })).kind, "committed");
    hangs.open(1);
    for (const outcome of await Promise.all(stuck)) assert.equal(outcome.kind, "committed");
  });

  it("is asked again when its transport throws at once, and keeps no slot", async (t) => {
    const { node } = nodes(t);
    const good = participant({ name: "odd", action: () => 1, compensate: () => undefined });
    let calls = 0;
    const transport: Transport = {
      features: good.transport.features,
      call: (call, signal) => {
        calls += 1;
        if (calls < 4) throw new TypeError("no promise at all");
        return good.transport.call(call, signal);
      },
      close: () => good.transport.close(),
    };
    const odd = { ...good, transport };
    const using = saga("using", async (tx, _: null) => await tx.step("use", odd, null));
    const tripact = await node({ definitions: [using], participants: [odd], participantLimit: 1 });
    assert.deepEqual(await tripact.run(using, null, { gid: "g" }), { kind: "committed", gid: "g", result: 1 });
    assert.equal((await tripact.run(using, null, { gid: "h" })).kind, "committed");
  });
});
