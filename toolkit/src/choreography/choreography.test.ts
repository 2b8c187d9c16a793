import assert from "node:assert/strict";
import test, { after, describe } from "node:test";
import { postgresBarrier, postgresInbox, type SqlExecutor } from "tripact/barrier";
import { choreography, json, Refused, type Envelope } from "tripact/choreography";
import { TripactError } from "tripact";
import { consume } from "tripact/events";
import { chain, charge, initiatorOf, reserve, setupOf } from "../../test/choreography/purchase.ts";
import { note, openWorld, places, type Place } from "../../test/choreography/world.ts";

const world = await openWorld();
after(() => world.close());
const { open } = world;
const lamp = { sku: "lamp" };
const purchase = initiatorOf(chain);
const { services } = setupOf(chain);

let gids = 0;
const nextGid = (): string => `g${++gids}`;
const start = (gid: string, input = lamp) => open.orders((db) => purchase.start(db, gid, input));
const outcome = (gid: string) => open.orders((db) => purchase.outcome(db, gid));

function says(code: string, words = /./): (error: unknown) => boolean {
  return (error) => error instanceof TripactError && error.code === code && words.test(error.message);
}

async function sent(gid: string, topic?: string): Promise<Envelope[]> {
  const views = await Promise.all(places.map((place) => world.look(place, gid)));
  return views.flatMap((view) => view.messages).filter((message) => topic === undefined || message.topic === `purchase.${topic}`);
}

async function one(gid: string, topic: string): Promise<Envelope> {
  const found = await sent(gid, topic);
  assert.equal(found.length, 1, `${topic} of ${gid}`);
  return found[0]!;
}

/** A message as somebody else would have written it. */
function made(gid: string, topic: string, payload: unknown, recordedAtMs = Date.now()): Envelope {
  return { id: `${gid}/${topic}`, source: "test", topic, key: gid, payload: JSON.stringify(payload), headers: {}, recordedAtMs, attempt: 1 };
}

async function deliver(name: string, envelope: Envelope): Promise<void> {
  const service = services.find((each) => each.name === name)!;
  await open[service.place]((db) => service.handle(db, envelope));
}

async function effects(place: Place, gid: string): Promise<string> {
  return (await world.look(place, gid)).effects.map(({ step, what }) => `${step} ${what}`).join(", ");
}

describe("to start", () => {
  test("the same gid and input attaches to the first; another input or choreography is a conflict", async () => {
    const gid = nextGid();
    assert.deepEqual(await start(gid), { gid, attached: false });
    assert.deepEqual(await start(gid), { gid, attached: true });
    await assert.rejects(start(gid, { sku: "chair" }), says("conflicting-gid", /input/));
    const other = choreography("refund", { input: json<typeof lamp>(), deadlineMs: 1 }).step("pay").initiator({ committed: async () => undefined, rolledBack: async () => undefined });
    await assert.rejects(open.orders((db) => other.start(db, gid, lamp)), says("conflicting-gid", /definition/));
    await assert.rejects(open.orders((db) => other.outcome(db, gid)), says("conflicting-gid", /definition/));
    assert.equal((await sent(gid)).length, 1);
  });

  test("note 32: of eight at once one starts it, and the others see it", async () => {
    const gid = nextGid();
    const all = await Promise.all(Array.from({ length: 8 }, () => start(gid)));
    assert.equal(all.filter(({ attached }) => !attached).length, 1);
    await one(gid, "started");
  });

  test("it commits with the caller's own work, or not at all", async () => {
    const gid = nextGid();
    const failing = open.orders(async (db) => {
      await note(db, gid, "order", "pending");
      await purchase.start(db, gid, lamp);
      throw new Error("no shipping to the moon");
    });
    await assert.rejects(failing, /moon/);
    assert.deepEqual(await sent(gid), []);
    assert.equal(await effects("orders", gid), "");
  });

  test("note 6: asked for or cancelled before it started, it never starts", async () => {
    for (const ask of [outcome, (gid: string) => open.orders((db) => purchase.cancel(db, gid))]) {
      const gid = nextGid();
      assert.deepEqual(await ask(gid), { kind: "never-started" });
      await assert.rejects(start(gid), says("never-started"));
      assert.deepEqual(await ask(gid), { kind: "never-started" });
    }
  });

  test("bad input is refused before anything is written", async () => {
    await assert.rejects(start("", lamp), says("invalid-gid"));
    const gid = nextGid();
    // @ts-expect-error: not an order
    await assert.rejects(start(gid, { sku: new Date() }), says("invalid-input"));
    assert.equal((await open.orders((db) => db.execute("select from tripact.choreography where gid = $1", [gid]))).rows.length, 0);
  });

  test("outside a transaction, or above read committed, nothing happens", async () => {
    const bare: SqlExecutor = { execute: async (text, values) => ({ rows: await world.query("orders", text, values), rowCount: null }) };
    await assert.rejects(purchase.start(bare, nextGid(), lamp), says("barrier-misuse", /transaction/));
    const gid = nextGid();
    await start(gid);
    const above = open.orders(async (db) => {
      await db.execute("set transaction isolation level repeatable read", []);
      return purchase.cancel(db, gid);
    });
    await assert.rejects(above, says("barrier-misuse", /repeatable read/));
  });
});

