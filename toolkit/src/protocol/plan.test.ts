import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { done, refused } from "../../test/protocol/story.ts";
import { checkPlan } from "./check-plan.ts";
import { decide } from "./decide.ts";
import { TripactError } from "./errors.ts";
import { evolve } from "./evolve.ts";
import { drivePlan, type Plan, type PlanBranch } from "./plan.ts";
import { UNBORN, type Emitted, type Transaction, type TransactionEvent } from "./transaction.ts";

const step = (name: string, more: Partial<Extract<PlanBranch, { kind: "step" }>> = {}): PlanBranch => ({
  kind: "step", name, participant: "stock", payload: null, undo: "compensate", ...more,
});
const tcc = (name: string): PlanBranch => ({ kind: "tcc", name, participant: "wallet", payload: null });
const pivot = (name: string): PlanBranch => ({ kind: "pivot", name, participant: "bank", payload: null });
const sleep = (name: string, ms: number): PlanBranch => ({ kind: "sleep", name, ms });
const emit = (topic: string, payload: Extract<PlanBranch, { kind: "emit" }>["payload"] = null): PlanBranch => ({ kind: "emit", topic, key: "k", payload });

/** A transaction that follows a plan: the driver is asked whenever the protocol says so, decisions are taken as they come. */
class Follower {
  #state: Transaction;
  #messages = 0;
  #nowMs = 0;

  constructor(...groups: readonly (readonly PlanBranch[])[]) {
    const plan = checkPlan({ groups });
    this.#state = evolve(UNBORN, { kind: "started", plan }, 0);
    this.#follow();
  }

  /** Names of the branches that are asked now, with their op. */
  get asks(): readonly string[] {
    return this.#effects().flatMap((effect) => (effect.kind === "call" ? [`${effect.branch.name} ${effect.op}`] : []));
  }

  get state(): Transaction {
    return this.#state;
  }

  payloadOf(name: string): unknown {
    const offer = "branches" in this.#state ? this.#state.branches.find((branch) => branch.name === name)?.offer : undefined;
    return offer !== undefined && "target" in offer ? offer.target?.payload : undefined;
  }

  get messages(): readonly Emitted[] {
    return "messages" in this.#state ? this.#state.messages : [];
  }

  tell(...events: readonly TransactionEvent[]): this {
    for (const event of events) {
      this.#state = evolve(this.#state, event, this.#nowMs);
      this.#follow();
    }
    return this;
  }

  passTo(nowMs: number): this {
    this.#nowMs = nowMs;
    this.#follow();
    return this;
  }

  #effects(): ReturnType<typeof decide> {
    return decide(this.#state, this.#nowMs, { expiryMarginMs: 0 });
  }

