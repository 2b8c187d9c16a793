import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { live, scripts, type Life, type Settle } from "../../../test/choreography/life.ts";
import { seed } from "../../../test/protocol/seed.ts";
import { decide, evolve, resultsOf, settle, type Choreographed, type ChoreographedEvent, type Publication } from "./decision.ts";
import { IllegalTransition } from "../errors.ts";

const steps = [
  { name: "reserve", after: [] },
  { name: "charge", after: ["reserve"] },
];
const UNBORN: Choreographed = { kind: "unborn" };

function after(...events: readonly ChoreographedEvent[]): { readonly state: Choreographed; readonly published: readonly Publication[] } {
  let state = UNBORN;
  const published: Publication[] = [];
  for (const event of events) {
    const settled = settle(state, event);
    state = settled.state;
    published.push(...settled.publish);
  }
  return { state, published };
}

const started: ChoreographedEvent = { kind: "started", steps };
const cancelled: ChoreographedEvent = { kind: "cancel-requested", by: "buyer" };

describe("the purchase, told in events", () => {
  test("both steps are done: it is committed, and said once", () => {
    const { state, published } = after(started, { kind: "done", step: "charge", result: 2 }, { kind: "done", step: "reserve", result: 1 }, { kind: "done", step: "charge", result: 2 });
    assert.equal(state.kind, "committed");
    assert.deepEqual(published, [{ kind: "started" }, { kind: "committed" }]);
  });

  test("the last step's event proves those that led to it, and brings their results", () => {
    const long = [...steps, { name: "gift", after: [] }, { name: "ship", after: ["charge", "gift"] }];
    const shipped: ChoreographedEvent = { kind: "done", step: "ship", result: 3, led: { reserve: 1, charge: 2, ship: 3 } };
    const { state, published } = after({ kind: "started", steps: long }, shipped, { kind: "done", step: "reserve", result: 1 }, shipped);
    assert.equal(state.kind, "committed");
    assert.deepEqual("steps" in state ? resultsOf(state.steps) : undefined, { reserve: 1, charge: 2, ship: 3 });
    assert.equal(published.length, 2);
    // Those behind one that was heard of as well: a release that no longer hears of them goes on with what an older one has written.
    const chain = [{ name: "reserve", after: [] }, { name: "charge", after: ["reserve"] }, { name: "ship", after: ["charge"] }];
    const heard = after({ kind: "started", steps: chain }, { kind: "done", step: "charge" }, shipped).state;
    assert.equal(heard.kind, "committed");
    // It says nothing of what runs beside it, and changes nothing of what is being undone.
    assert.equal(after({ kind: "started", steps: long }, { kind: "done", step: "charge", led: {} }).state.kind, "forward");
    const undone = after(started, cancelled, { kind: "undone", step: "charge" }).state;
    assert.equal(settle(undone, { kind: "done", step: "charge", led: {} }).state.kind, "rolling-back");
  });

  test("the payment refuses: only the reservation is undone", () => {
    const reason = { kind: "refused", branch: "charge", code: "no-funds" } as const;
    const { state, published } = after(started, { kind: "refused", step: "charge", code: "no-funds" }, { kind: "undone", step: "reserve" });
    assert.equal(state.kind, "rolled-back");
    assert.deepEqual(published, [{ kind: "started" }, { kind: "undo", step: "reserve", reason }, { kind: "rolled-back", reason }]);
  });

  test("the stock refuses: nothing has happened, for the payment never got the event that begins it", () => {
    const { published } = after(started, { kind: "refused", step: "reserve", code: "sold-out", details: { left: 0 } });
    assert.deepEqual(published.map(({ kind }) => kind), ["started", "rolled-back"]);
  });

  test("note 27: the deadline undoes what nobody has heard of, backwards, and waits for each answer", () => {
    const reason = { kind: "deadline" } as const;
    assert.deepEqual(after(started, { kind: "deadline-reached" }).published.slice(1), [{ kind: "undo", step: "charge", reason }]);
    assert.deepEqual(after(started, { kind: "deadline-reached" }, { kind: "undone", step: "charge" }).published.slice(2), [{ kind: "undo", step: "reserve", reason }]);
  });

  test("a refusal that comes while the next one is being undone saves its own undo", () => {
    const { state, published } = after(started, cancelled, { kind: "refused", step: "reserve", code: "sold-out" }, { kind: "undone", step: "charge" });
    assert.deepEqual(published.map(({ kind }) => kind), ["started", "undo", "rolled-back"]);
    assert.equal(state.kind === "rolled-back" && state.reason.kind, "cancelled");
  });

  test("note 22: cancel and deadline lose to a decision that was made", () => {
    const committed = after(started, { kind: "done", step: "reserve" }, { kind: "done", step: "charge" }).state;
    for (const request of [cancelled, { kind: "deadline-reached" } as const]) {
      assert.deepEqual(settle(committed, request), { state: committed, publish: [] });
    }
  });

  test("note 6: to ask for what never started makes it so", () => {
    for (const request of [cancelled, { kind: "asked" } as const]) {
      assert.deepEqual(settle(UNBORN, request), { state: { kind: "never-started" }, publish: [] });
    }
    assert.throws(() => settle({ kind: "never-started" }, started), IllegalTransition);
  });

  test("what contradicts is illegal, by name", () => {
    assert.throws(() => after(started, { kind: "done", step: "reserve" }, { kind: "refused", step: "reserve", code: "x" }), /done does not take refused: reserve/);
    assert.throws(() => after(started, { kind: "undone", step: "reserve" }), /forward does not take undone/);
    assert.throws(() => after(started, { kind: "done", step: "ship" }), /no step ship/);
    assert.throws(() => after(cancelled, { kind: "done", step: "reserve" }), /never-started does not take done/);
    assert.throws(() => evolve(after(started).state, { kind: "decided", decision: "commit" }), /a step is not done/);
    assert.throws(() => evolve(after(started).state, { kind: "decided", decision: "roll-back" }), /nobody asked/);
  });

  test("steps that wait for what does not stand before them are no saga", () => {
    for (const wrong of [[], [{ name: "a", after: ["a"] }], [{ name: "a", after: [] }, { name: "a", after: [] }], [{ name: "a", after: ["b"] }, { name: "b", after: [] }]]) {
      assert.throws(() => settle(UNBORN, { kind: "started", steps: wrong }), IllegalTransition);
    }
  });
});

