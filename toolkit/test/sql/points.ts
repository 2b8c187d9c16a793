import type pg from "pg";
import { twoPhaseMessage } from "tripact";

export interface Order {
  readonly buyer: string;
  readonly points: number;
}

export const LOCAL_TABLE = "create table local_work (gid text primary key, state text not null check (state in ('done', 'tombstone')))";

/** The local work: stands for a script in another store. Its effect and its tombstone share one key, so only one of them is ever there. */
export async function work(pool: pg.Pool, gid: string): Promise<boolean> {
  return (await claim(pool, gid, "done")) === "done";
}

async function claim(pool: pg.Pool, gid: string, state: "done" | "tombstone"): Promise<string | undefined> {
  await pool.query("insert into local_work (gid, state) values ($1, $2) on conflict (gid) do nothing", [gid, state]);
  const { rows } = await pool.query<{ state: string }>("select state from local_work where gid = $1", [gid]);
  return rows[0]?.state;
}

/** Counts its check-backs in `asks`. */
export function pointsOn(pool: pg.Pool, checkBackAfterMs: number, asks: string[] = []) {
  return twoPhaseMessage("points", {
    messages: (order: Order) => ["points.added", "mail.wanted"].map((topic) => ({ topic, key: order.buyer, payload: order, headers: { source: "points" } })),
    checkBackAfterMs,
    checkBack: async ({ gid }) => {
      asks.push(gid);
      return (await claim(pool, gid, "tombstone")) === "done" ? "done" : "refused";
    },
  });
}
