import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { TripactError } from "../../protocol/errors.ts";
import { Pause, Refused } from "../../protocol/outcome.ts";
import type { Op } from "../../protocol/outcome.ts";
import type { SqlExecutor } from "../../stores/sql.ts";
import { callHeaders } from "../../transports/call-headers.ts";
import { migrateBarrier } from "../migrate.ts";
import { pgTransactions, type OpenTransaction } from "../transaction.ts";
import { resultOf } from "./answer.ts";
import { postgresBarrier } from "./barrier.ts";
import type { BarrierCall } from "./call.ts";
import { openLedger } from "./conformance/ledger.ts";
import type { LedgerOp } from "./conformance/ledger.ts";

const database = await freshDatabase("barrier");
const pool = new Pool({ connectionString: database.url, max: 4 });
after(async () => {
  await pool.end();
  await database.drop();
});
const open = pgTransactions(pool);
await open(migrateBarrier);
const ledger = await openLedger(open);
const barrier = postgresBarrier();

let made = 0;
function callsOf(extra: Omit<BarrierCall, "gid" | "branch" | "op"> = {}): (op: Op) => BarrierCall {
  const gid = `story-${(made += 1)}`;
  return (op) => ({ gid, branch: "wallet", op, ...extra });
}

function effect(db: SqlExecutor, { gid, branch, op }: BarrierCall): Promise<{ readonly seq: number }> {
  return ledger.work(db, { gid, branch, op: op as LedgerOp, refuse: false });
}

async function effectsOf(call: BarrierCall): Promise<string[]> {
  return (await ledger.effectsOf(call.gid)).map(({ op }) => op);
}

const perform = (call: BarrierCall): Promise<{ readonly seq: number }> => barrier.transact(pool, call, (db) => effect(db, call));

function says(code: string, words: RegExp = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TripactError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
}

function refuses(code: string): (error: unknown) => boolean {
  return (error) => error instanceof Refused && error.code === code;
}

test("a repeat gets the first one's result, and the business is not asked again", async () => {
  const call = callsOf()("action");
  const first = await perform(call);
  const again = await barrier.transact(pool, call, () => assert.fail("asked again"));
  assert.deepEqual(again, first);
  assert.deepEqual(await effectsOf(call), ["action"]);
});

test("a result comes back from the first call as it will from the repeats", async () => {
  const call = callsOf()("try");
  const answer = async (): Promise<unknown> =>
    barrier.transact(pool, call, async () => ({ id: "h1", note: undefined, odd: "\u0000\ud800" }));
  const first = await answer();
  assert.deepEqual(first, { id: "h1", odd: "\u0000\ud800" });
  assert.deepEqual(await answer(), first);
});

test("note 2: a refusal is recorded, what was written before it is taken back, and a late attempt gets the same no", async () => {
  const call = callsOf()("action");
  const refusal = barrier.transact(pool, call, async (db) => {
    await effect(db, call);
    throw new Refused("sold-out\0", { left: 0 });
  });
  const isSoldOut = (error: unknown): boolean => {
    assert.ok(error instanceof Refused);
    assert.deepEqual([error.code, error.details], ["sold-out\uFFFD", { left: 0 }]);
    return true;
  };
  await assert.rejects(refusal, isSoldOut);
  await assert.rejects(perform(call), isSoldOut);
  assert.deepEqual(await effectsOf(call), []);
});

test("note 2: a refusal is recorded whatever \"open\" makes of the error that rolls back, and however often it does the work", async () => {
  const wrapping: OpenTransaction = async (work) => {
    try {
      return await open(work);
    } catch (error) {
      throw new Error("the transaction failed", { cause: error });
    }
  };
  const [wrapped, again] = [callsOf()("action"), callsOf()("action")];
  const refuse = (): Promise<never> => Promise.reject(new Refused("sold-out"));
  await assert.rejects(barrier.transact(wrapping, wrapped, refuse), refuses("sold-out"));
  await assert.rejects(barrier.transact(pool, wrapped, refuse), refuses("sold-out"));
  assert.deepEqual((await pool.query("select state, code from tripact.barrier where gid = $1", [wrapped.gid])).rows, [{ state: "refused", code: "sold-out" }]);
  // What the first try said counts for nothing when a second one did the work.
  let tries = 0;
  const trying: OpenTransaction = (work) => open(work).catch(() => open(work));
  await barrier.transact(trying, again, (db) => ((tries += 1) === 1 ? refuse() : effect(db, again)));
  assert.deepEqual(await effectsOf(again), ["action"]);
  let lost = 0;
  const losing: OpenTransaction = (work) => open(work).catch(() => open(async (db) => (await work(db), Promise.reject(new Error("the connection broke")))));
  const broken = callsOf()("action");
  await assert.rejects(barrier.transact(losing, broken, (db) => ((lost += 1) === 1 ? refuse() : effect(db, broken))), /connection broke/);
  assert.deepEqual((await pool.query("select from tripact.barrier where gid = $1", [broken.gid])).rows, []);
});

