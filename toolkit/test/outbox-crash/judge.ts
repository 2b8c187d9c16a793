/** Reads what was sent and what was applied straight from the two databases, and says what is wrong with it. */
import type pg from "pg";
import { topic } from "./orders.ts";

interface Row {
  readonly id: string;
  readonly key: string;
}

interface Judged {
  /** Of the keys that both databases are looked at for. */
  readonly prefix?: string;
  /** Ids whose commit was acknowledged: the outbox must still have them. */
  readonly acknowledged?: readonly string[];
}

/**
 * Every sentence is a violation: a message in the outbox is applied exactly once, in the order of its key; nothing else is applied; nothing
 * waits in the retry table; the inbox has a row beside each effect.
 */
export async function judge(sender: pg.Pool, consumer: pg.Pool, { prefix = "", acknowledged = [] }: Judged = {}): Promise<readonly string[]> {
  const sent = await list(sender, "select id::text, key from tripact.outbox where topic = $2 and starts_with(key, $1) order by seq", [prefix, topic]);
  const applied = await list(consumer, "select id::text, key from applied where starts_with(key, $1) order by n", [prefix]);
  const waiting = await list(sender, "select id::text, key || ' ' || state || ' after ' || attempts as key from tripact.outbox_retry where starts_with(key, $1) order by seq", [prefix]);
  const remembered = new Set((await list(consumer, "select id, '' as key from tripact.inbox where consumer = 'shop'", [])).map(({ id }) => id));
  const violations: string[] = [];
  const known = new Set(sent.map(({ id }) => id));
  const counts = new Map<string, number>();
  for (const { id, key } of applied) {
    counts.set(id, (counts.get(id) ?? 0) + 1);
    if (!known.has(id)) violations.push(`${key}: a phantom was applied`);
    if (!remembered.has(id)) violations.push(`${key}: an effect without its row in the inbox`);
  }
  for (const { id, key } of sent) {
    const count = counts.get(id) ?? 0;
    if (count !== 1) violations.push(`${key}: a message was applied ${count} times`);
  }
  for (const id of acknowledged) if (!known.has(id)) violations.push(`${id}: acknowledged, and not in the outbox`);
  for (const { key } of waiting) violations.push(`${key}: a message is stuck in the retry table`);
  return [...violations, ...disorder(sent, applied)];
}

function disorder(sent: readonly Row[], applied: readonly Row[]): readonly string[] {
  const arrived = Map.groupBy(applied, ({ key }) => key);
  return [...Map.groupBy(sent, ({ key }) => key)].flatMap(([key, rows]) => {
    const asSent = rows.map(({ id }) => id);
    const asApplied = [...new Set((arrived.get(key) ?? []).map(({ id }) => id))].filter((id) => asSent.includes(id));
    const expected = asSent.filter((id) => asApplied.includes(id));
    return expected.some((id, at) => asApplied[at] !== id) ? [`${key}: applied in the order ${asApplied.map((id) => asSent.indexOf(id)).join()}`] : [];
  });
}

async function list(pool: pg.Pool, text: string, values: readonly string[]): Promise<readonly Row[]> {
  const { rows } = await pool.query<Row>(text, [...values]);
  return rows;
}
