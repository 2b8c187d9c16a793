/**
 * The barrier: what a participant puts around its business effect, so that retries, duplicates, reordering and late calls are
 * harmless. One row per (gid, branch, op) is written in the same local transaction as the effect, with the op's answer:
 *
 *     const barrier = postgresBarrier();
 *
 *     participant({
 *       try:    (call) => barrier.transact(pool, call, (db) => wallet.hold(db, call.payload)),
 *       confirm:(call) => barrier.transact(pool, call, (db) => wallet.take(db, call.payload)),
 *       cancel: (call) => barrier.transact(pool, call, (db) => wallet.free(db, call.payload)),
 *     });
 *
 *  - A repeat gets the answer of the first; the function is not called again. That holds for a refusal (`throw new Refused(…)`) of an
 *    action or try as well: it is recorded, and what the function wrote before it is taken back.
 *  - An undo whose action or try never came, or was refused, succeeds without calling the function, and leaves a tombstone: the
 *    late action or try is refused as `already-undone`.
 *  - A confirm or an undo may not be refused: a `Refused` thrown there is not recorded. It rolls back like any error, and after a
 *    person has repaired the cause the same call runs again.
 *  - Anything else thrown rolls back and records nothing: the outcome is unknown, and the call comes again.
 *
 * A barrier guards one database; an op that writes to two is two ops. `migrateBarrier` creates its table.
 */
import { TripactError, textOf } from "../../protocol/errors.ts";
import { encodeResult } from "../../protocol/json.ts";
import type { Jsonable } from "../../protocol/json.ts";
import { Refused } from "../../protocol/outcome.ts";
import type { SqlExecutor } from "../../stores/sql.ts";
import { alone, explained, misuse, refuseIsolation, sqlStateOf } from "../guard.ts";
import { pgTransactions } from "../transaction.ts";
import type { OpenTransaction, PgPool } from "../transaction.ts";
import { resultOf, given } from "./answer.ts";
import type { BarrierAnswer, EmptyOf } from "./answer.ts";
import { checkCall } from "./call.ts";
import type { BarrierCall, CallHeaders, CheckedCall, ForwardOp } from "./call.ts";
import { tookEffect } from "./in-one.ts";
import type { Effect } from "./in-one.ts";
import { DEFAULT_CALL_LIFE_MS, checkCallLife, checkLimit, checkPruneAge, deleteForgotten, markForgotten } from "./retention.ts";
import { claimConfirm, claimForward, claimUndo, recordedOf, settleRow } from "./rows.ts";
import type { Recorded, Settlement } from "./rows.ts";
import { answerOfForward, answerOfSecond, barred, decoded, refuseOtherOp, refused } from "./settle.ts";

export interface BarrierOptions {
  /** How long after it was made a call may be executed; as the coordinator's. Default 24 h. */
  readonly callLifeMs?: number;
  /** This process's wall clock, in Unix milliseconds. */
  readonly nowMs?: () => number;
}

export interface Barrier {
  /**
   * Begins a transaction, runs `body` behind the barrier, commits, and only then throws a refusal as `Refused`: it cannot be lost.
   * @param open a `pg` pool, or any function that opens a transaction at read committed.
   */
  transact<T, C extends BarrierCall | CallHeaders>(
    open: PgPool | OpenTransaction,
    call: C,
    body: (db: SqlExecutor) => Promise<T & Storable<T>>,
  ): Promise<T | EmptyOf<C>>;

  /**
   * `transact` for an effect that is one statement and has no result: the barrier's row goes in that statement, and the common case is one
   * round trip instead of five. `body` is the same effect in statements of its own, for everything else: repeats, refusals, undos.
   * @param db executes each statement in a commit of its own, on the database that `open` opens; never an open transaction.
   */
  inOne(db: SqlExecutor, open: PgPool | OpenTransaction, call: BarrierCall | CallHeaders, effect: Effect, body: (db: SqlExecutor) => Promise<void>): Promise<void>;

  /**
   * The same inside a transaction that the caller opened (read committed) and commits: **whatever this returns, commit it**, a refusal
   * too; then `resultOf(answer)`. When it throws, roll back: a commit would be refused by the database.
   *
   * Throws `expired` (not executed), `key-reused` (no outcome), `barrier-misuse` (no transaction, a failed one, a nested call, an
   * isolation level above read committed), and whatever `body` throws except the refusal of an action or try.
   */
  run<T, C extends BarrierCall | CallHeaders>(
    db: SqlExecutor,
    call: C,
    body: () => Promise<T & Storable<T>>,
  ): Promise<BarrierAnswer<T | EmptyOf<C>>>;

  /** The coordinator's word that these transactions ended for good. Returns how many rows it concerned; repeat without harm. */
  forget(db: SqlExecutor, gids: readonly string[]): Promise<number>;

