import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { participant, Refused, saga, type Saga } from "tripact";
import { answers, crashAtEveryAwait, ForeignAwait, type CrashOptions } from "tripact/testing";

interface Order {
  readonly buyer: string;
  readonly units: number;
}
const ORDER: Order = { buyer: "ann", units: 2 };

/** A shop whose data is counted per gid, so that every run can be looked at by itself. */
function shop(funds: number) {
  const stock = new Map<string, number>();
  const paid = new Map<string, number>();
  const add = (counts: Map<string, number>, gid: string, units: number): void => void counts.set(gid, (counts.get(gid) ?? 0) + units);
  const wallet = participant<Order, { readonly ok: true }>({
    name: "wallet",
    try: (call, order) => {
      if (order.units > funds) throw new Refused("no-funds");
      add(paid, call.gid, order.units);
      return { ok: true };
    },
    confirm: () => undefined,
    cancel: (call, order) => add(paid, call.gid, -order.units),
  });
  const purchase = saga("purchase", async (tx, order: Order) => {
    await tx.step("reserve", (b) => add(stock, b.gid, order.units), { undo: (b) => add(stock, b.gid, -order.units) });
    const [, id] = await Promise.all([tx.tcc("pay", wallet, order), tx.sql("order", () => Promise.resolve("o1"), { undo: () => undefined })]);
    await tx.emit("order.placed", { key: tx.uuid(), payload: { id, at: tx.now() } });
    return id;
  });
  return { purchase, stock, paid };
}

const rejected = async (definition: Saga<Order, unknown>, options: CrashOptions, like: RegExp): Promise<void> => {
  await assert.rejects(crashAtEveryAwait(definition, ORDER, options), (error) => error instanceof assert.AssertionError && like.test(error.message));
};

describe("crashAtEveryAwait", () => {
  it("kills the coordinator before and after each of its port calls, and finds a sound saga sound", async () => {
    const { purchase, stock, paid } = shop(2);
    const { points, violations } = await crashAtEveryAwait(purchase, ORDER, {
      verify: ({ gid, end }) => {
        assert.equal(end, "committed");
        assert.deepEqual([stock.get(gid), paid.get(gid)], [2, 2]);
      },
    });
    assert.deepEqual(violations, []);
    for (const point of ["before write [started, registered reserve]", "after call reserve.action", "before local SQL", "before call pay.confirm", "after call pay.confirm"]) {
      assert.ok(points.some((reached) => reached.endsWith(point)), `${point} is not among ${points.join("; ")}`);
    }
  });

  it("finds a saga that rolls back sound: everything that may have happened is undone", async () => {
    const { purchase, stock, paid } = shop(1);
    const { points } = await crashAtEveryAwait(purchase, ORDER, {
      verify: ({ gid, end }) => {
        assert.equal(end, "rolled-back");
        assert.deepEqual([stock.get(gid) ?? 0, paid.get(gid) ?? 0], [0, 0]);
      },
    });
    assert.ok(points.some((reached) => reached.endsWith("after call reserve.compensate")));
  });

  it("kills the one that recovers as well, when told to", async () => {
    const { purchase } = shop(2);
    const given = { reserve: answers.done(), pay: answers.done({ ok: true }), order: answers.done("o1") };
    const once = await crashAtEveryAwait(purchase, ORDER, { given });
    const twice = await crashAtEveryAwait(purchase, ORDER, { given, crashes: 2 });
    assert.ok(twice.points.length > 3 * once.points.length);
    assert.ok(twice.points.some((point) => point.includes(", then #1 ")));
  });

  it("names the point and the step where a flow takes another path when it runs again", async () => {
    let runs = 0;
    const moody = saga("moody", async (tx, _: Order) => {
      runs += 1;
      await tx.step(`step-${runs}`, () => 1, { undo: "nothing" });
      return await tx.step("last", () => 1, { undo: "nothing" });
    });
    await rejected(moody, {}, /after write .*: stuck: .*flow-changed.*step-1/);
  });

  it("finds an undo that cannot do without the step's result", async () => {
    const rash = saga("rash", async (tx, _: Order) => {
      await tx.step("hold", () => ({ id: 1 }), {
        undo: (_b, hold) => {
          if (hold === undefined) throw new Refused("which hold?");
        },
      });
      return await tx.step("fail", () => Promise.reject(new Refused("no")), { undo: "nothing" });
    });
    // The action's answer is lost, the deadline decides: only then is the result unknown.
    const given = { hold: { action: answers.inOrder(answers.unknown(), answers.done({ id: 1 })) } };
    await crashAtEveryAwait(rash, ORDER, { given });
    await rejected(rash, { given: { hold: { action: answers.silent() } }, tuning: { retry: { maxAttempts: 1 } }, barrier: "yours" }, /second-phase-refused|stuck/);
  });

  it("fails with the place where the flow awaits anything but tx.*", async () => {
    const hasty = saga("hasty", async (tx, _: Order) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return await tx.step("late", () => 1, { undo: "nothing" });
    });
    await assert.rejects(crashAtEveryAwait(hasty, ORDER), (error) => error instanceof ForeignAwait && error.place.includes("crash.test.ts:"));
  });

  it("tells what your own look at your own data found, at the point where", async () => {
    const { purchase } = shop(2);
    const verify = ({ crashedAt }: { readonly crashedAt: readonly string[] }): void => assert.ok(!(crashedAt[0] ?? "").endsWith("before call pay.try"), "money is missing");
    await rejected(purchase, { verify }, /^ {2}#\d+ before call pay\.try: verify: money is missing$/m);
  });

  it("lets you count where you have your own guard: every repetition reaches your code", async () => {
    const calls = new Map<string, number>();
    const counting = saga("counting", async (tx, _: Order) => await tx.step("once", (b) => void calls.set(b.key, (calls.get(b.key) ?? 0) + 1), { undo: "nothing" }));
    const verify = ({ gid }: { readonly gid: string }): void => assert.equal(calls.get(`${gid}/once`), 1);
    await crashAtEveryAwait(counting, ORDER, { verify });
    await rejected(counting, { verify, barrier: "yours" }, /after call once\.action: verify/);
  });
});
