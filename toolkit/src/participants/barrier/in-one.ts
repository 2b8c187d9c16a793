/**
 * A barrier's row and its effect in one statement: one round trip and one commit, where `transact` takes five. The row is claimed and settled
 * in one, which nobody can see in between, because a statement that commits by itself has no in between. Whatever is not the usual course
 * (a repeat, an undo that came first, an effect that does not find what it needs) raises an error inside the statement, so that nothing of it
 * stands; then `transact` finds out what it is.
 */
import { TripactError } from "../../protocol/errors.ts";
import type { SqlExecutor } from "../../stores/sql.ts";
import { sqlStateOf } from "../guard.ts";
import type { CheckedCall } from "./call.ts";

/** An effect as data. Its parameters are `$1` to `$n`; more than one object for the same effect costs a text each. */
export interface EffectSql {
  /**
   * The effect as a list of common table expressions, without the word `with`: `paid as (update … returning id), noted as (insert …)`. They
   * may write. The name `tripact_claim` is taken.
   */
  readonly with: string;
  /** A condition on them: `exists (select from paid)`. Where it does not hold, nothing of it has happened. */
  readonly done: string;
}

export interface Effect {
  readonly sql: EffectSql;
  readonly values: readonly unknown[];
}

const CLAIMS = {
  forward: (at: number) => `
  insert into tripact.barrier (gid, branch, phase, op, state, fingerprint, epoch)
  values ($${at + 1}, $${at + 2}, 1, $${at + 3}, 'done', $${at + 4}, $${at + 5})
  on conflict do nothing
  returning gid`,
  // Only after a try that is done.
  confirm: (at: number) => `
  insert into tripact.barrier (gid, branch, phase, op, state, fingerprint, epoch)
  select gid, branch, 2, $${at + 3}, 'done', $${at + 4}, $${at + 5}::bigint
  from tripact.barrier
  where gid = $${at + 1} and branch = $${at + 2} and phase = 1 and op = 'try' and state = 'done'
  on conflict do nothing
  returning gid`,
} as const;

const texts = { forward: new WeakMap<EffectSql, string>(), confirm: new WeakMap<EffectSql, string>() };

/**
 * The statement was at fault, or stood in another's way, so nothing of it stands: data that does not fit (among it the division by zero that it
 * raises itself), a constraint, what a trigger raises, a deadlock. Whether that is a refusal, the body knows.
 */
function provesNothing(sqlState: string): boolean {
  return ["22", "23", "40", "P0"].includes(sqlState.slice(0, 2)) && sqlState !== COMPLETION_UNKNOWN;
}

const COMPLETION_UNKNOWN = "40003";

/** True when row and effect are committed. False when nothing is, and somebody has to find out why. Throws where nobody knows. */
export async function tookEffect(db: SqlExecutor, call: CheckedCall, { sql, values }: Effect): Promise<boolean> {
  const { kind, op } = call.step;
  if (kind === "undo") return false;
  const text = texts[kind].get(sql) ?? textOf(kind, sql, values.length);
  try {
    const { rows } = await db.execute(text, [...values, call.gid, call.branch, op, call.fingerprint, call.epoch]);
    return rows.length === 1;
  } catch (error) {
    if (!provesNothing(sqlStateOf(error))) throw error;
    return false;
  }
}

/** The claim is looked at first: whoever is not the first stops there, before the effect takes a lock. */
function textOf(kind: keyof typeof CLAIMS, sql: EffectSql, at: number): string {
  for (const part of ["with", "done"] as const) {
    if (typeof sql[part] !== "string" || sql[part].trim() === "") throw new TripactError("invalid-input", `An effect has its "${part}" as SQL text.`, { where: part });
  }
  const text = `with tripact_claim as (${CLAIMS[kind](at)}
), ${sql.with}
select 1 / (case when exists (select from tripact_claim) then case when ${sql.done} then 1 else 0 end else 0 end) as done`;
  texts[kind].set(sql, text);
  return text;
}
