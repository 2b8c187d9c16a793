import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { Abandoned, participant, Pause, Refused, saga, TripactError, type Tx } from "tripact";
import { answers, crashAtEveryAwait, testSaga } from "tripact/testing";
import { eventually, gate, nodes } from "../../test/memory/nodes.ts";

const UNDO = { undo: () => undefined } as const;
const stock = participant({ name: "stock", action: (_call, units: number) => units, compensate: () => undefined });
const wallet = participant({ name: "wallet", try: (_call, cents: number) => cents, confirm: () => undefined, cancel: () => undefined });

describe("a flow", () => {
  it("may catch a refusal and go on; the refused branch is not undone", async () => {
    const patient = saga("patient", async (tx, _: null) => {
      try {
        return await tx.step("first-choice", () => Promise.reject(new Refused("sold-out")), UNDO);
      } catch (error) {
        assert.ok(error instanceof Refused && error.code === "sold-out");
        return await tx.step("second-choice", () => "b", UNDO);
      }
    });
    await testSaga(patient).when(null).expect({ committed: "b", calls: ["first-choice.action", "second-choice.action"] });
  });

  it("rolls back on a refusal that it does not catch, on a Refused of its own, and on any other error, each with its reason", async () => {
    const throwing = (error: Error) => saga("throwing", async (tx, _: null) => {
      await tx.step("a", () => 1, UNDO);
      throw error;
    });
    const calls = ["a.action", "a.compensate"];
    await testSaga(throwing(new Refused("no", { why: 1 }))).when(null).expect({ rolledBack: { kind: "refused-by-flow", code: "no", details: { why: 1 } }, calls });
    await testSaga(throwing(new Error("oops"))).when(null).expect({ rolledBack: { kind: "flow-threw", error: "oops" }, calls });
    const refused = saga("refused", async (tx, _: null) => await tx.step("b", () => Promise.reject(new Refused("no")), UNDO));
    await testSaga(refused).when(null).expect({ rolledBack: { kind: "refused", branch: "b", code: "no" } });
  });

  it("rolls back when a step whose promise it left alone is refused after it returned", async () => {
    const careless = saga("careless", async (tx, _: null) => {
      void tx.step("left-alone", () => Promise.reject(new Refused("no")), UNDO).catch(() => undefined);
      return await tx.step("a", () => 1, UNDO);
    });
    await testSaga(careless).given({ "left-alone": answers.inOrder(answers.pending(100), answers.refused("no")) }).when(null).expect({ rolledBack: { kind: "refused", branch: "left-alone" } });
  });

  it("rolls back when it repeats a step's name, before that step is registered", async (t) => {
    const { node, journal } = nodes(t);
    const repeating = saga("repeating", async (tx, _: null) => {
      await tx.step("a", () => 1, UNDO);
      return await tx.step("a", () => 2, UNDO);
    });
    const tripact = await node({ definitions: [repeating] });
    const outcome = await tripact.run(repeating, null, { gid: "g" });
    assert.ok(outcome.kind === "rolled-back" && outcome.reason.kind === "flow-threw" && outcome.reason.error.includes("second step is named a"), JSON.stringify(outcome));
    assert.equal(journal("g").filter((event) => event.kind === "registered").length, 1);
  });

  it("rolls back when it asks for what cannot be, before anything is registered", async (t) => {
    const { node, journal } = nodes(t);
    const wrong: { readonly [name: string]: (tx: Tx) => Promise<unknown> } = {
      "a step without its undo": (tx) => tx.step("a", () => 1, { undo: undefined as unknown as "nothing" }),
      "a negative timeout": (tx) => tx.step("a", () => 1, { undo: "nothing", timeoutMs: -1 }),
      "a negative expiry": (tx) => tx.tcc("a", wallet, 1, { expiresAfterMs: -1 }),
      "a negative sleep": (tx) => tx.sleep(-1),
      "a name with a slash": (tx) => tx.step("a/b", () => 1, UNDO),
      "a participant of the wrong kind": (tx) => tx.tcc("a", stock as unknown as typeof wallet, 1),
      "an input that is not JSON": (tx) => tx.tcc("a", wallet, 1n as unknown as number),
      "a message without a key": (tx) => tx.emit("topic", { key: "", payload: 1 }),
      "local SQL without a database": (tx) => tx.sql("a", async () => 1, { undo: "nothing" }),
    };
    const flow = saga("wrong", async (tx, name: string) => void (await wrong[name]?.(tx)));
    const tripact = await node({ definitions: [flow] });
    for (const name of Object.keys(wrong)) {
      const outcome = await tripact.run(flow, name, { gid: name });
      assert.ok(outcome.kind === "rolled-back" && outcome.reason.kind === "flow-threw", `${name}: ${JSON.stringify(outcome)}`);
      assert.ok(!journal(name).some((event) => event.kind === "registered"), name);
    }
  });

  it("is given Abandoned by everything that it asks for once roll back is decided, and is not listened to any more", async (t) => {
    const { node, journal } = nodes(t);
    const [begun, waits] = [gate(), gate()];
    const errors: unknown[] = [];
    const stubborn = saga("stubborn", async (tx, _: null) => {
      try {
        await tx.step("a", async () => {
          begun.open();
          await waits.opened;
        }, UNDO);
      } catch (error) {
        errors.push(error);
      }
      errors.push(await tx.step("b", () => 1, UNDO).catch((error: unknown) => error));
      errors.push(await tx.emit("topic", { key: "k", payload: 1 }).catch((error: unknown) => error));
      return "committed all the same";
    });
    const tripact = await node({ definitions: [stubborn] });
    await tripact.start(stubborn, null, { gid: "g" });
    await begun.opened;
    await tripact.cancel("g");
    assert.equal((await tripact.run(stubborn, null, { gid: "g" })).kind, "rolled-back");
    await eventually(() => errors.length === 3, "the flow goes through its end");
    assert.ok(errors.every((error) => error instanceof Abandoned), String(errors));
    assert.ok(!journal("g").some((event) => event.kind === "commit-requested" || (event.kind === "registered" && event.branch === "b")));
    waits.open();
  });

  it("parks with a Pause of its own, and a result that is not JSON parks where its effect stands", async () => {
    const unsure = saga("unsure", async (tx, _: null) => await tx.step("a", () => ({ at: new Date() }) as unknown as string, UNDO));
    await testSaga(unsure).when(null).expect({ parked: "result-not-json at a", calls: ["a.action"] });
  });
});

