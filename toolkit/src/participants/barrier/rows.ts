/**
 * The statements of the Postgres barrier. A claim inserts the op's row and so makes every duplicate wait until this transaction ends;
 * `settleRow` writes the answer into it, and a commit before that is refused by the schema. Why a claim was not gained, `recordedOf`
 * reads in a statement of its own, because a statement never sees what was committed while it waited.
 */
import type { SqlExecutor } from "../../stores/sql.ts";
import type { CheckedCall, ForwardOp, SecondOp } from "./call.ts";

export type BarrierRow = ForwardRow | SecondRow;

export interface ForwardRow {
  readonly phase: 1;
  readonly op: ForwardOp;
  readonly state: "done" | "refused" | "tombstone";
  readonly fingerprint: string | null;
  readonly result: string | null;
  readonly code: string | null;
  readonly details: string | null;
}

export interface SecondRow {
  readonly phase: 2;
  readonly op: SecondOp;
  readonly state: "done" | "empty";
  readonly fingerprint: string | null;
  readonly result: string | null;
}

/** A row of its own that a call inserted; `undefined` where somebody else was first. */
export interface Claim {
  /** `claimed` is to be settled; `empty` needs no more. */
  readonly state: "claimed" | "empty";
  readonly isolation: string;
}

export async function claimForward(db: SqlExecutor, call: CheckedCall): Promise<Claim | undefined> {
  const { rows } = await db.execute(
    `insert into tripact.barrier (gid, branch, phase, op, state, fingerprint, epoch)
     values ($1, $2, 1, $3, 'claimed', $4, $5)
     on conflict do nothing
     returning state, current_setting('transaction_isolation') as isolation`,
    [call.gid, call.branch, call.step.op, call.fingerprint, call.epoch],
  );
  return rows[0] as Claim | undefined;
}

/** Claims only after a try that is done. */
export async function claimConfirm(db: SqlExecutor, call: CheckedCall): Promise<Claim | undefined> {
  const { rows } = await db.execute(
    `insert into tripact.barrier (gid, branch, phase, op, state, fingerprint, epoch)
     select gid, branch, 2, 'confirm', 'claimed', $3, $4::bigint
     from tripact.barrier
     where gid = $1 and branch = $2 and phase = 1 and op = 'try' and state = 'done'
     on conflict do nothing
     returning state, current_setting('transaction_isolation') as isolation`,
    [call.gid, call.branch, call.fingerprint, call.epoch],
  );
  return rows[0] as Claim | undefined;
}

export interface UndoClaim extends Claim {
  /** State of the forward row where the statement's snapshot had it. */
  readonly forward: string | null;
}

/** First takes the forward op's place with a tombstone, waiting for one in flight; only then claims its own row. */
export async function claimUndo(db: SqlExecutor, call: CheckedCall, forward: ForwardOp): Promise<UndoClaim | undefined> {
  const { rows } = await db.execute(
    `with tombstone as (
       insert into tripact.barrier (gid, branch, phase, op, state, epoch)
       values ($1, $2, 1, $3, 'tombstone', $6)
       on conflict do nothing
       returning state
     )
     insert into tripact.barrier (gid, branch, phase, op, state, fingerprint, epoch)
     select $1, $2, 2, $4, case when exists (select from tombstone) then 'empty' else 'claimed' end, $5, $6
     on conflict do nothing
     returning state, current_setting('transaction_isolation') as isolation,
       (select state from tripact.barrier where gid = $1 and branch = $2 and phase = 1 and op = $3) as forward`,
    [call.gid, call.branch, forward, call.step.op, call.fingerprint, call.epoch],
  );
  return rows[0] as UndoClaim | undefined;
}

/** What is recorded of a branch. */
export interface Recorded {
  readonly forward: ForwardRow | undefined;
  readonly second: SecondRow | undefined;
  readonly isolation: string;
}

export async function recordedOf(db: SqlExecutor, call: Pick<CheckedCall, "gid" | "branch">): Promise<Recorded> {
  const { rows } = await db.execute(
    `select isolation, phase, op, state, fingerprint, result, code, details
     from current_setting('transaction_isolation') as isolation
     left join tripact.barrier on gid = $1 and branch = $2`,
    [call.gid, call.branch],
  );
  return {
    forward: rows.find(({ phase }) => phase === 1) as ForwardRow | undefined,
    second: rows.find(({ phase }) => phase === 2) as SecondRow | undefined,
    isolation: String(rows[0]?.isolation),
  };
}

/** How a claim ends. JSON as text. */
export type Settlement =
  | { readonly state: "done"; readonly result: string | null }
  | { readonly state: "refused"; readonly code: string; readonly details: string | null }
  | { readonly state: "empty" };

/** False if the claim is no longer there: the transaction is not the one that it was made in. */
export async function settleRow(db: SqlExecutor, call: CheckedCall, settlement: Settlement): Promise<boolean> {
  const { rows } = await db.execute(
    `update tripact.barrier
     set state = $4, result = $5, code = $6, details = $7
     where gid = $1 and branch = $2 and phase = $3 and state = 'claimed'
     returning state`,
    [
      call.gid,
      call.branch,
      call.step.kind === "forward" ? 1 : 2,
      settlement.state,
      settlement.state === "done" ? settlement.result : null,
      settlement.state === "refused" ? settlement.code : null,
      settlement.state === "refused" ? settlement.details : null,
    ],
  );
  return rows.length === 1;
}