describe("one decision", () => {
  test("note 22: cancel and the last step's answer at once: one of them wins, and both hear the same", async () => {
    const ends = new Set<string>();
    for (let round = 0; round < 30; round += 1) {
      const gid = nextGid();
      await start(gid);
      await deliver("stock", await one(gid, "started"));
      await deliver("payment", await one(gid, "reserve.done"));
      await deliver("orders", await one(gid, "reserve.done"));
      const last = await one(gid, "charge.done");
      const [told] = await Promise.all(
        round % 2 === 0 ? [open.orders((db) => purchase.cancel(db, gid)), deliver("orders", last)] : [deliver("orders", last).then(() => open.orders((db) => purchase.cancel(db, gid))), deliver("orders", last)],
      );
      const { kind } = await outcome(gid);
      assert.equal(told.kind, kind);
      assert.equal((await sent(gid, "committed")).length + (await sent(gid, "charge.undo")).length, 1);
      ends.add(kind);
    }
    assert.ok(ends.has("committed"));
  });

  test("many sweeps at once let each saga meet its deadline once; one whose callback throws waits, and holds up nobody", async () => {
    const poison = nextGid();
    const hasty = choreography("purchase", { input: json<typeof lamp>(), deadlineMs: 1 }).step("reserve").initiator({
      committed: async () => undefined,
      async rollingBack(_, { gid }) {
        if (gid === poison) throw new Error("the mail server is down");
      },
      rolledBack: async () => undefined,
    });
    const all = [poison, ...Array.from({ length: 11 }, nextGid)];
    for (const gid of all) await open.orders((db) => hasty.start(db, gid, lamp));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const swept = await Promise.all([1, 2, 3].map(() => open.orders((db) => hasty.sweep(db, 5))));
    swept.push(await open.orders((db) => hasty.sweep(db)));
    assert.equal(swept.reduce((sum, { reached }) => sum + reached, 0), 11);
    assert.deepEqual(swept.flatMap(({ failed }) => failed.map(({ gid, error }) => [gid, String(error)])), [[poison, "Error: the mail server is down"]]);
    for (const gid of all) assert.equal((await sent(gid, "reserve.undo")).length, gid === poison ? 0 : 1);
    assert.deepEqual(await open.orders((db) => hasty.outcome(db, poison)), { kind: "open", phase: "forward" });
  });

  test("the outcome tells the phase, the reason and the results", async () => {
    const gid = nextGid();
    await start(gid);
    assert.deepEqual(await outcome(gid), { kind: "open", phase: "forward" });
    await open.orders((db) => purchase.cancel(db, gid, "the buyer"));
    assert.deepEqual(await outcome(gid), { kind: "open", phase: "rolling-back", reason: { kind: "cancelled", by: "the buyer" } });
    const bought = nextGid();
    await start(bought);
    await deliver("orders", made(bought, "purchase.charge.done", { kind: "done", step: "charge", input: lamp, results: { reserve: { hold: "h" }, charge: { receipt: "r" } } }));
    await deliver("orders", made(bought, "purchase.reserve.done", { kind: "done", step: "reserve", input: lamp, results: { reserve: { hold: "h" } } }));
    assert.deepEqual(await outcome(bought), { kind: "committed", results: { reserve: { hold: "h" }, charge: { receipt: "r" } } });
  });

  test("a saga ends with the steps that it began with", async () => {
    const gid = nextGid();
    await start(gid);
    const longer = initiatorOf(chain.step("ship"));
    for (const step of ["reserve", "charge"]) {
      const done = made(gid, `purchase.${step}.done`, { kind: "done", step, input: lamp, results: { reserve: { hold: "h" }, charge: { receipt: "r" } } });
      await open.orders((db) => longer.handle(db, done));
    }
    assert.equal((await outcome(gid)).kind, "committed");
  });

  test("the schema refuses a row that cannot be", async () => {
    const gid = nextGid();
    await start(gid);
    for (const set of ["state = 'committed'", "state = 'rolling-back', decided_at = now()", "input = null", "ended_at = now()", "state = 'maybe'"]) {
      await assert.rejects(world.query("orders", `update tripact.choreography set ${set} where gid = $1`, [gid]), /violates check constraint/);
    }
  });
});