describe("a flow that is parked as a whole", () => {
  it("runs again when a person says retry, and goes on with what was decided meanwhile", async (t) => {
    const { node } = nodes(t);
    let runs = 0;
    const refusing = saga("refusing", async (tx, _: null) => {
      await tx.pivot("ship", () => 1);
      const thanks = await tx.step("thank", () => Promise.reject(new Refused("no")), UNDO);
      runs += 1;
      if (runs === 1) throw new Error("nobody to thank");
      return thanks;
    });
    const tripact = await node({ definitions: [refusing] });
    await tripact.start(refusing, null, { gid: "g" });
    const parked = async (): Promise<string> => {
      const outcome = await tripact.outcome("g");
      return outcome.kind === "open" ? (outcome.parked ?? "") : "";
    };
    // A refusal after the pivot is a person's to decide; the flow does not hear of it.
    await eventually(async () => (await parked()).includes("refused-after-pivot at thank"), "the step parks");
    await tripact.decide("g", "thank", "done", "thanked by hand", { result: "card" });
    await eventually(async () => (await parked()).includes("nobody to thank"), "the flow parks");
    await tripact.decide("g", undefined, "retry", "go on");
    assert.deepEqual(await tripact.run(refusing, null, { gid: "g" }), { kind: "committed", gid: "g", result: "card" });
  });

  it("rolls back when a person says refused", async (t) => {
    const { node } = nodes(t);
    const pausing = saga("pausing", async (tx, _: null) => {
      await tx.step("a", () => 1, UNDO);
      throw new Pause("look at this");
    });
    const tripact = await node({ definitions: [pausing] });
    await tripact.start(pausing, null, { gid: "g" });
    await eventually(async () => (await tripact.list({ state: "parked" })).length === 1, "it parks");
    await tripact.decide("g", undefined, "refused", "not wanted", { who: "ann" });
    const outcome = await tripact.run(pausing, null, { gid: "g" });
    assert.deepEqual(outcome.kind === "rolled-back" ? outcome.reason : outcome, { kind: "cancelled", by: "ann" });
  });
});