interface Law {
  readonly name: string;
  readonly holds: (life: Life) => void;
}

const laws: readonly Law[] = [
  {
    name: "there is one decision, and it stays",
    holds({ states, log }) {
      assert.ok(log.filter((said) => said === "committed" || said === "rolled-back").length <= 1, log.join());
      const kinds = states.map(({ kind }) => kind);
      const decided = kinds.findIndex((kind) => kind !== "forward");
      if (decided < 0) return;
      const ends = kinds[decided] === "committed" ? ["committed"] : ["rolling-back", "rolled-back"];
      assert.deepEqual(kinds.slice(decided).filter((kind) => !ends.includes(kind)), []);
    },
  },
  {
    name: "undo goes backwards, one after the other",
    holds({ log, script }) {
      const order = script.steps.map(({ name }) => name);
      let last = order.length;
      let open = "";
      for (const said of log) {
        const [, did, name = ""] = /^(did )?undo (\w)$/.exec(said) ?? [];
        if (name === "") continue;
        if (did !== undefined) {
          if (open === name) open = "";
          continue;
        }
        assert.equal(open, "", `undo of ${name} before the one of ${open} was done: ${log.join()}`);
        assert.ok(order.indexOf(name) < last, log.join());
        [last, open] = [order.indexOf(name), name];
      }
    },
  },
  {
    name: "what surely did not happen is not undone",
    holds({ states, log }) {
      for (const state of states) {
        if (!("steps" in state)) continue;
        const refused = state.steps.filter(({ phase }) => phase.kind === "refused").map(({ name }) => name);
        for (const name of refused) assert.ok(!log.includes(`undo ${name}`), `${name} was refused and undone: ${log.join()}`);
      }
    },
  },
  {
    name: "everything ends once events are delivered, and what is left is all or nothing",
    holds({ final, effects, script, log }) {
      assert.ok(final.kind === "committed" || final.kind === "rolled-back", `${final.kind}: ${log.join()}`);
      for (const { name } of script.steps) assert.equal(effects.get(name) ?? 0, final.kind === "committed" ? 1 : 0, `${name}: ${log.join()}`);
    },
  },
];

const runs = Number(process.env["TRIPACT_RUNS"] ?? 1_500);
const tapes = fc.array(fc.nat(5_039), { maxLength: 60, size: "max" });

function judge(law: Law, protocol: Settle): void {
  fc.assert(fc.property(scripts, tapes, (script, tape) => law.holds(live(script, tape, protocol))), { seed, numRuns: runs });
}

describe("laws of any saga of up to five steps", () => {
  for (const law of laws) test(law.name, () => judge(law, settle));

  test("the random lives reach every end", () => {
    const ends = new Set<string>();
    const note = ({ final, log }: Life): void => void ends.add(`${final.kind} ${"reason" in final ? final.reason.kind : ""} ${log.filter((said) => said.startsWith("undo")).length}`);
    fc.assert(fc.property(scripts, tapes, (script, tape) => note(live(script, tape, settle))), { seed: 1, numRuns: 4_000 });
    for (const end of ["committed  0", "rolled-back refused 0", "rolled-back refused 3", "rolled-back cancelled 4", "rolled-back deadline 5"]) assert.ok(ends.has(end), end);
  });
});

describe("the laws ring", () => {
  const broken: Readonly<Record<string, { readonly law: number; readonly protocol: Settle }>> = {
    "a refusal that comes after the commit's decision turns it": {
      law: 0,
      protocol: (state, event) => (state.kind === "committed" && event.kind === "cancel-requested" ? settle({ kind: "forward", steps: state.steps }, event) : settle(state, event)),
    },
    "all undos at once": {
      law: 1,
      protocol(state, event) {
        const settled = settle(state, event);
        if (settled.state.kind !== "rolling-back" || state.kind !== "forward") return settled;
        const { reason } = settled.state;
        return { ...settled, publish: settled.state.steps.toReversed().map(({ name }) => ({ kind: "undo" as const, step: name, reason })) };
      },
    },
    "only what is known to be done is undone": {
      law: 3,
      protocol(state, event) {
        if (state.kind !== "forward" || (event.kind !== "deadline-reached" && event.kind !== "cancel-requested")) return settle(state, event);
        return settle({ ...state, steps: state.steps.map((step) => (step.phase.kind === "open" ? { ...step, phase: { kind: "refused", code: "assumed" } } : step)) }, event);
      },
    },
    "a refused step is undone all the same": {
      law: 2,
      protocol(state, event) {
        const settled = settle(state, event);
        return event.kind === "refused" && state.kind === "forward" ? { ...settled, publish: [{ kind: "undo", step: event.step, reason: { kind: "deadline" } }, ...settled.publish] } : settled;
      },
    },
  };
  for (const [name, { law, protocol }] of Object.entries(broken)) {
    test(name, () => assert.throws(() => judge(laws[law]!, protocol)));
  }
});

test("decide says nothing where there is nothing to say", () => {
  for (const state of [UNBORN, { kind: "never-started" } as const, { kind: "committed", steps: [] } as const]) assert.equal(decide(state), undefined);
});