  #follow(): void {
    for (let rounds = 0; rounds < 100; rounds += 1) {
      const effects = this.#effects();
      const append = effects.find((effect) => effect.kind === "append");
      if (append !== undefined) {
        this.#state = evolve(this.#state, append.event, this.#nowMs);
        continue;
      }
      if (this.#state.kind !== "forward" || this.#state.plan === undefined || !effects.some(({ kind }) => kind === "drive")) return;
      const events = drivePlan(this.#state.plan, this.#state, () => `message-${(this.#messages += 1)}`);
      if (events.length === 0) return;
      for (const event of events) this.#state = evolve(this.#state, event, this.#nowMs);
    }
    assert.fail("the driver never rests");
  }
}

describe("a plan", () => {
  it("runs its groups in order, and the branches of a group side by side", () => {
    const plan = new Follower([step("a"), tcc("b")], [step("c")]);
    assert.deepEqual(plan.asks, ["a action", "b try"]);
    assert.deepEqual(plan.tell(done("a", "action")).asks, ["b try"]);
    assert.deepEqual(plan.tell(done("b", "try")).asks, ["c action"]);
    assert.deepEqual(plan.tell(done("c", "action")).asks, ["b confirm"]);
    assert.equal(plan.tell(done("b", "confirm")).state.kind, "committed");
  });

  it("commits with the results of its branches, by name", () => {
    const { state } = new Follower([step("a"), step("b")]).tell(done("b", "action", "B"), done("a", "action"));
    assert.deepEqual(state.kind === "committed" && state.result, { a: null, b: "B" });
  });

  it("rolls back when a branch is refused, without waiting for its neighbours", () => {
    const plan = new Follower([step("a")], [step("b"), step("c")]).tell(done("a", "action"), refused("b", "action", "sold-out"));
    assert.deepEqual(plan.asks, ["c compensate"]);
    const { state } = plan.tell(done("c", "compensate"), done("a", "compensate"));
    assert.deepEqual(state.kind === "rolled-back" && state.reason, { kind: "refused", branch: "b", code: "sold-out" });
  });

  it("puts results in the place of references", () => {
    const payload = {
      whole: { $resultOf: "a" }, id: { $resultOf: "a", at: "/id" }, second: { $resultOf: "a", at: "/list/1" }, odd: { $resultOf: "a", at: "/x~1y/~0z" },
      nothing: { $resultOf: "a", at: "/no/where" }, length: { $resultOf: "a", at: "/list/length" }, inherited: { $resultOf: "a", at: "/constructor" },
      deep: [{ down: { $resultOf: "a", at: "/id" } }], kept: "as it is",
    };
    const result = { id: 7, list: [1, 2], "x/y": { "~z": 3 }, looksLike: { $resultOf: "a" } };
    const plan = new Follower([step("a")], [step("b", { payload })]).tell({ kind: "done", branch: "a", op: "action", result });
    assert.deepEqual(plan.payloadOf("b"), {
      whole: result, id: 7, second: 2, odd: 3, nothing: null, length: null, inherited: null, deep: [{ down: 7 }], kept: "as it is",
    });
  });

  it("sleeps", () => {
    const plan = new Follower([sleep("grace", 500)], [step("a")]);
    assert.deepEqual(plan.asks, []);
    assert.deepEqual(plan.passTo(499).asks, []);
    assert.deepEqual(plan.passTo(500).asks, ["a action"]);
  });

  it("emits with the decision, each message once", () => {
    const plan = new Follower([step("a")], [emit("placed", { $resultOf: "a" }), step("b"), emit("second")], [emit("third")]);
    assert.equal(plan.messages.length, 0);
    plan.tell(done("a", "action", "A")).passTo(10);
    assert.deepEqual(plan.messages.map(({ id, topic, payload }) => [id, topic, payload]), [["message-1", "placed", "A"], ["message-2", "second", null]]);
    const { state, messages } = plan.tell(done("b", "action"));
    assert.equal(state.kind, "committed");
    assert.deepEqual(messages.map(({ id }) => id), ["message-1", "message-2", "message-3"]);
  });

  it("emits nothing when it rolls back", () => {
    const plan = new Follower([emit("placed"), step("a")], [step("b")]).tell(done("a", "action"), refused("b", "action"), done("a", "compensate"));
    assert.equal(plan.state.kind, "rolled-back");
    assert.deepEqual(plan.messages, []);
  });

  it("goes on past a branch that a person left out", () => {
    const plan = new Follower([step("a")], [step("b", { payload: { $resultOf: "a" } })]);
    plan.tell({ kind: "parked", branch: "a", reason: "paused", detail: "" }, { kind: "operator-decided", branch: "a", verdict: "skip", who: "ann", why: "" });
    assert.deepEqual(plan.asks, ["b action"]);
    assert.equal(plan.payloadOf("b"), null);
  });

  it("registers what it was told: guard, undo, expiry", () => {
    const plan = new Follower([
      step("a", { guard: "unguarded", undo: "nothing" }),
      { kind: "tcc", name: "t", participant: "wallet", payload: 1, expiresAfterMs: 9_000 },
    ]);
    const { state } = plan;
    assert.ok("branches" in state);
    const target = (participant: string, payload: number | null): object => ({ participant, payload });
    assert.deepEqual(state.branches.map(({ offer }) => offer), [
      { kind: "step", guard: "unguarded", undo: "nothing", target: target("stock", null) },
      { kind: "tcc", guard: "barrier", expiresAfterMs: 9_000, target: target("wallet", 1) },
    ]);
  });

  it("asks for nothing twice, whoever drives it on", () => {
    const { state } = new Follower([step("a"), step("b")]);
    assert.ok(state.kind === "forward" && state.plan !== undefined);
    assert.deepEqual(drivePlan(state.plan, state, () => assert.fail()), []);
  });
});

describe("a plan at the door", () => {
  const deep = (levels: number): unknown => Array.from({ length: levels }).reduce((inner) => [inner], null);
  const group = (...items: unknown[]): unknown => ({ groups: [items] });
  const wrong: Readonly<Record<string, readonly [plan: unknown, where: string, what: RegExp]>> = {
    "no object": [7, "plan", /an object with `groups`/],
    "null": [null, "plan", /an object with `groups`/],
    "no groups": [{}, "plan", /an object with `groups`/],
    "a group that is no list": [{ groups: [step("a")] }, "groups[0]", /a list of at least one branch/],
    "no group": [{ groups: [] }, "groups", /at least one group/],
    "an empty group": [{ groups: [[step("a")], []] }, "groups[1]", /a list of at least one branch/],
    "a branch that is no object": [group(null), "groups[0][0]", /a branch is an object/],
    "an unknown kind": [group({ kind: "leap", name: "a" }), "groups[0][0]", /kind is one of step, pivot, tcc, sleep, emit/],
    "no kind": [group({ name: "a" }), "groups[0][0]", /kind is one of/],
    "no name": [group({ ...step("a"), name: undefined }), "groups[0][0]", /a branch has a name/],
    "no participant": [group({ ...step("a"), participant: "" }), "groups[0][0]", /participant is a name or a URL/],
    "no payload": [group({ ...step("a"), payload: undefined }), "groups[0][0]", /payload is missing/],
    "an unknown guard": [group({ ...step("a"), guard: "luck" }), "groups[0][0]", /guard is barrier or unguarded/],
    "a step without its undo": [group({ ...step("a"), undo: undefined }), "groups[0][0]", /a step says its undo/],
    "an undo that is neither": [group({ ...step("a"), undo: "maybe" }), "groups[0][0]", /a step says its undo/],
    "an expiry before now": [group({ ...tcc("a"), expiresAfterMs: -1 }), "groups[0][0]", /expiresAfterMs/],
    "a sleep without its time": [group({ kind: "sleep", name: "a" }), "groups[0][0]", /ms is a number/],
    "a sleep for ever": [group(sleep("a", Number.POSITIVE_INFINITY)), "groups[0][0]", /ms is a number/],
    "an emit without a key": [group({ ...emit("t"), key: undefined }), "groups[0][0]", /a topic and a key/],
    "an emit without a topic": [group({ ...emit("t"), topic: 1 }), "groups[0][0]", /a topic and a key/],
    "an emit without a payload": [group({ ...emit("t"), payload: undefined }), "groups[0][0]", /an emit has a payload/],
    "headers that are no texts": [group({ ...emit("t"), headers: { a: 1 } }), "groups[0][0]", /headers are texts by name/],
    "two branches of one name": [{ groups: [[step("a")], [tcc("a")]] }, "groups[1][0]", /two branches are named a/],
    "a sleep of a step's name": [group(step("a"), sleep("a", 1)), "groups[0][1]", /two branches are named a/],
    "a pivot with company": [group(step("a"), pivot("p")), "groups[0][1]", /a pivot runs alone/],
    "two pivots": [{ groups: [[pivot("p")], [pivot("q")]] }, "groups[1][0]", /a second pivot, after p/],
    "a try after the pivot": [{ groups: [[pivot("p")], [tcc("t")]] }, "groups[1][0]", /a try after the pivot p/],
    "a reference to nothing": [group(step("a", { payload: { $resultOf: "b" } })), "groups[0][0]", /refers to "b", which no earlier group has/],
    "a reference inside its group": [group(step("a"), step("b", { payload: { $resultOf: "a" } })), "groups[0][1]", /no earlier group/],
    "a reference that waits for a later group": [{ groups: [[emit("t", [{ $resultOf: "a" }])], [step("a")]] }, "groups[0][0].0", /no earlier group/],
    "a reference that is no name": [group({ ...step("a"), payload: { in: { $resultOf: 7 } } }), "groups[0][0].in", /refers to 7/],
    "a pointer that is none": [{ groups: [[step("a")], [step("b", { payload: { $resultOf: "a", at: "id" } })]] }, "groups[1][0]", /JSON pointer/],
    "more than a thousand branches": [{ groups: Array.from({ length: 1_001 }, (_, n) => [step(`s${n}`)]) }, "groups[1000][0]", /at most 1000 branches/],
    "a payload without a bottom": [group({ ...step("a"), payload: deep(100_000) }), "groups[0][0].0", /levels deep/],
  };
  for (const [what, [plan, where, says]] of Object.entries(wrong)) {
    it(`is refused with ${what}`, () => {
      const error = thrownBy(() => checkPlan(plan));
      assert.deepEqual([error.code, error.where?.slice(0, where.length)], ["invalid-plan", where]);
      assert.match(error.message, says);
    });
  }

  it("is refused with a name that is none", () => {
    for (const name of ["", "a/b", "a\nb", "x".repeat(129)]) assert.equal(thrownBy(() => checkPlan(group(step(name)))).code, "invalid-gid");
  });

  it("is taken when nothing is wrong with it", () => {
    const plan: Plan = {
      groups: [[step("a"), tcc("b"), sleep("s", 0)], [pivot("p")], [step("c", { payload: [{ $resultOf: "p", at: "" }] }), emit("t", { $resultOf: "a", at: "/id" })]],
    };
    assert.equal(checkPlan(plan), plan);
  });
});

function thrownBy(call: () => unknown): TripactError {
  try {
    call();
  } catch (error) {
    if (error instanceof TripactError) return error;
    throw error;
  }
  return assert.fail("nothing was thrown");
}
