/** Sender and consumer as the test sees them: two databases, past the code under test. */
import pg from "pg";
import { migrateBarrier, pgTransactions } from "tripact/barrier";
import { send } from "tripact/outbox";
import { migrate } from "tripact/postgres";
import { LANES } from "../../src/stores/outbox-log.ts";
import { freshDatabase } from "@tripact/testbed";
import { topic, type Work } from "./orders.ts";

export interface Sent {
  readonly key: string;
  readonly work?: Work;
}

/** The database of a sender, with its outbox. */
export class Sender {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly #drop: () => Promise<void>;

  private constructor(url: string, drop: () => Promise<void>) {
    this.url = url;
    this.pool = new pg.Pool({ connectionString: url, max: 4, connectionTimeoutMillis: 2_000, query_timeout: 10_000 });
    // Tests that crash the server end these sessions too.
    this.pool.on("error", () => undefined);
    this.#drop = drop;
  }

  static async open(name: string): Promise<Sender> {
    const database = await freshDatabase(name);
    return await Sender.at(database.url, () => database.drop());
  }

  static async at(url: string, drop: () => Promise<void>): Promise<Sender> {
    await migrate(url);
    return new Sender(url, drop);
  }

  /** One transaction. Resolves with the ids when the commit was acknowledged. */
  async send(...messages: readonly Sent[]): Promise<readonly string[]> {
    return await pgTransactions(this.pool)((db) => send(db, messages.map(({ key, work = {} }) => ({ topic, key, payload: { ...work } }))));
  }

  /** The same, rolled back. */
  async sendInVain(...messages: readonly Sent[]): Promise<void> {
    const why = new Error("in vain");
    await pgTransactions(this.pool)(async (db) => {
      await send(db, messages.map(({ key, work = {} }) => ({ topic, key, payload: { ...work } })));
      throw why;
    }).catch((error: unknown) => {
      if (error !== why) throw error;
    });
  }

  /** Keys whose place in the list is their lane. */
  async keyOfEachLane(): Promise<readonly string[]> {
    const { rows } = await this.pool.query<{ key: string }>(
      `select distinct on (lane) key from (
         select 'key ' || n as key, hashtextextended('key ' || n, hashtextextended($1, 0)) & ${LANES - 1} as lane from generate_series(1, 2000) n
       ) keys order by lane, length(key), key`,
      [topic],
    );
    return rows.map(({ key }) => key);
  }

  /** Messages that a subscription still has before it: not behind the stored cursor of their lane, or in the retry table. A relay may deliver each of them once more. */
  async countUnsettled(): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(
      `select ((select count(*) from tripact.outbox o join tripact.outbox_position l on l.lane = o.lane
                 where not pg_visible_in_snapshot(o.tx, l.seen::pg_snapshot)
                   and (l.upto is null or o.seq > l.after or not pg_visible_in_snapshot(o.tx, l.upto::pg_snapshot)))
             + (select count(*) from tripact.outbox_retry))::int as count`,
    );
    return rows[0]?.count ?? 0;
  }

  /** Messages that have left the log for the retry table. */
  async countRetries(): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>("select count(*)::int as count from tripact.outbox_retry");
    return rows[0]?.count ?? 0;
  }

  async lanesOf(incarnation: string): Promise<readonly number[]> {
    const { rows } = await this.pool.query<{ lane: number }>("select lane from tripact.outbox_lane where owner = $1", [incarnation]);
    return rows.map(({ lane }) => lane);
  }

  /** Of those that live, how often the youngest was seen. */
  async leastBeat(): Promise<number> {
    const { rows } = await this.pool.query<{ least: number }>("select min(beat)::int as least from tripact.node where fenced_at is null");
    return rows[0]?.least ?? 0;
  }

  /** Every lane is owned by one of so many who live, and nobody has more than one above the others. */
  async isShared(relays: number): Promise<boolean> {
    const { rows } = await this.pool.query<{ lanes: number }>(
      `select count(*)::int as lanes from tripact.outbox_lane l join tripact.node n on n.incarnation = l.owner and n.fenced_at is null group by l.owner`,
    );
    return rows.length === relays && rows.reduce((sum, { lanes }) => sum + lanes, 0) === LANES && rows.every(({ lanes }) => lanes <= Math.ceil(LANES / relays));
  }

  async close(): Promise<void> {
    await this.pool.end();
    await this.#drop();
  }
}

/** The consumer's database. Nothing in `applied` forbids doubles, so that they can be counted. */
export class Consumer {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly #drop: () => Promise<void>;

  private constructor(url: string, drop: () => Promise<void>) {
    this.url = url;
    this.pool = new pg.Pool({ connectionString: url, max: 4 });
    this.pool.on("error", () => undefined);
    this.#drop = drop;
  }

  static async open(): Promise<Consumer> {
    const database = await freshDatabase("consumer");
    return await Consumer.at(database.url, () => database.drop());
  }

  static async at(url: string, drop: () => Promise<void>): Promise<Consumer> {
    const consumer = new Consumer(url, drop);
    await pgTransactions(consumer.pool)(migrateBarrier);
    await consumer.pool.query("create table applied (n bigint generated always as identity primary key, id uuid not null, key text not null)");
    await consumer.pool.query("create index on applied (key text_pattern_ops)");
    await consumer.pool.query("create table healed (key text primary key)");
    return consumer;
  }

  /** How many effects there are for keys that begin so. */
  async count(prefix = ""): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>("select count(*)::int as count from applied where starts_with(key, $1)", [prefix]);
    return rows[0]?.count ?? 0;
  }

  async heal(key: string): Promise<void> {
    await this.pool.query("insert into healed values ($1) on conflict do nothing", [key]);
  }

  async close(): Promise<void> {
    await this.pool.end();
    await this.#drop();
  }
}