test("a refusal is returned by run, so that the caller commits it, and cannot pass as a result", async () => {
  const call = callsOf()("action");
  const answer = await open((db) => barrier.run(db, call, () => Promise.reject(new Refused("no"))));
  assert.deepEqual({ ...answer }, { kind: "refused", code: "no", how: "ran" });
  assert.throws(() => resultOf(answer), refuses("no"));
  assert.throws(() => JSON.stringify({ answer }), says("barrier-misuse", /Commit, then return resultOf/));
});

test("anything else that is thrown records nothing, and a commit all the same is refused by the database", async () => {
  for (const op of ["action", "compensate"] as const) {
    const call = callsOf();
    if (op === "compensate") await perform(call("action"));
    await assert.rejects(barrier.transact(pool, call(op), () => Promise.reject(new Pause("look at this"))), Pause);
    const carefree = open(async (db) => {
      const answer = barrier.run(db, call(op), async () => {
        await effect(db, call(op));
        throw new Error("socket hang up");
      });
      await assert.rejects(answer, /socket hang up/);
    });
    await assert.rejects(carefree, /barrier_is_settled_at_commit/);
    assert.deepEqual((await effectsOf(call(op))).includes(op), false);
    await perform(call(op));
    assert.deepEqual((await effectsOf(call(op))).at(-1), op);
  }
});

test("an undo that comes first succeeds without asking the business, and bars the late action", async () => {
  for (const [forward, undo] of [["action", "compensate"], ["try", "cancel"]] as const) {
    const call = callsOf();
    const answer = await open((db) => barrier.run(db, call(undo), () => assert.fail("nothing to undo")));
    assert.deepEqual({ ...answer }, { kind: "done", result: undefined, how: "empty" });
    await assert.rejects(perform(call(forward)), refuses("already-undone"));
    assert.equal(await perform(call(undo)), undefined);
    assert.deepEqual(await effectsOf(call(undo)), []);
  }
});

test("a confirm without its try is refused, never done; confirm and cancel exclude each other", async () => {
  const first = callsOf();
  await assert.rejects(perform(first("confirm")), refuses("confirm-without-try"));
  await perform(first("try"));
  await perform(first("confirm"));
  await assert.rejects(perform(first("cancel")), refuses("already-confirmed"));
  assert.deepEqual(await effectsOf(first("try")), ["try", "confirm"]);

  const second = callsOf();
  await perform(second("try"));
  await perform(second("cancel"));
  await assert.rejects(perform(second("confirm")), refuses("already-cancelled"));
  assert.deepEqual(await effectsOf(second("try")), ["try", "cancel"]);
});

test("note 5: what must not be refused is not recorded as refused: after a person's repair the same confirm runs", async () => {
  const call = callsOf();
  await perform(call("try"));
  const heuristic = barrier.transact(pool, call("confirm"), () => Promise.reject(new Refused("reservation-expired")));
  await assert.rejects(heuristic, refuses("reservation-expired"));
  await perform(call("confirm"));
  assert.deepEqual(await effectsOf(call("try")), ["try", "confirm"]);
});

test("note 21: another payload under the same key is key-reused, never refused, and says nothing of the outcome", async () => {
  const call = callsOf();
  await perform({ ...call("action"), payload: { cents: 5, sku: "a" } });
  await perform({ ...call("action"), payload: { sku: "a", cents: 5 } });
  await assert.rejects(perform({ ...call("action"), payload: { cents: 6, sku: "a" } }), says("key-reused", /another payload.*story-\d+\/wallet action/));
  await assert.rejects(perform({ ...call("action"), payloadHash: "other" }), says("key-reused"));
  await perform(call("action"));
  assert.deepEqual(await effectsOf(call("action")), ["action"]);
});

