import type { LoggedMessage, Page, ReadQuery } from "../../outbox-log.ts";
import { bareArray, textIn } from "../rows.ts";
import type { Session, Statement } from "../session.ts";
import { cursorOf, positionOf, seesNoMore, snapshotOf, type Position } from "./cursor.ts";

type Row = Readonly<Record<string, unknown>>;

/** Columns that `messageOf` reads, of a row `o` of log or retry table. */
export const messageColumns = `o.seq::text, o.id::text, o.lane, o.topic, o.key, o.payload, o.headers, date_part('epoch', o.recorded_at) * 1000 as recorded_at_ms`;

/** The log's statistics are always out of date, and its partitions come and go: the one right way is by index. */
export const pinnedReads: readonly string[] = ["set enable_seqscan = off", "set plan_cache_mode = force_generic_plan", "set jit = off", "set max_parallel_workers_per_gather = 0"];

/** Rows that a read sorts; when more have become visible, it is a backlog and is read in the order of its index. */
const SORTED_MAX = 2_000;

/**
 * The next page: what the current snapshot (or `upto`) sees and the cursor's does not, in the order of seq. Exact, because a row is
 * compared by its transaction: no number that was reached says what was seen, but a snapshot does. Whoever sees the second writer of a
 * key sees the first, so the order per key is that of the locks.
 */
export async function read(session: Session, number: number, query: ReadQuery): Promise<Page> {
  const position = positionOf(query.cursor);
  const upto = query.upto === undefined ? undefined : positionOf(query.upto).seen;
  if (position.upto === undefined) {
    // These lanes are further already: to go back would be to read again.
    if (upto !== undefined && seesNoMore(upto, position.seen)) return { messages: [], cursor: cursorOf({ session: number, seen: position.seen }), more: false };
    const { rows } = await session.query(sinceStatement(position, query, upto));
    const end = textIn(rows[0] ?? {}, "upto");
    // No more bodies come than were asked for: they may be large.
    if (Number(rows[0]?.["visible"]) <= SORTED_MAX) return pageOf(messagesOf(rows), query.limit, { session: number, seen: position.seen, upto: { snapshot: end, after: "0" } });
    const first = await session.query(firstStatement(position, query, end));
    const after = (BigInt(textIn(first.rows[0] ?? {}, "first")) - 1n).toString();
    return await nextPage(session, query, { session: number, seen: position.seen, upto: { snapshot: end, after } });
  }
  return await nextPage(session, query, { ...position, session: number, upto: position.upto });
}

/** A page within a backlog, whose end is fixed: so what comes meanwhile neither stretches it nor mixes in. */
async function nextPage(session: Session, query: ReadQuery, position: Required<Position>): Promise<Page> {
  const { rows } = await session.query(pageStatement(position, query));
  return pageOf(messagesOf(rows), query.limit, position);
}

function pageOf(found: readonly LoggedMessage[], limit: number, { session, seen, upto }: Required<Position>): Page {
  const more = found.length > limit;
  const messages = more ? found.slice(0, limit) : found;
  const last = messages.at(-1);
  const cursor = more && last !== undefined ? { session, seen, upto: { snapshot: upto.snapshot, after: String(last.seq) } } : { session, seen: upto.snapshot };
  return { messages, cursor: cursorOf(cursor), more };
}

function sinceStatement({ seen }: Position, query: ReadQuery, upto: string | undefined): Statement {
  const { xmax, running } = snapshotOf(seen);
  return {
    name: "tripact_outbox_since",
    reads: true,
    text: `
with target as materialized (select coalesce($1::pg_snapshot, pg_current_snapshot()) as upto), found as materialized (
  select o.* from tripact.outbox o, target t
   where (o.tx >= $2::xid8 or o.tx = any ($3::xid8[])) and ${chosen("$4", "$5")} and pg_visible_in_snapshot(o.tx, t.upto)
   limit $6
)
select t.upto::text, (select count(*) from found)::int as visible, ${messageColumns}
  from target t left join lateral (select * from found order by seq limit $7) o on true`,
    values: [upto ?? null, xmax, bareArray(running), bareArray(query.lanes), patterns(query.topics), SORTED_MAX + 1, query.limit + 1],
  };
}

/** Goes through the whole backlog once, to know where it begins. */
function firstStatement({ seen }: Position, query: ReadQuery, upto: string): Statement {
  const { xmax, running } = snapshotOf(seen);
  return {
    reads: true,
    text: `
select min(o.seq)::text as first from tripact.outbox o
 where (o.tx >= $1::xid8 or o.tx = any ($2::xid8[])) and ${chosen("$3", "$4")} and pg_visible_in_snapshot(o.tx, $5::pg_snapshot)`,
    values: [xmax, bareArray(running), bareArray(query.lanes), patterns(query.topics), upto],
  };
}

function pageStatement({ seen, upto }: Required<Position>, query: ReadQuery): Statement {
  const { xmax, running } = snapshotOf(seen);
  return {
    name: "tripact_outbox_page",
    reads: true,
    text: `
select ${messageColumns} from tripact.outbox o
 where o.seq > $1 and (o.tx >= $2::xid8 or o.tx = any ($3::xid8[])) and ${chosen("$4", "$5")} and pg_visible_in_snapshot(o.tx, $6::pg_snapshot)
 order by o.seq limit $7`,
    values: [upto.after, xmax, bareArray(running), bareArray(query.lanes), patterns(query.topics), upto.snapshot, query.limit + 1],
  };
}

function chosen(lanes: string, topics: string): string {
  return `o.lane = any (${lanes}::smallint[]) and (${topics}::text[] is null or o.topic like any (${topics}::text[]))`;
}

/** `order.*` → `order.%`; what means something to `like` is escaped. */
function patterns(topics: readonly string[] | undefined): string[] | null {
  if (topics === undefined) return null;
  return topics.map((topic) => topic.replace(/[\\%_]/g, "\\$&").replace(/\*$/, "%"));
}

/** A page without messages is one row of nulls. */
function messagesOf(rows: readonly Row[]): readonly LoggedMessage[] {
  return rows.filter((row) => row["id"] !== null).map(messageOf);
}

export function messageOf(row: Row): LoggedMessage {
  return {
    seq: Number(row["seq"]),
    lane: Number(row["lane"]),
    id: textIn(row, "id"),
    topic: textIn(row, "topic"),
    key: textIn(row, "key"),
    payload: textIn(row, "payload"),
    headers: textIn(row, "headers"),
    recordedAtMs: Math.round(Number(row["recorded_at_ms"])),
  };
}
