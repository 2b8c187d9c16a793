import { randomUUID } from "node:crypto";
import { TripactError } from "../../protocol/errors.ts";
import type { EntryWrite, LocalSql, StartWrite, TakenBy, Verdict, WriteBatch } from "../store.ts";
import type { SqlExecutor } from "../sql.ts";
import type { Connection } from "./connection.ts";
import type { Durability } from "./durability.ts";
import { appliedBy, messagesText, verdicts, writeStatement } from "./flush.ts";
import { sqlStateOf, outcomeOf } from "./outcome.ts";
import { storable, textIn } from "./rows.ts";
import type { Session } from "./session.ts";

type Row = Readonly<Record<string, unknown>>;

/**
 * A header that a person or another flush has locked must not hold up the business's locks for longer. Nor may a node that stops between
 * seal and commit hold the header for longer: its heir could not claim the transaction.
 */
const SEAL_WAITS_MS = 1_000;

/** Which database a session works in: a business write on another one would not commit with the journal. */
const whereAmI = `(select system_identifier::text from pg_control_system()) || '/' || current_database()`;

/** Business writes that commit with the journal: a local step of our own, and a start inside the caller's transaction. */
export class PostgresLocalSql implements LocalSql {
  readonly #pool: readonly Connection[];
  readonly #durability: Durability;
  readonly #waiting = new Map<Connection, number>();
  #journalIsAt: string | undefined;

  constructor(pool: readonly Connection[], durability: Durability) {
    this.#pool = pool;
    this.#durability = durability;
  }

  /** Notes where the journal lives, for comparison. */
  async locate(session: Session): Promise<void> {
    const { rows } = await session.query({ reads: true, text: `select ${whereAmI} as place` });
    this.#journalIsAt = String(rows[0]?.["place"]);
  }

