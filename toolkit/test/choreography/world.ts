/** Three services with a database each, and whoever carries their messages: a test. No relay, no order, no mercy. */
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { migrateBarrier, pgTransactions, type OpenTransaction, type SqlExecutor } from "tripact/barrier";
import type { Delivered, Envelope, EventHandler } from "tripact/choreography";
import { migrate } from "tripact/postgres";

export const places = ["orders", "stock", "payment"] as const;
export type Place = (typeof places)[number];

export interface Service {
  readonly name: string;
  readonly place: Place;
  readonly handle: (db: SqlExecutor, message: Delivered) => Promise<void>;
  readonly topics: readonly string[];
}

export function service(name: string, place: Place, handle: EventHandler): Service {
  return { name, place, handle, topics: handle.topics };
}

export interface Effect {
  readonly step: string;
  readonly what: string;
}

export interface View {
  /** The messages that it sent, in its own order. */
  readonly messages: readonly Envelope[];
  /** What the business did, in order. */
  readonly effects: readonly Effect[];
  /** Everything, without times and ids. */
  readonly rows: string;
}

export interface World {
  readonly urls: Readonly<Record<Place, string>>;
  readonly open: Readonly<Record<Place, OpenTransaction>>;
  query(place: Place, text: string, values: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** What one database holds of a saga. */
  look(place: Place, gid: string): Promise<View>;
  close(): Promise<void>;
}

export async function openWorld(): Promise<World> {
  const opened = await Promise.all(
    places.map(async (place) => {
      const database = await freshDatabase(`choreography_${place}`);
      await migrate(database.url);
      const pool = new Pool({ connectionString: database.url, max: 4, options: "-c synchronous_commit=local" });
      await pgTransactions(pool)(migrateBarrier);
      await pool.query("create index on tripact.outbox (key)");
      await pool.query("create table effect (n bigint generated always as identity, gid text not null, step text not null, what text not null)");
      await pool.query("create index on effect (gid)");
      return { place, database, pool };
    }),
  );
  const pools = Object.fromEntries(opened.map(({ place, pool }) => [place, pool])) as Record<Place, Pool>;
  const open = Object.fromEntries(opened.map(({ place, pool }) => [place, unflushed(pgTransactions(pool))])) as Record<Place, OpenTransaction>;
  const query: World["query"] = async (place, text, values) => (await pools[place].query(text, [...values])).rows;
  const urls = Object.fromEntries(opened.map(({ place, database }) => [place, database.url])) as Record<Place, string>;
  return {
    urls,
    open,
    query,
    async look(place, gid) {
      const [row] = await query(place, viewOfSaga, [gid]);
      const messages = (row?.["messages"] ?? []) as readonly { id: string; topic: string; payload: string; at: number }[];
      return {
        messages: messages.map(({ at, ...message }) => ({ ...message, source: place, key: gid, headers: {}, recordedAtMs: at, attempt: 1 })),
        effects: (row?.["effects"] ?? []) as readonly Effect[],
        rows: `${String(row?.["saga"])} ${JSON.stringify(row?.["effects"])}`,
      };
    },
    async close() {
      await Promise.all(opened.map(({ pool }) => pool.end()));
      await Promise.all(opened.map(({ database }) => database.drop()));
    },
  };
}

const viewOfSaga = `
  select concat_ws('|',
    (select concat_ws(' ', state, steps, reason) from tripact.choreography where gid = $1),
    (select string_agg(concat_ws(' ', branch, op, state, code, forgotten_at is not null), ', ' order by branch, phase) from tripact.barrier where gid = $1),
    (select string_agg(concat_ws(' ', step, (select string_agg(a, '+' order by a) from unnest(arrived) a)), ', ' order by step) from tripact.choreography_join where gid = $1)
  ) as saga,
  (select json_agg(json_build_object('step', step, 'what', what) order by n) from effect where gid = $1) as effects,
  (select json_agg(json_build_object('id', id, 'topic', topic, 'payload', payload, 'at', date_part('epoch', recorded_at) * 1000) order by seq)
   from tripact.outbox where key = $1) as messages`;

/** What is judged here is order, not power loss: thousands of commits need not wait for the disk. `send` refuses to be told so before it. */
function unflushed(open: OpenTransaction): OpenTransaction {
  return (work) =>
    open(async (db) => {
      const result = await work(db);
      await db.execute("set local synchronous_commit = off", []);
      return result;
    });
}

/** The business write of these tests: a line in a ledger. */
export async function note(db: SqlExecutor, gid: string, step: string, what: string): Promise<void> {
  await db.execute("insert into effect (gid, step, what) values ($1, $2, $3)", [gid, step, what]);
}
