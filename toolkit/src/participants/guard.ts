import { TripactError } from "../protocol/errors.ts";
import type { SqlExecutor } from "../stores/sql.ts";

/**
 * Runs `body` under a savepoint of the caller's own open transaction. Outside of one the savepoint fails before anything is written;
 * at the end it fails if `body` broke or ended the transaction unnoticed; and whatever `body` throws takes its writes along, even if
 * the caller catches it and commits. Throws `barrier-misuse` for a transaction that is absent, failed, or already in such a call.
 *
 * Inside `guardedWhole` the transaction itself does all of that, and two statements are saved.
 */
export async function guarded<T>(db: SqlExecutor, what: string, body: () => Promise<T>): Promise<T> {
  const whole = wholes.get(db);
  if (whole !== undefined) return alone(db, what, () => noting(whole, what, body));
  return alone(db, what, async () => {
    await explained(what, () => db.execute("savepoint tripact_guard", []));
    let result: T;
    try {
      result = await body();
    } catch (error) {
      await undo(db);
      throw error;
    }
    await explained(`the function given to ${what}`, () => db.execute("release savepoint tripact_guard", []));
    return result;
  });
}

/** A transaction that was opened for one piece of work: it commits with it or not at all. */
interface Whole {
  /** What threw in here. Whoever caught it may not commit the rest. */
  thrown: { readonly what: string; readonly error: unknown } | undefined;
}

const wholes = new WeakMap<SqlExecutor, Whole>();

/**
 * Runs `body` in a transaction that was opened for it alone, and is rolled back when this throws: for what `body` threw, for what a guarded call in it threw
 * and somebody caught, and when the transaction was broken or ended unnoticed. `body` has written something.
 */
export async function guardedWhole<T>(db: SqlExecutor, what: string, body: (db: SqlExecutor) => Promise<T>): Promise<T> {
  const whole: Whole = { thrown: undefined };
  const own: SqlExecutor = { execute: (text, values) => db.execute(text, values) };
  wholes.set(own, whole);
  const result = await body(own);
  if (whole.thrown !== undefined) throw misuse(`${what} went on after ${whole.thrown.what} had failed`, "Let the error through.", whole.thrown.error);
  const { rows } = await explained(what, () => db.execute("select pg_current_xact_id_if_assigned()::text as xact", []));
  if (typeof rows[0]?.["xact"] !== "string") throw misuse(`${what} ended the transaction`, "Commit after the call, not inside it.");
  return result;
}

/** `own` stands for the same transaction as `db`. */
export function sameTransaction(own: SqlExecutor, db: SqlExecutor): SqlExecutor {
  const whole = wholes.get(db);
  if (whole !== undefined) wholes.set(own, whole);
  return own;
}

async function noting<T>(whole: Whole, what: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    whole.thrown ??= { what, error };
    throw error;
  }
}

const busy = new WeakSet<SqlExecutor>();

/**
 * Throws `barrier-misuse` if another guarded call is under way on `db`: which of the two would a refusal roll back? `among`: the calls
 * that must not meet, here those of barrier and inbox.
 */
export async function alone<T>(db: SqlExecutor, what: string, body: () => Promise<T>, among: WeakSet<SqlExecutor> = busy): Promise<T> {
  if (among.has(db)) throw misuse(`${what} was called inside another such call on the same connection`, "Call one after the other.");
  among.add(db);
  try {
    return await body();
  } finally {
    among.delete(db);
  }
}

/**
 * Above read committed a statement does not see what was committed while it waited for a duplicate: the answer would be from the
 * past. `isolation` is what `current_setting('transaction_isolation')` said.
 */
export function refuseIsolation(isolation: unknown, what: string): void {
  if (isolation === "read committed" || isolation === "read uncommitted") return;
  throw misuse(`${what} was called at isolation level ${String(isolation)}`, "Begin the transaction at read committed.");
}

/** Runs one statement of ours; where the transaction around it is to blame for its failure, says so as `barrier-misuse`. */
export async function explained<T>(what: string, statement: () => Promise<T>): Promise<T> {
  try {
    return await statement();
  } catch (error) {
    switch (sqlStateOf(error)) {
      case "25P02":
        throw misuse(`${what} left or met a transaction in which a statement had failed`, "Let the first error through, and roll back.", error);
      case "25P01":
      case "3B001":
        throw misuse(`${what} ran outside a transaction, or ended it`, "Begin before the call, commit after it.", error);
      case "40001":
        // It cannot happen at read committed: `refuseIsolation`, found by collision.
        throw misuse(`${what} met a duplicate above isolation level read committed`, "Begin the transaction at read committed.", error);
      default:
        throw error;
    }
  }
}

export function misuse(what: string, hint: string, cause?: unknown): TripactError {
  return new TripactError("barrier-misuse", `${what}.`, { hint, ...(cause === undefined ? {} : { cause }) });
}

/** The connection may be gone, and then the transaction is, too: the error that led here is the one to tell. */
async function undo(db: SqlExecutor): Promise<void> {
  try {
    await db.execute("rollback to savepoint tripact_guard", []);
    await db.execute("release savepoint tripact_guard", []);
  } catch {
    return;
  }
}

/** Drivers put the SQLSTATE in `code`; query builders wrap the driver's error as `cause`. */
export function sqlStateOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  if ("code" in error && typeof error.code === "string" && /^[0-9A-Z]{5}$/.test(error.code)) return error.code;
  return "cause" in error ? sqlStateOf(error.cause) : "";
}