  /**
   * Deletes up to `limit` (default 1,000) rows that were forgotten at least `olderThanMs` ago (default, and least: 2 × `callLifeMs`). A
   * row that nobody forgot stays, however old: its transaction may still be open. Returns how many went.
   */
  prune(db: SqlExecutor, options?: { readonly olderThanMs?: number; readonly limit?: number }): Promise<number>;
}

/** A result is kept as JSON for the repeats: what would not come back as it went does not compile. */
export type Storable<T> = T extends void ? unknown : Jsonable<T>;

export function postgresBarrier({ callLifeMs = DEFAULT_CALL_LIFE_MS, nowMs = Date.now }: BarrierOptions = {}): Barrier {
  checkCallLife(callLifeMs);
  const answerTo = async (db: SqlExecutor, asked: BarrierCall | CallHeaders, body: () => Promise<unknown>, refusal: Refusing) => {
    const call = checkCall(asked);
    refuseExpired(call, nowMs());
    return alone(db, named(call), () => answer(db, call, body, refusal));
  };
  const barrier: Barrier = {
    async run(db, call, body) {
      return given(await answerTo(db, call, body, underSavepoint));
    },
    async inOne(db, open, asked, effect, body) {
      const call = checkCall(asked);
      refuseExpired(call, nowMs());
      if (!(await tookEffect(db, call, effect))) await barrier.transact(open, asked, body);
    },
    async transact(open, call, body) {
      const transaction = typeof open === "function" ? open : pgTransactions(open);
      // Noted here, and not read from what `open` rejects with: it may wrap that, or do the work again.
      let refusal: Refused | undefined;
      const noting = takingAllBack((why) => void (refusal = why));
      try {
        const answered = await transaction((db) => {
          refusal = undefined;
          return answerTo(db, call, () => body(db), noting);
        });
        return resultOf(given(answered));
      } catch (error) {
        if (refusal === undefined) throw error;
        const taken = refusal;
        // The transaction is gone, with all that the function wrote. A duplicate that came in between has answered, and this is a repeat of it.
        return resultOf(given(await transaction((db) => answerTo(db, call, () => Promise.reject(taken), claimOnly))));
      }
    },
    forget: markForgotten,
    async prune(db, { olderThanMs = 2 * callLifeMs, limit = 1_000 } = {}) {
      return deleteForgotten(db, checkPruneAge(olderThanMs, callLifeMs), checkLimit(limit));
    },
  };
  return barrier;
}

/**
 * What a refused action leaves of what it wrote: nothing. In a transaction of the caller's own a savepoint sees to that; where the barrier has
 * opened it, the transaction itself does, and the refusal is recorded in one of its own: a statement less for everybody who is not refused.
 */
interface Refusing {
  readonly begin: (db: SqlExecutor) => Promise<string>;
  readonly refused: (db: SqlExecutor, call: CheckedCall, savepoint: string, refusal: Refused) => Promise<BarrierAnswer<unknown>>;
}

/** Rolls the transaction back, and says why. */
class TakenBack extends Error {
  constructor(refusal: Refused) {
    super(refusal.message, { cause: refusal });
  }
}

const underSavepoint: Refusing = {
  async begin(db) {
    const savepoint = nextSavepoint();
    await db.execute(`savepoint ${savepoint}`, []);
    return savepoint;
  },
  async refused(db, call, savepoint, refusal) {
    await explained(bodyOf(call), () => db.execute(`rollback to savepoint ${savepoint}`, []));
    return refuse(db, call, refusal);
  },
};
const takingAllBack = (note: (refusal: Refused) => void): Refusing => ({
  begin: () => Promise.resolve(""),
  refused(_db, _call, _savepoint, refusal) {
    note(refusal);
    return Promise.reject(new TakenBack(refusal));
  },
});
const claimOnly: Refusing = { begin: () => Promise.resolve(""), refused: (db, call, _savepoint, refusal) => refuse(db, call, refusal) };

async function answer(db: SqlExecutor, call: CheckedCall, body: () => Promise<unknown>, refusing: Refusing): Promise<BarrierAnswer<unknown>> {
  switch (call.step.kind) {
    case "forward":
      return answerForward(db, call, body, refusing);
    case "confirm":
      return answerConfirm(db, call, body);
    case "undo":
      return answerUndo(db, call, call.step.forward, body);
  }
}

async function answerForward(db: SqlExecutor, call: CheckedCall, body: () => Promise<unknown>, refusing: Refusing): Promise<BarrierAnswer<unknown>> {
  const own = await looked(call, () => claimForward(db, call));
  if (own === undefined) return answerOfForward(found((await recorded(db, call)).forward, call), call);
  const savepoint = await refusing.begin(db);
  try {
    return await perform(db, call, body);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return refusing.refused(db, call, savepoint, error);
  }
}