describe("a step", () => {
  test("note 2: a refusal is recorded, and its event is sent once however often it is asked again", async () => {
    const gid = nextGid();
    let funds = 0;
    const payment = chain.participant("charge", {
      async action(db) {
        await note(db, gid, "charge", "action");
        if (funds === 0) throw new Refused("no-funds", { funds });
        return { receipt: "r" };
      },
      compensate: "nothing",
    });
    const asked = made(gid, "purchase.reserve.done", { kind: "done", step: "reserve", input: lamp, results: { reserve: { hold: "h" } } });
    for (let times = 0; times < 3; times += 1) {
      await open.payment((db) => payment(db, asked));
      funds += 100;
    }
    assert.deepEqual((await sent(gid)).map(({ topic }) => topic), ["purchase.charge.refused"]);
    assert.deepEqual(JSON.parse((await one(gid, "charge.refused")).payload), { kind: "refused", step: "charge", code: "no-funds", details: { funds: 0 } });
    assert.equal(await effects("payment", gid), "");
  });

  test("a fault is no answer: nothing is left, and it comes again", async () => {
    const gid = nextGid();
    let fault = true;
    const stock = chain.participant("reserve", {
      async action(db, asked) {
        await reserve.action(db, asked);
        if (fault) throw new Error("disk full");
        return { hold: "h" };
      },
      async compensate(db, { result }) {
        await note(db, gid, "reserve", `undo ${result.hold}`);
        if (fault) throw new Refused("sorry");
      },
    });
    await start(gid);
    const started = await one(gid, "started");
    await assert.rejects(open.stock((db) => stock(db, started)), /disk full/);
    assert.equal(await effects("stock", gid), "");
    fault = false;
    await open.stock((db) => stock(db, started));
    const undo = made(gid, "purchase.reserve.undo", { kind: "undo", step: "reserve", input: lamp, reason: { kind: "deadline" } });
    fault = true;
    await assert.rejects(open.stock((db) => stock(db, undo)), /sorry/);
    fault = false;
    await open.stock((db) => stock(db, undo));
    await open.stock((db) => stock(db, undo));
    assert.equal(await effects("stock", gid), "reserve action, reserve undo h");
    await one(gid, "reserve.undone");
  });

  test("note 23: too old to be acted upon; rows go only after the end", async () => {
    const gid = nextGid();
    const old = made(gid, "purchase.started", { kind: "started", input: lamp, results: {} }, Date.now() - 25 * 3_600_000);
    await deliver("stock", old);
    assert.equal(await effects("stock", gid), "");
    await deliver("stock", { ...old, recordedAtMs: Date.now() });
    assert.equal(await effects("stock", gid), "reserve action");
    const barrier = postgresBarrier();
    await deliver("stock", made(gid, "purchase.committed", { kind: "committed", input: lamp, results: {} }));
    await world.query("stock", "update tripact.barrier set forgotten_at = now() - interval '3 days' where gid = $1", [gid]);
    assert.equal(await open.stock((db) => barrier.prune(db)), 1);
    await deliver("stock", old);
    assert.equal(await effects("stock", gid), "reserve action");
  });

  test("an inbox may stand around any handler, and a hook may start the next saga", async () => {
    const gid = nextGid();
    const inbox = postgresInbox();
    const next = choreography("delivery", { input: json<{ of: string }>(), deadlineMs: 1_000 }).step("pick").initiator({ committed: async () => undefined, rolledBack: async () => undefined });
    const starter = chain.initiator({
      committed: async (db, saga) => void (await next.start(db, `${saga.gid}-delivery`, { of: saga.results.reserve.hold })),
      rolledBack: async () => undefined,
    });
    const through = (place: Place, handle: (db: SqlExecutor, envelope: Envelope) => Promise<void>, envelope: Envelope) =>
      open[place]((db) => inbox.once(db, { source: envelope.source, id: envelope.id, consumer: place }, () => handle(db, envelope)));
    await start(gid);
    for (const [topic, place, handle] of [
      ["started", "stock", chain.participant("reserve", reserve)],
      ["reserve.done", "payment", chain.participant("charge", charge)],
      ["reserve.done", "orders", starter.handle],
      ["charge.done", "orders", starter.handle],
    ] as const) {
      assert.equal((await through(place, handle, await one(gid, topic))).kind, "first");
      assert.equal((await through(place, handle, await one(gid, topic))).kind, "repeated");
    }
    assert.equal((await outcome(gid)).kind, "committed");
    assert.deepEqual(await open.orders((db) => next.outcome(db, `${gid}-delivery`)), { kind: "open", phase: "forward" });
  });

  test("in a consumer's transaction, which is taken back as a whole, nobody commits what a failed handler has left", async () => {
    const failing = chain.initiator({ committed: () => Promise.reject(new Error("no paper in the printer")), rolledBack: async () => undefined });
    const gid = nextGid();
    await start(gid);
    await deliver("stock", await one(gid, "started"));
    await deliver("payment", await one(gid, "reserve.done"));
    const events = [await one(gid, "reserve.done"), await one(gid, "charge.done")];
    const careless = consume(open.orders, postgresInbox(), "careless", (db, event) => failing.handle(db, event).catch(() => undefined));
    await assert.rejects(careless.together(events), says("barrier-misuse", /went on after purchase\.handle/));
    assert.deepEqual(await outcome(gid), { kind: "open", phase: "forward" });
    await consume(open.orders, postgresInbox(), "careful", purchase.handle).together(events);
    assert.equal((await outcome(gid)).kind, "committed");
  });

  test("a step that waits for two begins once, whichever comes last, and also when both come at once", async () => {
    const trip = choreography("trip", { input: json<{ city: string }>(), deadlineMs: 60_000 })
      .step("flight", { result: json<string>() })
      .step("hotel", { after: [], result: json<number>() })
      .step("papers", { after: ["flight", "hotel"], payload: ({ city }, { flight, hotel }) => `${city} ${flight} ${hotel}` });
    const desk = trip.participant("papers", { action: (db, { gid, payload }) => note(db, gid, "papers", payload).then(() => undefined), compensate: "nothing" });
    const input = { city: "Oslo" };
    for (let round = 0; round < 20; round += 1) {
      const gid = nextGid();
      const flight = made(gid, "trip.flight.done", { kind: "done", step: "flight", input, results: { flight: "12A" } });
      const hotel = made(gid, "trip.hotel.done", { kind: "done", step: "hotel", input, results: { hotel: 7 } });
      const both = round % 2 === 0 ? [flight, hotel] : [hotel, flight];
      if (round < 10) await Promise.all(both.map((envelope) => open.payment((db) => desk(db, envelope))));
      else for (const envelope of [both[0]!, ...both, both[1]!]) await open.payment((db) => desk(db, envelope));
      assert.equal(await effects("payment", gid), "papers Oslo 12A 7");
      // No result: there is none in the event either.
      assert.deepEqual((await sent(gid)).map(({ topic, payload }) => [topic, JSON.parse(payload)]), [["trip.papers.done", { kind: "done", step: "papers", input, results: { flight: "12A", hotel: 7 } }]]);
    }
    await world.query("payment", "update tripact.choreography_join set recorded_at = now() - interval '3 days'", []);
    assert.equal(await open.payment((db) => desk.prune(db, 15)), 15);
  });
});

