import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { migrate } from "tripact/postgres";
import { freshDatabase } from "@tripact/testbed";
import { CAP_MS } from "../processes/child.ts";
import { effectTable } from "./shapes.ts";

const LOOK_EVERY_MS = 10;

/** A journal's database, seen from the test: with SQL, past the code under test. */
export class JournalDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly #drop: () => Promise<void>;

  constructor(url: string, drop: () => Promise<void>) {
    this.url = url;
    this.pool = new pg.Pool({ connectionString: url, max: 2 });
    // Tests that crash the server end these sessions too.
    this.pool.on("error", () => undefined);
    this.#drop = drop;
  }

  static async open(name: string): Promise<JournalDatabase> {
    const database = await freshDatabase(name);
    return await JournalDatabase.at(database.url, () => database.drop());
  }

  static async at(url: string, drop: () => Promise<void>): Promise<JournalDatabase> {
    await migrate(url);
    const journal = new JournalDatabase(url, drop);
    await journal.pool.query(effectTable);
    return journal;
  }

  async knows(gid: string): Promise<boolean> {
    const { rows } = await this.pool.query("select from tripact.transaction where gid = $1", [gid]);
    return rows.length > 0;
  }

  async hasEnded(gid: string): Promise<boolean> {
    const { rows } = await this.pool.query("select from tripact.transaction where gid = $1 and ended_at is not null", [gid]);
    return rows.length > 0;
  }

  async countOpen(prefix = ""): Promise<number> {
    const { rows } = await this.pool.query("select count(*)::int as open from tripact.transaction where ended_at is null and starts_with(gid, $1)", [prefix]);
    return (rows as readonly { open: number }[])[0]?.open ?? 0;
  }

  async close(): Promise<void> {
    await this.pool.end();
    await this.#drop();
  }
}

/** Looks again and again, and says no when the cap is reached. */
export async function eventually(holds: () => boolean | Promise<boolean>, everyMs = LOOK_EVERY_MS, capMs = CAP_MS): Promise<boolean> {
  const untilMs = performance.now() + capMs;
  while (performance.now() < untilMs) {
    if (await holds()) return true;
    await sleep(everyMs);
  }
  return false;
}