/** What the business wrote is gone, the claim has stayed or is there anew, and no duplicate comes in between. */
async function refuse(db: SqlExecutor, call: CheckedCall, refusal: Refused): Promise<BarrierAnswer<unknown>> {
  // A NUL cannot be stored, and a repeat has to get the same code.
  const code = refusal.code.toWellFormed().replaceAll("\0", "\uFFFD");
  const details = encodeResult(refusal.details, `${call.where}, details of a refusal`) ?? null;
  await settle(db, call, { state: "refused", code, details });
  return refused(code, details, "ran");
}

async function answerConfirm(db: SqlExecutor, call: CheckedCall, body: () => Promise<unknown>): Promise<BarrierAnswer<unknown>> {
  const own = await looked(call, () => claimConfirm(db, call));
  if (own !== undefined) return perform(db, call, body);
  const { forward, second } = await recorded(db, call);
  if (second !== undefined) return answerOfSecond(second, call);
  if (forward !== undefined) refuseOtherOp(forward, "try", call);
  // It was committed between our two statements: the next claim sees it.
  if (forward?.state === "done") return answerConfirm(db, call, body);
  return barred("confirm-without-try");
}

async function answerUndo(
  db: SqlExecutor,
  call: CheckedCall,
  forwardOp: ForwardOp,
  body: () => Promise<unknown>,
): Promise<BarrierAnswer<unknown>> {
  const own = await looked(call, () => claimUndo(db, call, forwardOp));
  if (own?.state === "empty") return nothingToUndo();
  if (own?.forward === "done") return perform(db, call, body);

  const { forward, second } = await recorded(db, call);
  const first = found(forward, call);
  refuseOtherOp(first, forwardOp, call);
  if (own === undefined) return answerOfSecond(found(second, call), call);
  if (first.state === "done") return perform(db, call, body);
  await settle(db, call, { state: "empty" });
  return nothingToUndo();
}

function nothingToUndo(): BarrierAnswer<undefined> {
  return { kind: "done", result: undefined, how: "empty" };
}

/** Decodes what it stored: the first answer is, to the letter, what every repeat will get. */
async function perform(db: SqlExecutor, call: CheckedCall, body: () => Promise<unknown>): Promise<BarrierAnswer<unknown>> {
  const result = encodeResult(await performed(call, body), `${call.where}, result`) ?? null;
  await settle(db, call, { state: "done", result });
  return { kind: "done", result: decoded(result), how: "ran" };
}

async function performed(call: CheckedCall, body: () => Promise<unknown>): Promise<unknown> {
  try {
    return await body();
  } catch (error) {
    throw committedUnsettled(error) ? endedBy(call, error) : error;
  }
}

async function recorded(db: SqlExecutor, call: CheckedCall): Promise<Recorded> {
  return looked(call, () => recordedOf(db, call));
}

/** Every statement that a decision rests on says at which isolation level it looked. */
async function looked<T extends { readonly isolation: string } | undefined>(call: CheckedCall, statement: () => Promise<T>): Promise<T> {
  try {
    const seen = await explained(named(call), statement);
    if (seen !== undefined) refuseIsolation(seen.isolation, named(call));
    return seen;
  } catch (error) {
    if (!committedUnsettled(error)) throw error;
    throw misuse(`${named(call)} was called outside a transaction`, "Begin one: row and effect must commit together.", error);
  }
}

async function settle(db: SqlExecutor, call: CheckedCall, settlement: Settlement): Promise<void> {
  if (await explained(bodyOf(call), () => settleRow(db, call, settlement))) return;
  throw endedBy(call);
}

/** A commit came before the claim was settled, and the database refused it. */
function committedUnsettled(error: unknown): boolean {
  return sqlStateOf(error) === "23503" && textOf(error).includes("barrier_is_settled_at_commit");
}

function endedBy(call: CheckedCall, cause?: unknown): TripactError {
  return misuse(`${bodyOf(call)} ended the transaction`, "Commit after the call, not inside it.", cause);
}

/** In a nested transaction of another library the same name would hide the one that is meant. */
function nextSavepoint(): string {
  savepoints = (savepoints + 1) % 1_000;
  return `tripact_barrier_${savepoints}`;
}
let savepoints = 0;

function named(call: CheckedCall): string {
  return `barrier.run [${call.where}]`;
}

function bodyOf(call: CheckedCall): string {
  return `The function given to ${named(call)}`;
}

function refuseExpired(call: CheckedCall, nowMs: number): void {
  if (nowMs <= call.notAfterMs) return;
  throw new TripactError("expired", `This call came ${nowMs - call.notAfterMs} ms too late and was not executed.`, {
    where: call.where,
    hint: "It says nothing about earlier calls of the same key.",
  });
}

function found<Row>(row: Row | undefined, call: CheckedCall): Row {
  if (row !== undefined) return row;
  // Only a hand that deletes rows gets here.
  throw misuse(`${named(call)} lost its row while it was being answered`, "Rows go by prune alone.");
}