  async run<T>(
    owner: string,
    body: (db: SqlExecutor) => Promise<T>,
    seal: (result: T) => { readonly flushId: string; readonly write: EntryWrite },
  ): Promise<{ readonly verdict: Verdict; readonly result: T }> {
    this.#durability.refuseWhileStandbyIsLost();
    return this.#onAConnection(async (session) => {
      const mark = randomUUID();
      // One round trip for both; the mark is ours, and hexadecimal.
      await session.query({ text: `begin isolation level read committed; set local tripact.local_step = '${mark}'` });
      try {
        const result = await business(session, body);
        const { flushId, write } = seal(result);
        await this.#checkBeforeSeal(session, mark);
        const batch: WriteBatch = { owner, flushId, writes: [write] };
        if (appliedBy(await session.query(writeStatement(batch))) === 1) {
          await commit(session);
          return { verdict: "applied", result };
        }
        await session.query({ text: "rollback" });
        return { verdict: await this.#verdictAfterRollback(session, batch), result };
      } catch (error) {
        if (!session.over) await session.query({ text: "rollback" }).catch(() => {});
        throw error;
      }
    });
  }

  async startIn(db: SqlExecutor, start: StartWrite, owner?: string): Promise<"started" | "never-started" | TakenBy> {
    const { rows } = await db.execute(
      `
with place as (
  select ${whereAmI} as place, current_setting('synchronous_commit') as level, current_setting('transaction_isolation') as isolation
), s as (
  insert into tripact.transaction (gid, definition, version, input_hash, input, opening, opening_owner, owner, epoch, seq, status, parked, late, outcome, ended_at)
  select $1, $2, $3, $4, $5, $6, $15::uuid, $15::uuid, num_nonnulls($15::uuid), 1, $7, $8, $9, $10, case when $11 then clock_timestamp() end
    from place where place.place = $12 and place.level = any ($13::text[]) and place.isolation = 'read committed'
  on conflict (gid) do nothing
  returning gid
), posted as (
  insert into tripact.outbox (id, topic, key, payload, headers)
  select m.id, m.topic, m.key, m.payload, m.headers
    from s, json_to_recordset($14::json) as m (id uuid, topic text, key text, payload text, headers text)
)
select place, level, isolation, (select count(*) from s)::int as started from place`,
      [...startValues(start), this.#journalIsAt, `{${enoughFor(this.#durability).join(",")}}`, messagesText(start.messages) ?? "[]", owner ?? null],
    );
    const row = rows[0] ?? {};
    this.#check(row, start.gid);
    if (Number(row["started"]) === 1) return "started";
    // Whoever lost the race sees the winner in a new statement only.
    const { rows: found } = await db.execute(`select status, definition, input_hash from tripact.transaction where gid = $1`, [start.gid]);
    const [first] = found;
    if (first === undefined) throw new TripactError("store-unreachable", "This gid was taken, and has gone in the same moment.", { where: start.gid, hint: "Start it again." });
    return first["status"] === "never-started" ? "never-started" : { definition: textIn(first, "definition"), inputHash: textIn(first, "input_hash") };
  }

  /**
   * The body may have changed everything about its transaction, so it is checked here, as the last thing before the seal. Only from
   * here on are plans pinned: the business's own statements are planned as usual.
   */
  async #checkBeforeSeal(session: Session, mark: string): Promise<void> {
    const { rows } = await session.query({
      name: "tripact_before_seal",
      reads: true,
      text: `
select ${whereAmI} as place, current_setting('synchronous_commit') as level, current_setting('transaction_isolation') as isolation,
       current_setting('tripact.local_step', true) as mark, set_config('lock_timeout', '${SEAL_WAITS_MS}ms', true),
       set_config('idle_in_transaction_session_timeout', '${SEAL_WAITS_MS}ms', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true)`,
    });
    const row = rows[0] ?? {};
    if (row["mark"] !== mark) {
      throw new TripactError("barrier-misuse", "The local step ended its transaction itself; what it wrote is committed without the journal.", {
        hint: "Leave begin, commit and rollback to the toolkit.",
      });
    }
    this.#check(row);
  }

  #check(row: Row, gid?: string): void {
    const where = gid === undefined ? {} : { where: gid };
    if (row["place"] !== this.#journalIsAt) {
      throw new TripactError("not-supported", "This SQL transaction is in another database than the journal.", { ...where, hint: "Use a connection to the journal's database, or a step with a barrier." });
    }
    if (!this.#durability.isEnough(String(row["level"]))) {
      throw new TripactError("durability-refused", `This SQL transaction runs with synchronous_commit = ${String(row["level"])}, below the declared ${this.#durability.name}.`, {
        ...where,
        hint: "Needed: synchronous_commit = on.",
      });
    }
    if (row["isolation"] !== "read committed") {
      throw new TripactError("not-supported", `This SQL transaction runs at ${String(row["isolation"])}.`, { ...where, hint: "Needed: read committed, where a loser can see who won." });
    }
  }

  /** Rolled back now, so never `applied`: where an earlier try won, its result is in the journal, and the caller reads it there. */
  async #verdictAfterRollback(session: Session, batch: WriteBatch): Promise<Verdict> {
    await this.#durability.settle(session);
    const [verdict = "fenced"] = await verdicts(session, batch);
    return verdict === "applied" ? "reload" : verdict;
  }

  async #onAConnection<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const load = (connection: Connection): number => this.#waiting.get(connection) ?? 0;
    const [connection] = this.#pool.toSorted((one, other) => load(one) - load(other));
    if (connection === undefined) throw new TripactError("not-supported", "This store was opened without connections for local steps.");
    this.#waiting.set(connection, load(connection) + 1);
    try {
      return await connection.exclusive(work);
    } finally {
      this.#waiting.set(connection, load(connection) - 1);
    }
  }
}

/** Runs the business's statements with the driver's own errors; afterwards the transaction is out of its reach. */
async function business<T>(session: Session, body: (db: SqlExecutor) => Promise<T>): Promise<T> {
  let isOver = false;
  let refusedStatement: Error | undefined;
  try {
    const result = await body({
      async execute(text, values) {
        if (isOver) throw new TripactError("barrier-misuse", "This local step has ended, and its transaction with it.");
        try {
          return await session.send({ text, values });
        } catch (error) {
          if (error instanceof Error) refusedStatement ??= error;
          throw error;
        }
      },
    });
    if (refusedStatement !== undefined && (await isAborted(session))) throw refusedStatement;
    return result;
  } finally {
    isOver = true;
  }
}

/** A transaction in which a statement failed can only roll back, unless a savepoint saved it. */
async function isAborted(session: Session): Promise<boolean> {
  try {
    await session.send({ text: "select" });
    return false;
  } catch (error) {
    if (sqlStateOf(error) === "25P02") return true;
    throw error;
  }
}

async function commit(session: Session): Promise<void> {
  const { command } = await session.query({ text: "commit" });
  if (command !== "COMMIT") throw outcomeOf(new Error(`commit answered ${command}`), "connecting", "local step");
}

function startValues({ gid, definition, version, inputHash, input, entry, summary }: StartWrite): readonly unknown[] {
  const parked = summary.parked === undefined ? null : storable(summary.parked);
  return [gid, definition, version, inputHash, input, entry, summary.status, parked, summary.late, summary.outcome ?? null, summary.ended];
}

function enoughFor(durability: Durability): readonly string[] {
  return ["on", "remote_apply", "remote_write", "local"].filter((level) => durability.isEnough(level));
}
