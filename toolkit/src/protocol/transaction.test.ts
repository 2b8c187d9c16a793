/** The story of a purchase, in business sentences: stock is reserved, payment is taken, an order is written. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  at, cancelled, commitAsked, deadline, decided, done, given, localSql, MARGIN_MS, message, noAnswer, notYet, parked, pivot, recovered, refused, refusedBy,
  reservation, said, started, step, timer,
} from "../../test/protocol/story.ts";
import { IllegalTransition } from "./errors.ts";

const stockHeld = [started(), step("stock"), done("stock", "action", "hold-1")];
const paymentTried = [...stockHeld, reservation("payment"), done("payment", "try")];

describe("a purchase", () => {
  it("begins by asking its driver what to do", () => {
    given(started()).expect({ state: "forward", effects: ["drive"] });
  });

  it("reserves stock and asks for the next step meanwhile", () => {
    given(started(), step("stock")).expect({ effects: ["ask stock: action", "drive"] });
  });

  it("commits when all are done, and only then confirms the payment", () => {
    given(...paymentTried, commitAsked("order-1"))
      .expect({ state: "forward", effects: ["decide commit"] })
      .when(decided("commit"))
      .expect({ state: "committing", effects: ["ask payment: confirm"] })
      .when(done("payment", "confirm"))
      .expect({ state: "committed", effects: [], branches: { stock: "done", payment: "closed (confirm)" } });
  });

  it("commits at once when nothing has to be confirmed", () => {
    const { state } = given(...stockHeld, commitAsked("order-1"), decided("commit")).expect({ state: "committed" });
    assert.equal(state.kind === "committed" && state.result, "order-1");
  });

  it("waits with the commit for a branch that is still open", () => {
    given(started(), step("stock"), commitAsked()).expect({ effects: ["ask stock: action"] });
    assert.throws(() => given(started(), step("stock"), commitAsked(), decided("commit")), IllegalTransition);
  });

  it("sends its messages with the commit", () => {
    const { state } = given(...stockHeld, message("m1"), commitAsked(), decided("commit"));
    assert.deepEqual(state.kind === "committed" && state.messages.map(({ id }) => id), ["m1"]);
  });

  it("sends nothing when it rolls back", () => {
    const { state } = given(...stockHeld, message("m1"), cancelled(), decided("roll-back"));
    assert.deepEqual(state.kind === "rolling-back" && state.messages, []);
  });
});

describe("when payment refuses", () => {
  it("gives the stock back, and asks nothing of the payment, for it surely did not happen", () => {
    given(...stockHeld, reservation("payment"), refused("payment", "try", "no-funds"), refusedBy("payment", "no-funds"))
      .expect({ effects: ["decide roll-back"] })
      .when(decided("roll-back"))
      .expect({ state: "rolling-back", effects: ["ask stock: compensate"], branches: { payment: "refused" } })
      .when(done("stock", "compensate"))
      .expect({ state: "rolled-back", effects: [], branches: { stock: "closed (compensate)", payment: "refused" } });
  });

  it("a flow may catch the refusal and pay in another way", () => {
    given(...stockHeld, step("card"), refused("card", "action"), step("invoice"), done("invoice", "action"), commitAsked(), decided("commit"))
      .expect({ state: "committed", branches: { card: "refused", invoice: "done" } });
  });

  it("the reason of the roll back is the first wish", () => {
    const { state } = given(...stockHeld, refusedBy("payment"), cancelled(), decided("roll-back"));
    assert.equal(state.kind === "rolling-back" && state.reason.kind, "refused");
  });

  it("steps are given back one by one, the last started first; reservations at once", () => {
    const three = [started(), step("a"), step("b"), reservation("hold"), step("c"), ...["a", "b", "c"].map((name) => done(name, "action")), done("hold", "try")];
    given(...three, cancelled(), decided("roll-back"))
      .expect({ effects: ["ask hold: cancel", "ask c: compensate"] })
      .when(done("c", "compensate"))
      .expect({ effects: ["ask hold: cancel", "ask b: compensate"] })
      .when(done("hold", "cancel"), done("b", "compensate"))
      .expect({ effects: ["ask a: compensate"] })
      .when(done("a", "compensate"))
      .expect({ state: "rolled-back" });
  });

  it("a step that said that it needs no undo is left alone", () => {
    given(started(), step("mail", { undo: "nothing" }), done("mail", "action"), cancelled(), decided("roll-back")).expect({ state: "rolled-back" });
  });
});

describe("when an answer never comes", () => {
  it("the same op is asked again, a little later", () => {
    given(started(), step("stock"), at(1_000, noAnswer("stock", "action"))).expect({ effects: ["ask stock: action not before 1050", "drive"] });
  });

  it("attempts that are spent roll back, and the step is undone as if it had happened", () => {
    given(started(), step("stock"), noAnswer("stock", "action", { spent: true }))
      .expect({ effects: ["decide roll-back"] })
      .when(decided("roll-back"))
      .expect({ effects: ["ask stock: compensate"] });
  });

  it("`not yet` uses up no attempt", () => {
    const { state } = given(started(), step("stock"), at(1_000, notYet("stock", "action", 500))).expect({ effects: ["ask stock: action not before 1500", "drive"] });
    assert.equal(state.kind === "forward" && state.branches[0]?.attempts, 0);
  });

  it("an undo is asked for ever: past its usual time it is late", () => {
    const { state } = given(...stockHeld, cancelled(), decided("roll-back"), noAnswer("stock", "compensate", { spent: true }))
      .expect({ state: "rolling-back", effects: ["ask stock: compensate not before 50"] });
    assert.equal(state.kind === "rolling-back" && state.branches[0]?.late, true);
  });

  it("a local SQL step that is still open did not happen: its effect commits together with its event", () => {
    given(...stockHeld, localSql("order"), cancelled(), decided("roll-back")).expect({ effects: ["ask stock: compensate"], branches: { order: "closed (compensate)" } });
  });
});

describe("note 2: refused is not surely did not", () => {
  const unguarded = [started(), step("card", { guard: "unguarded" })];

  it("an unguarded refusal of the only attempt is proof", () => {
    given(...unguarded, refused("card", "action"), refusedBy("card"), decided("roll-back")).expect({ state: "rolled-back", branches: { card: "refused" } });
  });

  it("after an attempt that nobody saw end it is none: the step is undone", () => {
    given(...unguarded, noAnswer("card", "action"), refused("card", "action"), refusedBy("card"), decided("roll-back")).expect({ effects: ["ask card: compensate"] });
  });

  it("nor after a takeover, for the last owner may have called", () => {
    given(...unguarded, recovered(), refused("card", "action"), refusedBy("card"), decided("roll-back")).expect({ effects: ["ask card: compensate"] });
  });

  it("a barrier's refusal is always proof, for it is recorded", () => {
    given(started(), step("card"), noAnswer("card", "action"), recovered(), refused("card", "action"), refusedBy("card"), decided("roll-back"))
      .expect({ state: "rolled-back", branches: { card: "refused" } });
  });

  it("a flow that caught such a refusal and commits believes that it did not happen: it is undone all the same", () => {
    given(...unguarded, noAnswer("card", "action"), refused("card", "action"), commitAsked(), decided("commit"))
      .expect({ state: "committing", effects: ["ask card: compensate"] })
      .when(done("card", "compensate"))
      .expect({ state: "committed" });
  });
});

describe("note 4: nothing but an answer parks", () => {
  for (const decision of ["commit", "roll-back"] as const) {
    it(`attempts spent after the ${decision} only make it late`, () => {
      const op = decision === "commit" ? "confirm" : "cancel";
      const wish = decision === "commit" ? commitAsked() : cancelled();
      given(...paymentTried, wish, decided(decision), noAnswer("payment", op, { spent: true }), noAnswer("payment", op, { spent: true }))
        .expect({ branches: { payment: `closing (${op})` } });
    });
  }

  it("a refusal in the second phase parks the branch, and a person may have it asked again", () => {
    given(...paymentTried, commitAsked(), decided("commit"), refused("payment", "confirm"))
      .expect({ state: "committing", effects: [], branches: { payment: "parked (second-phase-refused)" } })
      .when(said("retry", "payment"))
      .expect({ effects: ["ask payment: confirm"] });
  });

  it("a parked undo holds back the steps before it", () => {
    given(started(), step("a"), step("b"), done("a", "action"), done("b", "action"), cancelled(), decided("roll-back"), refused("b", "compensate"))
      .expect({ effects: [] })
      .when(said("skip", "b"))
      .expect({ effects: ["ask a: compensate"] });
  });
});

describe("a pivot", () => {
  const charging = [...stockHeld, pivot("charge")];

  it("holds off cancel and deadline until it answers", () => {
    given(...charging, cancelled()).expect({ effects: ["ask charge: action"] });
    given(started(10), pivot("charge")).expect({ nowMs: 1_000, effects: ["ask charge: action", "drive"] });
    assert.throws(() => given(...charging, cancelled(), decided("roll-back")), IllegalTransition);
  });

  it("done: the wish to roll back has lost", () => {
    given(...charging, cancelled(), done("charge", "action")).expect({ effects: ["drive"] });
    given(...charging, done("charge", "action"), cancelled()).expect({ effects: ["drive"] });
    given(started(10), pivot("charge"), done("charge", "action"), deadline()).expect({ nowMs: 1_000, effects: ["drive"] });
  });

  it("refused: the wish is followed", () => {
    given(...charging, cancelled(), refused("charge", "action")).expect({ effects: ["decide roll-back"] });
  });

  it("is asked for ever, and is late when its attempts are spent", () => {
    const { state } = given(...charging, noAnswer("charge", "action", { spent: true })).expect({ effects: ["ask charge: action not before 50", "drive"] });
    assert.deepEqual(state.kind === "forward" && state.branches.map(({ late }) => late), [false, true]);
  });

  it("may be asked only a while after its registration, and be answered from outside before that", () => {
    const waiting = given(started(), at(1_000, pivot("charge", { afterMs: 2_000 }))).expect({ nowMs: 1_000, effects: ["ask charge: action not before 3000", "drive"] });
    waiting.when(recovered()).expect({ nowMs: 2_000, effects: ["ask charge: action not before 3000", "drive"] });
    waiting.when(cancelled()).expect({ nowMs: 9_999, effects: ["ask charge: action not before 3000"] });
    waiting.when(done("charge", "action"), commitAsked()).expect({ nowMs: 1_001, effects: ["decide commit"] });
    waiting.when(refused("charge", "action"), refusedBy("charge")).expect({ nowMs: 1_001, effects: ["decide roll-back"] });
  });

  it("refused by an unguarded participant after an attempt that nobody saw end: a person decides", () => {
    const doubt = given(...stockHeld, pivot("charge", { guard: "unguarded" }), noAnswer("charge", "action"), refused("charge", "action"), cancelled());
    doubt.expect({ effects: [], branches: { charge: "parked (pivot-in-doubt)" } });
    doubt.when(said("done", "charge")).expect({ effects: ["drive"] });
    doubt.when(said("refused", "charge")).expect({ effects: ["decide roll-back"] });
  });

  it("note 19: runs alone, before and after", () => {
    assert.throws(() => given(started(), step("stock"), pivot("charge")), /a pivot runs alone/);
    assert.throws(() => given(...charging, step("mail")), /a pivot runs alone/);
    assert.throws(() => given(...charging, done("charge", "action"), reservation("points")), /after the pivot/);
    assert.throws(() => given(...charging, done("charge", "action"), pivot("again")), /after the pivot/);
    given(...charging, done("charge", "action"), step("mail")).expect({ effects: ["ask mail: action", "drive"] });
  });

  it("is not begun once somebody asked to roll back", () => {
    assert.throws(() => given(...stockHeld, cancelled(), pivot("charge")), /after somebody asked to roll back/);
  });

  it("what is refused after it parks, and cannot be called refused by a person either", () => {
    const shipping = given(...charging, done("charge", "action"), step("ship"), refused("ship", "action"));
    shipping.expect({ branches: { ship: "parked (refused-after-pivot)" }, effects: ["drive"] });
    assert.throws(() => shipping.when(said("refused", "ship")), /after the pivot/);
    assert.throws(() => shipping.when(said("refused")), /after the pivot/);
    shipping.when(said("skip", "ship"), commitAsked(), decided("commit")).expect({ state: "committed" });
  });
});

describe("note 22: cancel, deadline and commit race", () => {
  it("a deadline is an event that time brings about, nothing else", () => {
    given(at(5_000, started(300)))
      .expect({ nowMs: 5_299, effects: ["drive", "wait until 5300"] })
      .expect({ nowMs: 5_300, effects: ["deadline-reached"] })
      .when(deadline())
      .expect({ effects: ["decide roll-back"] });
  });

  it("a wish that came before the decision wins, even over a commit that was asked for", () => {
    given(...paymentTried, commitAsked(), cancelled()).expect({ effects: ["decide roll-back"] });
    assert.throws(() => given(...paymentTried, commitAsked(), cancelled(), decided("commit")), /somebody asked to roll back first/);
  });

  it("a wish that comes after it is kept in the journal, and changes nothing", () => {
    given(...paymentTried, commitAsked(), decided("commit"), cancelled()).expect({ state: "committing", effects: ["ask payment: confirm"] });
    given(...stockHeld, commitAsked(), decided("commit"), cancelled()).expect({ state: "committed", effects: [] });
  });

  it("a deadline after the decision has no effect", () => {
    given(started(10), reservation("payment"), done("payment", "try"), commitAsked(), decided("commit")).expect({ nowMs: 99_999, effects: ["ask payment: confirm"] });
  });
});

describe("note 5: a reservation's expiry bounds the decision", () => {
  const expiring = [started(), at(1_000, reservation("seat", { expiresAfterMs: 500 })), at(1_100, done("seat", "try")), commitAsked()];

  it("commit well before it", () => {
    given(...expiring).expect({ nowMs: 1_500 - MARGIN_MS - 1, effects: ["decide commit"] });
  });

  it("else roll back", () => {
    given(...expiring).expect({ nowMs: 1_500 - MARGIN_MS, effects: ["ask to roll back: reservation-expired"] });
  });

  it("after a pivot there is no way back: commit, and the reservation waits for that answer", () => {
    const turned = [started(), reservation("seat", { expiresAfterMs: 500 }), done("seat", "try"), pivot("charge"), done("charge", "action"), commitAsked()];
    given(...turned).expect({ nowMs: 9_999, effects: ["decide commit"] });
  });
});

describe("a person", () => {
  const paused = [...stockHeld, reservation("payment"), parked("paused", "payment")];

  it("sees a parked branch wait, and has it asked again", () => {
    given(...paused).expect({ effects: ["drive"], branches: { payment: "parked (paused)" } }).when(said("retry", "payment")).expect({ effects: ["ask payment: try", "drive"] });
  });

  it("says what it was: done, refused, or to be left out", () => {
    given(...paused, said("done", "payment"), commitAsked(), decided("commit")).expect({ effects: ["ask payment: confirm"] });
    given(...paused, said("refused", "payment"), refusedBy("payment"), decided("roll-back")).expect({ branches: { payment: "refused" } });
    given(...paused, said("skip", "payment"), commitAsked(), decided("commit")).expect({ state: "committed", branches: { payment: "skipped" } });
  });

  it("what a person left out is neither confirmed nor undone", () => {
    given(...paused, said("skip", "payment"), cancelled(), decided("roll-back")).expect({ effects: ["ask stock: compensate"], branches: { payment: "skipped" } });
  });

  it("who leaves out the pivot means that it is behind us: only forward from here", () => {
    const left = given(...stockHeld, pivot("charge"), parked("paused", "charge"), cancelled(), said("skip", "charge")).expect({ effects: ["drive"] });
    assert.throws(() => left.when(reservation("points")), /after the pivot/);
  });

  it("a parked branch is undone like an unknown one when the caller cancels", () => {
    given(...paused, cancelled(), decided("roll-back")).expect({ effects: ["ask payment: cancel", "ask stock: compensate"] });
  });

  it("resumes a flow that was parked as a whole, or ends it", () => {
    const changed = given(...stockHeld, parked("flow-changed")).expect({ effects: [] });
    changed.when(said("retry")).expect({ effects: ["drive"] });
    changed.when(said("refused")).expect({ effects: ["decide roll-back"] });
    assert.throws(() => changed.when(said("done")), /done needs a branch/);
  });

  it("resumes a second phase that was parked as a whole", () => {
    const halted = given(...paymentTried, commitAsked(), decided("commit"), parked("journal-refused"));
    const { state } = halted.when(said("retry")).expect({ effects: ["ask payment: confirm"] });
    assert.equal("halted" in state, false);
  });

  it("who forces a branch the other way gets the outcome `mixed`, by name", () => {
    const { state } = given(...paymentTried, commitAsked("order-1"), decided("commit"), refused("payment", "confirm"), said("refused", "payment"))
      .expect({ state: "mixed", effects: [], branches: { payment: "closed (confirm, refused)" } });
    assert.deepEqual(state.kind === "mixed" && state.decision, { kind: "commit", result: "order-1" });
    given(...stockHeld, cancelled(), decided("roll-back"), said("refused", "stock")).expect({ state: "mixed" });
  });

  it("cannot settle what is settled, nor a branch that is not there", () => {
    assert.throws(() => given(...stockHeld, said("done", "stock")), IllegalTransition);
    assert.throws(() => given(...stockHeld, said("done", "nobody")), /no branch nobody/);
    assert.throws(() => given(...stockHeld, commitAsked(), cancelled(), decided("roll-back"), said("skip")), /skip needs a branch/);
  });
});

describe("a timer", () => {
  it("wakes by itself when its time has come", () => {
    given(started(), at(100, timer("grace", 500)))
      .expect({ nowMs: 599, effects: ["drive", "wait until 600"] })
      .expect({ nowMs: 600, effects: ["wake grace"] })
      .when(done("grace", "wake"))
      .expect({ effects: ["drive"] });
  });

  it("does not hold up a roll back", () => {
    given(started(), timer("grace", 500), cancelled(), decided("roll-back")).expect({ state: "rolled-back" });
  });
});

describe("an answer that fits no question", () => {
  const cases = {
    "of another op": [...stockHeld, reservation("payment"), done("payment", "confirm")],
    "of a branch that has answered": [...stockHeld, done("stock", "action")],
    "of a branch that is not there": [started(), done("stock", "action")],
    "of a forward op after the decision": [started(), step("stock"), cancelled(), decided("roll-back"), done("stock", "action")],
    "of a closed branch": [...paymentTried, step("x"), cancelled(), decided("roll-back"), done("payment", "cancel"), done("payment", "cancel")],
    "of a parked branch": [started(), step("stock"), parked("paused", "stock"), done("stock", "action")],
  };
  for (const [name, events] of Object.entries(cases)) {
    it(`${name} is illegal`, () => assert.throws(() => given(...events), IllegalTransition));
  }

  it("a decision that nobody asked for is illegal", () => {
    assert.throws(() => given(...stockHeld, decided("commit")), /nobody asked for a commit/);
    assert.throws(() => given(...stockHeld, decided("roll-back")), /nobody asked to roll back/);
  });

  it("two branches of one name are illegal", () => {
    assert.throws(() => given(...stockHeld, step("stock")), /already there/);
  });
});
