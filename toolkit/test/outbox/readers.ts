import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Client } from "pg";
import { LANES, type OutboxLog } from "../../src/stores/outbox-log.ts";
import { said } from "./scene.ts";

/** Reads one topic of an outbox; each call returns what it takes for new, in its order of delivery. */
export interface Reader {
  read(): Promise<readonly string[]>;
}

/** How the toolkit reads: by the port. */
export async function bySnapshot(log: OutboxLog, topic: string): Promise<Reader> {
  const owner = randomUUID();
  assert.ok(await log.membership.join({ incarnation: owner, name: "a reader", runs: [] }));
  const lanes = Array.from({ length: LANES }, (_, lane) => lane);
  const claimed = await log.lanes.claim({ subscription: `${topic} ${owner}`, owner, lanes });
  let cursor = claimed[0]?.cursor ?? "";
  return {
    async read() {
      const found: string[] = [];
      for (let more = true; more; ) {
        const page = await log.messages.read({ lanes, cursor, topics: [topic], limit: 100 });
        found.push(...page.messages.map(said));
        ({ cursor, more } = page);
      }
      return found;
    },
  };
}

/** Broken: what is above the highest id so far is new. Ids are given in one order and committed in another. */
export function byHighWaterMark(client: Client, topic: string): Reader {
  let last = "0";
  return {
    async read() {
      const { rows } = await client.query<Row>(`select seq::text, tx::text, key, payload from tripact.outbox where topic = $1 and seq > $2 order by seq`, [topic, last]);
      last = rows.at(-1)?.seq ?? last;
      return rows.map(said);
    },
  };
}

/** Broken: the same, but only what is older than every open transaction. A transaction may have its id of a row before its own. */
export function byIdBelowXmin(client: Client, topic: string): Reader {
  let last = "0";
  return {
    async read() {
      const { rows } = await client.query<Row>(
        `select seq::text, tx::text, key, payload from tripact.outbox where topic = $1 and seq > $2 and tx < pg_snapshot_xmin(pg_current_snapshot()) order by seq`,
        [topic, last],
      );
      last = rows.at(-1)?.seq ?? last;
      return rows.map(said);
    },
  };
}

/** Broken: in the order of transactions. Loses nothing, but who began first need not have locked the key first. */
export function byTransaction(client: Client, topic: string): Reader {
  let last = { tx: "0", seq: "0" };
  return {
    async read() {
      const { rows } = await client.query<Row>(
        `select seq::text, tx::text, key, payload from tripact.outbox
          where topic = $1 and (tx, seq) > ($2::xid8, $3::bigint) and tx < pg_snapshot_xmin(pg_current_snapshot()) order by tx, seq`,
        [topic, last.tx, last.seq],
      );
      last = rows.at(-1) ?? last;
      return rows.map(said);
    },
  };
}

interface Row {
  readonly seq: string;
  readonly tx: string;
  readonly key: string;
  readonly payload: string;
}