test("note 21: an op of another kind of branch is key-reused", async () => {
  const call = callsOf();
  await perform(call("try"));
  await assert.rejects(perform(call("action")), says("key-reused", /has a try/));
  await assert.rejects(perform(call("compensate")), says("key-reused", /has a try/));
  await perform(call("confirm"));
  await assert.rejects(perform(call("compensate")), says("key-reused"));
  const other = callsOf();
  await perform(other("action"));
  await assert.rejects(perform(other("confirm")), says("key-reused", /has a action/));
});

test("note 23: a call after its notAfter is not executed; that says nothing of earlier ones", async () => {
  const call = callsOf({ notAfterMs: 1_000 })("action");
  const late = postgresBarrier({ nowMs: () => 1_001 });
  await assert.rejects(late.transact(pool, call, () => assert.fail("executed")), says("expired", /1 ms too late/));
  const inTime = postgresBarrier({ nowMs: () => 1_000 });
  await inTime.transact(pool, call, (db) => effect(db, call));
  assert.deepEqual(await effectsOf(call), ["action"]);
});

test("note 23: rows go only after forget, and only twice a call's life later, never by age alone", async () => {
  const call = callsOf();
  const bystander = callsOf();
  for (const each of [call, bystander]) for (const op of ["try", "cancel"] as const) await perform(each(op));
  const older = (days: number): Promise<unknown> =>
    pool.query("update tripact.barrier set recorded_at = recorded_at - $1::int * interval '1 day', forgotten_at = forgotten_at - $1::int * interval '1 day' where gid = any($2)", [days, [call("try").gid, bystander("try").gid]]);
  const prune = (): Promise<number> => open((db) => barrier.prune(db));

  await older(400);
  assert.equal(await prune(), 0, "nobody forgot them");
  assert.equal(await open((db) => barrier.forget(db, [call("try").gid, "unheard-of"])), 2);
  assert.equal(await open((db) => barrier.forget(db, [call("try").gid])), 0, "a repeat does not start the time again");
  await older(1);
  assert.equal(await prune(), 0, "a call may still be under way");
  await older(1);
  assert.equal(await open((db) => barrier.prune(db, { limit: 1 })), 1);
  assert.equal(await prune(), 1);
  assert.equal(await prune(), 0);
  await assert.rejects(perform(bystander("confirm")), refuses("already-cancelled"));
  await assert.rejects(open((db) => barrier.prune(db, { olderThanMs: 86_400_000 })), says("invalid-option", /late duplicate/));
  await assert.rejects(open((db) => barrier.prune(db, { limit: 0 })), says("invalid-option", /limit/));
  assert.throws(() => postgresBarrier({ callLifeMs: -1 }), says("invalid-option", /callLifeMs/));
});

test("note 35: above read committed, outside a transaction, in a failed or a nested one, nothing is executed", async () => {
  const call = callsOf()("action");
  const never = (): never => assert.fail("executed");
  const client = await pool.connect();
  const db: SqlExecutor = { execute: (text, values) => client.query(text, [...values]) };
  try {
    for (const level of ["repeatable read", "serializable"]) {
      await client.query(`begin isolation level ${level}`);
      await assert.rejects(barrier.run(db, call, never), says("barrier-misuse", new RegExp(level)));
      await client.query("rollback");
    }
    await assert.rejects(barrier.run(db, call, never), says("barrier-misuse", /outside a transaction/));

    await client.query("begin");
    await assert.rejects(client.query("select 1 / 0"));
    await assert.rejects(barrier.run(db, call, never), says("barrier-misuse", /had failed/));
    await client.query("rollback");

    await client.query("begin");
    const nested = barrier.run(db, call, async () => void (await barrier.run(db, callsOf()("action"), never)));
    await assert.rejects(nested, says("barrier-misuse", /inside another/));
    await client.query("rollback");
  } finally {
    client.release();
  }
  await perform(call);
  assert.deepEqual(await effectsOf(call), ["action"]);
});

