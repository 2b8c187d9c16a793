import assert from "node:assert/strict";
import test, { after } from "node:test";
import fc from "fast-check";
import { printTimeline, timelineOf, type Nodes } from "tripact/admin";
import { choreography, json, type SagaEvent, type Seen } from "tripact/choreography";
import { live, scripts, type Life } from "../../test/choreography/life.ts";
import { chain, initiatorOf, setupOf, type Order } from "../../test/choreography/purchase.ts";
import { openWorld, places } from "../../test/choreography/world.ts";
import { seed } from "../../test/protocol/seed.ts";
import { settle } from "../protocol/choreography/decision.ts";
import { topicOf } from "./event.ts";
import { trackerOf } from "./tracker.ts";

const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
/** A source is who sent it; the timeline says so in the place of a node. */
const sources: Nodes = { nameOf: (source) => source ?? "nobody", living: () => undefined, running: () => [] };

function seen(atMs: number, source: string, event: SagaEvent): Seen {
  return { topic: topicOf("purchase", event), key: "order-7", payload: JSON.stringify(event), source, recordedAtMs: START_MS + atMs };
}

const input: Order = { sku: "lamp" };
const reason = { kind: "refused", branch: "charge", code: "no-funds" } as const;
const held = { reserve: { hold: "h" } };
const refused: readonly Seen[] = [
  seen(0, "orders", { kind: "started", input: { ...input }, results: {} }),
  seen(12, "stock", { kind: "done", step: "reserve", input: { ...input }, results: held }),
  seen(25, "payment", { kind: "refused", step: "charge", code: "no-funds" }),
  seen(31, "orders", { kind: "undo", step: "reserve", input: { ...input }, reason }),
  seen(44, "stock", { kind: "undone", step: "reserve" }),
  seen(52, "orders", { kind: "rolled-back", reason }),
];

function printed(events: readonly Seen[]): string {
  const record = chain.tracker().record(events);
  return record === undefined ? "" : printTimeline(timelineOf(record, sources));
}

test("the timeline of a refused purchase", () => {
  assert.equal(
    printed(refused),
    `order-7  purchase@1
rolled back: charge refused (no-funds)
started 2026-01-02T03:04:05.000Z, took 44 ms

  +0.000s  #1  orders epoch 1   -        started, deadline 1 h
  +0.000s  #2                   reserve  registered: step at purchase.reserve, can be undone
  +0.012s  #3  stock epoch 1    reserve  action done {"hold":"h"}
  +0.012s  #4                   charge   registered: step at purchase.charge, can be undone
  +0.025s  #5  payment epoch 1  charge   action refused: no-funds
  +0.031s  #6  orders epoch 1   -        roll back asked for: charge refused (no-funds)
  +0.031s  #7                   -        DECIDED: roll back, charge refused (no-funds)
  +0.044s  #8  stock epoch 1    reserve  compensate done
                                -        ROLLED-BACK

branches
  reserve  step  undone
  charge   step  refused  no-funds
`,
  );
});

test("it tells what it can of what it has: a lost start, a lone decision, nothing at all", () => {
  const tracker = chain.tracker();
  assert.equal(tracker.record([]), undefined);
  assert.equal(tracker.fold([]).kind, "unborn");
  const lone = tracker.fold([seen(9, "payment", { kind: "done", step: "charge", input: { ...input }, results: { ...held, charge: { receipt: "r" } } })]);
  assert.deepEqual(lone.kind === "forward" && lone.branches.map(({ name, phase }) => [name, phase.kind]), [["reserve", "done"], ["charge", "done"]]);
  const decided = tracker.fold([seen(9, "orders", { kind: "committed", input: { ...input }, results: { ...held, charge: { receipt: "r" } } })]);
  assert.equal(decided.kind, "committed");
  const undoing = tracker.fold([seen(9, "orders", { kind: "undo", step: "charge", input: { ...input }, reason: { kind: "deadline" } })]);
  assert.equal(undoing.kind, "rolling-back");
});

