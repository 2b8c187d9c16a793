/** The statements of the initiator's row. Whoever changes it holds its lock since it was read. */
import { refuseIsolation } from "../participants/guard.ts";
import type { Choreographed, Step, UndoReason } from "../protocol/choreography/decision.ts";
import type { Json } from "../protocol/json.ts";
import type { SqlExecutor } from "../stores/sql.ts";

export interface SagaRow {
  readonly definition: string;
  readonly state: Choreographed;
  /** Null in a tombstone. */
  readonly inputHash: string | null;
  readonly input: Json;
}

export type Started = Exclude<Choreographed, { kind: "unborn" | "never-started" }>;

const columns = "definition, state, input, input_hash, steps, reason, current_setting('transaction_isolation') as isolation";

/** False if the gid is taken: by whom, `lockRow` says in a statement of its own, for this one cannot see what it waited for. */
export async function insertStarted(
  db: SqlExecutor,
  start: { readonly gid: string; readonly definition: string; readonly input: string; readonly inputHash: string; readonly deadlineMs: number },
  state: Started,
): Promise<boolean> {
  const { rows } = await db.execute(
    `insert into tripact.choreography (gid, definition, state, input, input_hash, steps, deadline_at)
     values ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7 * interval '1 millisecond')
     on conflict do nothing
     returning gid`,
    [start.gid, start.definition, state.kind, start.input, start.inputHash, JSON.stringify(state.steps), start.deadlineMs],
  );
  return rows.length === 1;
}

/** To answer "no" is to make it so. Does nothing where the gid is taken. */
export async function insertNeverStarted(db: SqlExecutor, gid: string, definition: string): Promise<void> {
  await db.execute(
    `insert into tripact.choreography (gid, definition, state, decided_at, ended_at)
     values ($1, $2, 'never-started', clock_timestamp(), clock_timestamp())
     on conflict do nothing`,
    [gid, definition],
  );
}

export async function readRow(db: SqlExecutor, gid: string): Promise<SagaRow | undefined> {
  const { rows } = await db.execute(`select ${columns} from tripact.choreography where gid = $1`, [gid]);
  return decodeRow(rows[0], gid);
}

/** Everything that concerns this saga waits until our transaction ends. */
export async function lockRow(db: SqlExecutor, gid: string): Promise<SagaRow | undefined> {
  const { rows } = await db.execute(`select ${columns} from tripact.choreography where gid = $1 for update`, [gid]);
  return decodeRow(rows[0], gid);
}

/** Undecided sagas past their deadline, locked; those that somebody else is just changing are left for another time. */
export async function lockOverdue(db: SqlExecutor, definition: string, limit: number): Promise<readonly string[]> {
  const { rows } = await db.execute(
    `select gid from tripact.choreography
     where definition = $1 and state = 'forward' and deadline_at <= clock_timestamp()
     order by deadline_at
     limit $2
     for update skip locked`,
    [definition, limit],
  );
  return rows.map(({ gid }) => String(gid));
}

/** So that a saga whose callback fails does not stand before the others for ever. */
export async function postpone(db: SqlExecutor, gid: string, byMs: number): Promise<void> {
  await db.execute(
    "update tripact.choreography set deadline_at = clock_timestamp() + $2 * interval '1 millisecond' where gid = $1 and state = 'forward'",
    [gid, byMs],
  );
}

/** False if the row is no longer as it was read: only a caller without a transaction gets there. A decision is never taken back. */
export async function changeRow(db: SqlExecutor, gid: string, before: Choreographed, state: Started): Promise<boolean> {
  const { rows } = await db.execute(
    `update tripact.choreography
     set state = $3, steps = $4, reason = $5,
         decided_at = coalesce(decided_at, case when $3 <> 'forward' then clock_timestamp() end),
         ended_at = coalesce(ended_at, case when $3 in ('committed', 'rolled-back') then clock_timestamp() end)
     where gid = $1 and state = $2 and ($2 = 'forward' or $2 = $3 or ($2 = 'rolling-back' and $3 = 'rolled-back'))
     returning gid`,
    [gid, before.kind, state.kind, JSON.stringify(state.steps), "reason" in state ? JSON.stringify(state.reason) : null],
  );
  return rows.length === 1;
}

/** Ended sagas only, oldest first. */
export async function deleteEnded(db: SqlExecutor, definition: string, olderThanMs: number, limit: number): Promise<number> {
  const { rowCount } = await db.execute(
    `delete from tripact.choreography
     where ctid = any (array(
       select ctid from tripact.choreography
       where ended_at < clock_timestamp() - $2 * interval '1 millisecond' and definition = $1
       order by ended_at
       limit $3
       for update skip locked
     ))`,
    [definition, olderThanMs, limit],
  );
  return rowCount ?? 0;
}

function decodeRow(row: Readonly<Record<string, unknown>> | undefined, gid: string): SagaRow | undefined {
  if (row === undefined) return undefined;
  refuseIsolation(row["isolation"], `choreography [${gid}]`);
  return {
    definition: String(row["definition"]),
    state: stateOf(row),
    inputHash: row["input_hash"] as string | null,
    input: JSON.parse((row["input"] as string | null) ?? "null") as Json,
  };
}

/** What `insertStarted` and `changeRow` wrote. */
function stateOf(row: Readonly<Record<string, unknown>>): Choreographed {
  const kind = row["state"] as Exclude<Choreographed["kind"], "unborn">;
  if (kind === "never-started") return { kind };
  const steps = JSON.parse(String(row["steps"])) as readonly Step[];
  if (kind === "forward" || kind === "committed") return { kind, steps };
  return { kind, steps, reason: JSON.parse(String(row["reason"])) as UndoReason };
}