test("note 35: a duplicate that was committed meanwhile is found above read committed as well, as misuse", async () => {
  const call = callsOf()("action");
  const client = await pool.connect();
  try {
    await client.query("begin isolation level repeatable read");
    await client.query("select 1");
    await perform(call);
    const db: SqlExecutor = { execute: (text, values) => client.query(text, [...values]) };
    await assert.rejects(barrier.run(db, call, () => assert.fail("executed")), says("barrier-misuse", /isolation/));
    await client.query("rollback");
  } finally {
    client.release();
  }
});

test("a body that swallows a failed statement, or ends the transaction itself, is told so", async () => {
  const call = callsOf();
  const swallowing = barrier.transact(pool, call("action"), async (db) => {
    await assert.rejects(db.execute("select 1 / 0", []));
  });
  await assert.rejects(swallowing, says("barrier-misuse", /in which a statement had failed/));
  assert.deepEqual(await effectsOf(call("action")), []);
  for (const last of ["commit", "rollback"]) {
    const ending = barrier.transact(pool, call("action"), async (db) => {
      await effect(db, call("action"));
      await db.execute(last, []);
    });
    await assert.rejects(ending, says("barrier-misuse", /ended the transaction/));
  }
  const restarting = barrier.transact(pool, call("action"), async (db) => {
    await db.execute("rollback", []);
    await db.execute("begin", []);
    await effect(db, call("action"));
  });
  await assert.rejects(restarting, says("barrier-misuse", /ended the transaction/));
  assert.deepEqual(await effectsOf(call("action")), []);
});

test("several ops may share one transaction, one after the other", async () => {
  const [first, second] = [callsOf()("action"), callsOf()("action")];
  await open(async (db) => {
    await barrier.run(db, first, () => effect(db, first));
    await barrier.run(db, second, async () => {
      await effect(db, second);
      throw new Refused("no");
    });
  });
  assert.deepEqual([await effectsOf(first), await effectsOf(second)], [["action"], []]);
});

test("the headers of a coordinator's call are a call", async () => {
  const call = { gid: `kauf/訂單-${(made += 1)}`, branch: "wallet", op: "action", key: "", epoch: 3, attempt: 1, notAfterMs: Date.now() + 60_000 } as const;
  const work = (): Promise<number> => barrier.transact(pool, callHeaders(call), async (db) => (await effect(db, call)).seq);
  assert.equal(await work(), await work());
  assert.deepEqual(await effectsOf(call), ["action"]);
  await assert.rejects(barrier.transact(pool, {}, async () => 1), says("invalid-input"));
});

test("what is not a participant's call is refused before anything is written", async () => {
  const call = callsOf()("action");
  await assert.rejects(perform({ ...call, op: "wake" }), says("barrier-misuse", /wake/));
  await assert.rejects(perform({ ...call, gid: "a\nb" }), says("invalid-gid"));
  await assert.rejects(perform({ ...call, branch: "a/b" }), says("invalid-gid"));
});

test("migrations are safe to repeat, and for two at once", async () => {
  const empty = await freshDatabase("barrier_migrate");
  const other = new Pool({ connectionString: empty.url, max: 2 });
  try {
    const both = await Promise.all([pgTransactions(other)(migrateBarrier), pgTransactions(other)(migrateBarrier)]);
    assert.deepEqual(new Set(both.map((applied) => applied.length)), new Set([0, 3]));
    await assert.rejects(migrateBarrier({ execute: (text, values) => other.query(text, [...values]) }), says("barrier-misuse", /outside a transaction/));
  } finally {
    await other.end();
    await empty.drop();
  }
});

test("results and answers are inferred, and what JSON would lose does not compile", () => {
  const typed = async (call: BarrierCall & { op: "cancel" }, any: BarrierCall): Promise<void> => {
    const hold: { id: string } = await barrier.transact(pool, any, async () => ({ id: "h" }));
    const nothing: void = await barrier.transact(pool, any, async () => {});
    const maybe: { id: string } | undefined = await barrier.transact(pool, call, async () => ({ id: "h" }));
    // @ts-expect-error a cancel may have nothing to undo
    const sure: { id: string } = await barrier.transact(pool, call, async () => ({ id: "h" }));
    // @ts-expect-error a Date does not come back as one
    const date = await barrier.transact(pool, any, async () => ({ at: new Date() }));
    // @ts-expect-error an answer is not the result
    const answer: { id: string } = await open((db) => barrier.run(db, any, async () => ({ id: "h" })));
    void [hold, nothing, maybe, sure, date, answer];
  };
  assert.equal(typeof typed, "function");
});