describe("notes 20: a flow that runs again", () => {
  it("takes the same path with Promise.all, Promise.race, and whatever it pushes in .then", async () => {
    const racing = saga("racing", async (tx, _: null) => {
      const order: string[] = [];
      const step = async (name: string): Promise<string> => {
        const result = await tx.step(name, () => name, UNDO);
        order.push(result);
        return result;
      };
      const winner = await Promise.race([step("slow"), step("fast")]);
      await Promise.all([step(`after-${winner}`), step("other")]);
      await step(order.join("+"));
      return order.length >= 4;
    });
    const given = { slow: answers.inOrder(answers.pending(50), answers.done("slow")) };
    const { points } = await crashAtEveryAwait(racing, null, { given });
    assert.ok(points.length > 10);
  });

  it("sees the same time, ids and chance, and sends each message once", async () => {
    const lucky = saga("lucky", async (tx, _: null) => {
      const [id, at, chance] = [tx.uuid(), tx.now(), tx.random()];
      await tx.step(`a-${id}-${at}-${chance}`, () => 1, UNDO);
      await tx.emit("topic", { key: id, payload: { at, chance } });
      await tx.sleep(1_000);
      await tx.step(`b-${tx.uuid()}`, () => 1, UNDO);
    });
    await crashAtEveryAwait(lucky, null);
  });

  it("refused steps stay refused, and caught ones stay caught", async () => {
    const choosy = saga("choosy", async (tx, _: null) => {
      const first = await tx.step("first", () => Promise.reject(new Refused("no")), UNDO).catch(() => "none");
      await tx.step(`after-${first}`, () => 1, UNDO);
      throw new Refused("enough");
    });
    await crashAtEveryAwait(choosy, null);
  });

  const versions = [
    { what: "a step under another name", now: (tx: Tx) => tx.step("renamed", () => 1, UNDO), says: /asks for renamed before reserve/ },
    { what: "a step of another kind", now: (tx: Tx) => tx.pivot("reserve", () => 1), says: /reserve was a step, the flow asks for a pivot/ },
    { what: "a step with another input", now: (tx: Tx) => tx.step("reserve", stock, 2), says: /reserve is asked for with another input/ },
    { what: "its end before a step that is journaled", now: () => Promise.resolve(), says: /returns without reserve/ },
    { what: "an id where a time is journaled", now: (tx: Tx) => tx.step(`reserve-${tx.uuid()}`, stock, 1), says: /takes uuid where now is journaled/ },
    { what: "a message that is not the journaled one", now: async (tx: Tx) => await tx.emit(`other-${tx.now() > 0}`, { key: "k", payload: 1 }), says: /emits other-true\/k where topic\/k is journaled/ },
  ] as const;
  for (const { what, now, says } of versions) {
    it(`parks as flow-changed and names the place, when it asks for ${what}`, async (t) => {
      const { node, database } = nodes(t);
      const waits = gate();
      const begun = gate();
      const old = saga("changed", async (tx, _: null) => {
        tx.now();
        await tx.emit("topic", { key: "k", payload: 1 });
        await tx.step("reserve", stock, 1);
        await tx.step("wait", async () => {
          begun.open();
          await waits.opened;
        }, UNDO);
      });
      const changed = saga("changed", async (tx, _: null) => void (await now(tx)));
      const first = await node({ definitions: [old], participants: [stock] });
      await first.start(old, null, { gid: "g" });
      await begun.opened;
      await first.stop();
      waits.open();
      const second = await node({ definitions: [changed], participants: [stock] });
      await eventually(() => database.transactions.get("g")?.summary.parked !== undefined, "it parks");
      const parked = database.transactions.get("g")?.summary.parked ?? "";
      assert.match(parked, /^flow-changed: /);
      assert.match(parked, says);
      // A person may still end it.
      assert.equal((await second.outcome("g")).kind, "open");
    });
  }

  it("parks as undo-unreachable, with the branch, when an undo is a closure that the flow does not come to any more", async (t) => {
    const { node, database } = nodes(t);
    const begun = gate();
    const waits = gate();
    const definition = (reaches: boolean) => saga("lost", async (tx, _: null) => {
      if (reaches) await tx.step("a", () => 1, UNDO);
      await tx.step("b", async () => {
        begun.open();
        await waits.opened;
      }, UNDO);
    });
    const [old, changed] = [definition(true), definition(false)];
    const first = await node({ definitions: [old] });
    await first.start(old, null, { gid: "g" });
    await begun.opened;
    await first.stop();
    waits.open();
    // Cancelled while nobody drives it: the next node rolls back at once.
    database.transactions.get("g")?.mail.push({ gid: "g", n: 1, body: JSON.stringify({ kind: "cancel", by: "test" }) });
    await node({ definitions: [changed], opTimeoutMs: 50 });
    await eventually(() => database.transactions.get("g")?.summary.parked?.includes("undo-unreachable at a") === true, "it parks with the branch");
  });
});

