import { TripactError } from "../../protocol/errors.ts";
import type { SqlExecutor } from "../../stores/sql.ts";

/** How long a coordinator's call may be executed after it was made (`notAfterMs`): wide, so that an hour of clock jump is harmless. */
export const DEFAULT_CALL_LIFE_MS = 24 * 60 * 60 * 1_000;

export async function markForgotten(db: SqlExecutor, gids: readonly string[]): Promise<number> {
  const { rowCount } = await db.execute(
    "update tripact.barrier set forgotten_at = clock_timestamp() where gid = any($1::text[]) and forgotten_at is null",
    [gids],
  );
  return rowCount ?? 0;
}

/** `skip locked`: a row that a late duplicate is just reading goes another time. */
export async function deleteForgotten(db: SqlExecutor, olderThanMs: number, limit: number): Promise<number> {
  const { rowCount } = await db.execute(
    `delete from tripact.barrier
     where ctid = any (array(
       select ctid from tripact.barrier
       where forgotten_at < clock_timestamp() - $1 * interval '1 millisecond'
       order by forgotten_at
       limit $2
       for update skip locked
     ))`,
    [olderThanMs, limit],
  );
  return rowCount ?? 0;
}

/**
 * A call may still lie in the socket buffer of a stopped process when the transaction is forgotten; it is dead only when its
 * `notAfterMs` has passed by every clock: so twice the life of a call, counted from the forgetting.
 */
export function checkPruneAge(olderThanMs: number, callLifeMs: number): number {
  if (Number.isFinite(olderThanMs) && olderThanMs >= 2 * callLifeMs) return olderThanMs;
  throw new TripactError("invalid-option", `olderThanMs is ${olderThanMs}: a late duplicate could run again.`, {
    where: "olderThanMs",
    hint: `At least twice callLifeMs: ${2 * callLifeMs}.`,
  });
}

export function checkCallLife(callLifeMs: number): number {
  if (Number.isFinite(callLifeMs) && callLifeMs > 0) return callLifeMs;
  throw new TripactError("invalid-option", `callLifeMs is ${callLifeMs}.`, { where: "callLifeMs", hint: "Milliseconds above 0." });
}

export function checkLimit(limit: number): number {
  if (Number.isSafeInteger(limit) && limit > 0) return limit;
  throw new TripactError("invalid-option", `limit is ${limit}.`, { where: "limit", hint: "A whole number above 0: rows a call." });
}
