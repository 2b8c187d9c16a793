import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { participant, Pending, Refused, saga } from "tripact";
import { answers, ForeignAwait, testSaga } from "tripact/testing";

interface Order {
  readonly sku: string;
  readonly cents: number;
}

const wallet = participant<Order, { readonly paymentId: string }>({
  name: "wallet",
  try: () => ({ paymentId: "p1" }),
  confirm: () => undefined,
  cancel: () => undefined,
});

const purchase = saga("purchase", async (tx, order: Order) => {
  const hold = await tx.step("reserve", (b) => ({ hold: `${b.key}:${order.sku}` }), { undo: () => undefined });
  const { paymentId } = await tx.tcc("pay", wallet, order);
  const orderId = await tx.sql("order", async (db) => {
    await db.execute("insert into orders values ($1, $2)", [hold.hold, paymentId]);
    return "o1";
  }, { undo: "nothing" });
  await tx.emit("order.placed", { key: orderId, payload: { paymentId } });
  return orderId;
});

const ORDER: Order = { sku: "a", cents: 500 };

describe("testSaga", () => {
  it("commits with the answers that were given, and sends the message with the commit", async () => {
    const story = await testSaga(purchase)
      .given({ pay: answers.done({ paymentId: "p7" }), order: answers.done("o7") })
      .when(ORDER)
      .expect({
        committed: "o7",
        calls: ["reserve.action", "pay.try", "order.action", "pay.confirm"],
        messages: [{ topic: "order.placed", key: "o7", payload: { paymentId: "p7" } }],
      });
    assert.equal(story.outcome.kind, "committed");
  });

  it("runs a branch's own code where nothing is given, and passes local SQL on", async () => {
    const statements: (readonly unknown[])[] = [];
    const sql = {
      execute: (_: string, values: readonly unknown[]) => {
        statements.push(values);
        return Promise.resolve({ rows: [], rowCount: 1 });
      },
    };
    await testSaga(purchase, { sql }).when(ORDER, { gid: "g1" }).expect({ committed: "o1" });
    assert.deepEqual(statements, [["g1/reserve:a", "p1"]]);
  });

  it("rolls back on a refusal, undoes in reverse, and sends nothing", async () => {
    await testSaga(purchase)
      .given({ order: answers.refused("no-such-customer", { customer: 1 }) })
      .when(ORDER)
      .expect({
        rolledBack: { kind: "refused", branch: "order", code: "no-such-customer" },
        calls: ["reserve.action", "pay.try", "order.action", "pay.cancel", "reserve.compensate"],
        messages: [],
      });
  });

  it("asks again after an unknown end, and undoes what may have happened once attempts are spent", async () => {
    const unsure = testSaga(purchase, { tuning: { retry: { maxAttempts: 3 } } }).given({ order: answers.done("o1") });
    await unsure.given({ pay: answers.inOrder(answers.unknown(), answers.silent(), answers.done({ paymentId: "p" })) }).when(ORDER).expect({ committed: "o1" });
    await unsure.given({ pay: answers.silent() }).when(ORDER).expect({
      rolledBack: { kind: "attempts-spent", branch: "pay" },
      calls: ["reserve.action", "pay.try", "pay.try", "pay.try", "pay.cancel", "reserve.compensate"],
    });
  });

  it("parks when a person has to look", async () => {
    await testSaga(purchase).given({ order: answers.done("o1"), pay: { try: answers.done({ paymentId: "p" }), confirm: answers.refused("expired") } }).when(ORDER).expect({ parked: "second-phase-refused at pay" });
    await testSaga(purchase).given({ reserve: answers.pause("look at this") }).when(ORDER).expect({ parked: "look at this" });
  });

  it("lets hours pass in no time", async () => {
    const patient = saga("patient", async (tx, hours: number) => {
      const beganMs = tx.now();
      await tx.sleep(hours * 3_600_000);
      return (tx.now() - beganMs) / 3_600_000;
    });
    const story = await testSaga(patient, { restWithinMs: 48 * 3_600_000, tuning: { beatEveryMs: 60_000, probeEveryMs: 60_000, pollEveryMs: 60_000, leaseMs: 200_000 } }).when(24).tell();
    assert.ok(story.outcome.kind === "committed" && story.outcome.result >= 24 && story.outcome.result < 24.01);
    assert.ok(story.tookMs >= 24 * 3_600_000);
  });

  it("waits for real I/O in a step, and virtual time stands still meanwhile", async () => {
    const reading = saga("reading", async (tx, _: null) => await tx.step("read", async () => (await readFile(import.meta.filename, "utf8")).length > 0, { undo: "nothing" }));
    const story = await testSaga(reading).when(null).expect({ committed: true });
    assert.ok(story.tookMs < 1_000);
  });

  it("says where it differs from what was expected", async () => {
    const run = testSaga(purchase).given({ order: answers.done("o1") }).when(ORDER);
    await assert.rejects(run.expect({ committed: "o2" }), assert.AssertionError);
    await assert.rejects(run.expect({ rolledBack: { kind: "deadline" } }), assert.AssertionError);
    await assert.rejects(run.expect({ parked: "paused" }), assert.AssertionError);
    await assert.rejects(run.expect({ calls: [] }), assert.AssertionError);
    await assert.rejects(run.expect({ messages: [] }), assert.AssertionError);
  });

  it("says what was refused at the door", async () => {
    await assert.rejects(testSaga(purchase).when(ORDER, { gid: "" }).tell(), { code: "invalid-gid" });
  });

  it("tells a pending answer from a refusal", async () => {
    let asked = 0;
    const later = saga("later", (tx, _: null) =>
      tx.step("pay", () => {
        asked += 1;
        if (asked < 3) throw new Pending({ retryAfterMs: 60_000 });
        throw new Refused("declined");
      }, { undo: "nothing" }),
    );
    const story = await testSaga(later).when(null).expect({ rolledBack: { kind: "refused", code: "declined" } });
    assert.ok(story.tookMs >= 120_000);
  });
});

describe("a flow that awaits anything but tx.*", () => {
  it("fails with the place where it began to wait", async () => {
    const hasty = saga("hasty", async (tx, _: null) => {
      await tx.step("first", () => 1, { undo: "nothing" });
      await wait(1);
      return 1;
    });
    await assert.rejects(testSaga(hasty).when(null).tell(), (error) => error instanceof ForeignAwait && /test-saga\.test\.ts:\d+:\d+$/.test(error.place));
  });

  it("names the step before it, where the place is not known", async () => {
    const foreign = new Promise<number>(() => undefined);
    const stuck = saga("stuck", async (tx, _: null) => {
      await tx.step("first", () => 1, { undo: "nothing" });
      return await foreign;
    });
    await assert.rejects(testSaga(stuck).when(null).tell(), { name: "ForeignAwait", place: "after step first" });
  });

  it("is not one that awaits promises which only wait for tx.*", async () => {
    const nested = saga("nested", async (tx, _: null) => {
      const one = async (name: string): Promise<number> => await tx.step(name, () => 1, { undo: "nothing" });
      const [a, b] = await Promise.all([one("a"), Promise.resolve(1).then(() => one("b"))]);
      return a + b + (await Promise.resolve(1));
    });
    await testSaga(nested).when(null).expect({ committed: 3 });
  });
});