/** The messages of a life, as they would travel. */
function travelled({ script, messages, final }: Life): Seen[] {
  const before = (step: string): readonly string[] => {
    const direct = script.steps.find(({ name }) => name === step)?.after ?? [];
    return [...direct.flatMap(before), ...direct];
  };
  const results = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, `result of ${name}`]));
  const why = "reason" in final ? final.reason : ({ kind: "deadline" } as const);
  return messages.map((message, index) => {
    const [kind, step = ""] = message.split(" ");
    const event = ((): SagaEvent => {
      if (kind === "started") return { kind, input: null, results: {} };
      if (kind === "done") return { kind, step, input: null, results: results([...before(step), step]) };
      if (kind === "refused") return { kind, step, code: "no" };
      if (kind === "undo") return { kind, step, input: null, reason: why };
      if (kind === "undone") return { kind, step };
      if (kind === "committed") return { kind, input: null, results: results(script.steps.map(({ name }) => name)) };
      return { kind: "rolled-back", reason: why };
    })();
    return seen(index, step === "" ? "orders" : step, event);
  });
}

test("any part of a saga, in any order and with duplicates, folds to one legal story; the whole of it to what the initiator decided", () => {
  const tapes = fc.array(fc.nat(5_039), { maxLength: 60, size: "max" });
  const picks = fc.array(fc.nat(5_039), { maxLength: 40, size: "max" });
  fc.assert(
    fc.property(scripts, tapes, picks, (script, tape, pick) => {
      const life = live(script, tape, settle);
      const all = travelled(life);
      const tracker = trackerOf({ name: "purchase", deadlineMs: 1_000, steps: script.steps });
      const some = pick.map((at) => all[at % all.length]!);
      const inOrder = all.filter((each) => some.includes(each));
      assert.deepEqual(tracker.record(some)?.entries, tracker.record(inOrder)?.entries);
      const whole = tracker.fold([...some, ...all.toReversed(), ...some]);
      assert.equal(whole.kind, life.final.kind);
      if (!("branches" in whole) || !("steps" in life.final)) return;
      const told = new Map(whole.branches.map(({ name, phase }) => [name, phase.kind]));
      for (const { name, phase } of life.final.steps) {
        if (phase.kind === "done" || phase.kind === "refused") assert.equal(told.get(name), phase.kind);
      }
    }),
    { seed, numRuns: Number(process.env["TRIPACT_RUNS"] ?? 1_000) },
  );
});

test("in a database: each event once, read back as a timeline, and nothing is ever sent", async () => {
  const world = await openWorld();
  after(() => world.close());
  const { services } = setupOf(chain);
  const initiator = initiatorOf(chain);
  const tracker = chain.tracker();
  await world.open.orders((db) => initiator.start(db, "order-7", input));
  for (let round = 0; round < 4; round += 1) {
    const messages = (await Promise.all(places.map((place) => world.look(place, "order-7")))).flatMap((view) => view.messages);
    for (const message of messages) {
      for (const each of services.filter(({ topics }) => topics.includes(message.topic))) await world.open[each.place]((db) => each.handle(db, message));
      for (let times = 0; times < 2; times += 1) await world.open.payment((db) => tracker.handle(db, message));
    }
  }
  const sent = (await Promise.all(places.map((place) => world.look(place, "order-7")))).flatMap((view) => view.messages.map(({ topic }) => topic));
  assert.deepEqual(sent.toSorted(), ["purchase.charge.done", "purchase.committed", "purchase.reserve.done", "purchase.started"]);
  assert.equal((await world.query("payment", "select from tripact.choreography_seen", [])).length, 4);
  const record = await world.open.payment((db) => tracker.read(db, "order-7"));
  assert.ok(record !== undefined);
  assert.match(printTimeline(timelineOf(record, sources)), /order-7 {2}purchase@1\ncommitted\n[^]*charge {3}action done \{"receipt":"r"\}\n[^]*DECIDED: commit\n/);
  assert.equal(await world.open.payment((db) => tracker.read(db, "order-8")), undefined);
  assert.equal(await world.open.payment((db) => tracker.prune(db)), 0);
  await world.query("payment", "update tripact.choreography_seen set seen_at = now() - interval '31 days'", []);
  assert.equal(await world.open.payment((db) => tracker.prune(db)), 4);
});

test("a step's own word about its result comes before what others tell", () => {
  const pair = choreography("purchase", { input: json<string>(), deadlineMs: 1 }).step("a", { result: json<number>() }).step("b");
  const b = seen(1, "b", { kind: "done", step: "b", input: "", results: { a: 7 } });
  const a = seen(2, "a", { kind: "done", step: "a", input: "", results: { a: 7 } });
  const record = pair.tracker().record([b, a]);
  assert.deepEqual(record?.entries.map(({ owner }) => owner), ["b", "b", "a", "a", "b"]);
});