test("what a purchase costs, as docs/choreography-or-orchestration.md says", async () => {
  const cost = async (order: { sku: string; refuse?: string }) => {
    const gid = nextGid();
    let statements = 0;
    const counted = (db: SqlExecutor): SqlExecutor => ({ execute: (text, values) => ((statements += text.includes("into effect") ? 0 : 1), db.execute(text, values)) });
    await open.orders((db) => purchase.start(counted(db), gid, order));
    const delivered = new Set<string>();
    for (let quiet = false; !quiet; ) {
      quiet = true;
      for (const message of await sent(gid)) {
        for (const each of services.filter(({ name, topics }) => topics.includes(message.topic) && !delivered.has(`${name} ${message.id}`))) {
          quiet = false;
          delivered.add(`${each.name} ${message.id}`);
          await open[each.place]((db) => each.handle(counted(db), message));
        }
      }
    }
    return { messages: (await sent(gid)).length, commits: delivered.size + 1, statements };
  };
  assert.deepEqual({ bought: await cost(lamp), refused: await cost({ ...lamp, refuse: "charge" }) }, {
    bought: { messages: 4, commits: 6, statements: 19 },
    refused: { messages: 6, commits: 8, statements: 29 },
  });
});

describe("what is not of this choreography", () => {
  test("is refused by name; other steps' events are passed over", async () => {
    const gid = nextGid();
    await assert.rejects(deliver("stock", made(gid, "refund.started", { kind: "started", input: lamp, results: {} })), says("invalid-input", /refund\.started/));
    for (const payload of [null, "x", { kind: "started" }, { kind: "undo", step: "reserve" }, { kind: "done", step: "reserve", input: lamp, results: {} }]) {
      await assert.rejects(deliver("stock", made(gid, "purchase.started", payload)), says("invalid-input"));
    }
    await assert.rejects(deliver("stock", { ...made(gid, "purchase.started", null), payload: "{" }), says("invalid-input"));
    await deliver("stock", made(gid, "purchase.charge.undo", { kind: "undo", step: "charge", input: lamp, reason: { kind: "deadline" } }));
    assert.deepEqual(await sent(gid), []);
  });

  test("an answer to a saga that nobody knows is an error, not silence", async () => {
    await assert.rejects(deliver("orders", made(nextGid(), "purchase.reserve.done", { kind: "done", step: "reserve", input: lamp, results: {} })), says("unknown-transaction"));
  });

  test("a definition that cannot be is refused at once", () => {
    const options = { input: json<string>(), deadlineMs: 1_000 };
    assert.throws(() => choreography("p", { ...options, deadlineMs: 0 }), says("invalid-option", /deadline/));
    assert.throws(() => choreography("a b", options), says("invalid-option"));
    assert.throws(() => choreography("p", options).step("a.b"), says("invalid-option"));
    assert.throws(() => choreography("p", options).initiator({ committed: async () => undefined, rolledBack: async () => undefined }), says("illegal-transition", /at least one step/));
    // @ts-expect-error: the compiler says so, too
    assert.throws(() => choreography("p", options).participant("a", { action: async () => undefined, compensate: "nothing" }), says("invalid-option", /no step a/));
  });

  test("no event may outlive the barrier's rows", () => {
    for (const eventLifeMs of [0, Number.NaN, 25 * 3_600_000]) {
      assert.throws(() => chain.participant("reserve", reserve, { eventLifeMs }), says("invalid-option", /eventLifeMs/));
    }
  });

  test("ended sagas are deleted after their time, and not before", async () => {
    const gid = nextGid();
    await outcome(gid);
    await assert.rejects(open.orders((db) => purchase.prune(db, { olderThanMs: 1_000 })), says("invalid-option"));
    await world.query("orders", "update tripact.choreography set ended_at = now() - interval '91 days' where gid = $1", [gid]);
    assert.equal(await open.orders((db) => purchase.prune(db)), 1);
    assert.deepEqual(await start(gid), { gid, attached: false });
  });
});