describe("note 19: a pivot", () => {
  it("is registered only when nothing else is open, and alone", async (t) => {
    const { node, journal } = nodes(t);
    const mixed = saga("mixed", async (tx, _: null) => {
      await Promise.all([tx.step("before", () => 1, UNDO), tx.pivot("pivot", () => 2), tx.step("after", () => 3, { undo: "nothing" })]);
    });
    const tripact = await node({ definitions: [mixed] });
    assert.equal((await tripact.run(mixed, null, { gid: "g" })).kind, "committed");
    const order = journal("g").filter((event) => event.kind === "registered" || (event.kind === "done" && "branch" in event)).map((event) => `${event.kind} ${"branch" in event ? event.branch : ""}`);
    assert.deepEqual(order, ["registered before", "done before", "registered pivot", "done pivot", "registered after", "done after"]);
  });

  it("that is refused rolls back; once done, neither a cancel nor a deadline nor a spent step takes it back", async (t) => {
    const shipping = saga("shipping", { deadlineMs: 60_000 }, async (tx, _: null) => {
      await tx.step("reserve", stock, 1);
      await tx.pivot("ship", () => 1);
      await tx.step("thank", () => 1, { undo: "nothing" });
      return "shipped";
    });
    await testSaga(shipping).given({ ship: answers.refused("closed") }).when(null).expect({ rolledBack: { kind: "refused", branch: "ship" }, calls: ["reserve.action", "ship.action", "reserve.compensate"] });
    const late = Array.from({ length: 40 }, () => answers.unknown());
    await testSaga(shipping).given({ thank: answers.inOrder(...([...late, answers.done()] as [ReturnType<typeof answers.done>])) }).when(null).expect({ committed: "shipped" });

    const { node } = nodes(t);
    const [begun, waits] = [gate(), gate()];
    const held = saga("held", { deadlineMs: 50 }, async (tx, _: null) => {
      await tx.pivot("ship", async () => {
        begun.open();
        await waits.opened;
      });
      return "shipped";
    });
    const tripact = await node({ definitions: [held], opTimeoutMs: 60_000 });
    await tripact.start(held, null, { gid: "g" });
    await begun.opened;
    const cancelled = tripact.cancel("g");
    waits.open();
    assert.deepEqual(await cancelled, { kind: "committed", gid: "g", result: "shipped" });
  });

  it("is followed only by steps that can be asked for ever: no try, no other pivot, no refusal", async () => {
    const trying = saga("trying", async (tx, _: null) => {
      await tx.pivot("ship", () => 1);
      await tx.tcc("pay", wallet, 1);
    });
    await testSaga(trying).when(null).expect({ parked: "flow-threw-after-pivot" });
    const refusing = saga("refusing", async (tx, _: null) => {
      await tx.pivot("ship", () => 1);
      await tx.step("thank", () => Promise.reject(new Refused("no")), UNDO);
    });
    await testSaga(refusing).when(null).expect({ parked: "refused-after-pivot at thank" });
    const throwing = saga("throwing", async (tx, _: null) => {
      await tx.pivot("ship", () => 1);
      throw new TripactError("invalid-input", "oops");
    });
    await testSaga(throwing).when(null).expect({ parked: "oops" });
  });
});
