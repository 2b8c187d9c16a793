import type { EntryWrite, OutboxMessage, StartWrite, Verdict, Write, WriteBatch } from "../store.ts";
import { bareArray, storable, textArray, textIn } from "./rows.ts";
import type { Session, Statement } from "./session.ts";

type Row = Readonly<Record<string, unknown>>;

/**
 * Under stale statistics the planner would hash the whole table to find a few rows (355 transactions a second instead of thousands), or
 * walk a whole index because it believes the table empty. A bitmap scan is the one way left, and that needs an index condition; nor does
 * any condition of the statement but the one on gid fit an index. Set once a session.
 */
export const pinnedPlans: readonly string[] = [
  ...["hashjoin", "mergejoin", "seqscan", "indexscan", "indexonlyscan"].map((way) => `set enable_${way} = off`),
  "set plan_cache_mode = force_generic_plan",
  "set jit = off",
];

/**
 * Group commit: the whole batch is one prepared statement that counts the rows which it applied. Fence and write are one chain: the
 * update states the precondition of each row, and only what it returns becomes an entry or a message. (Entries inserted from the input,
 * beside a fence that merely reads, would commit for an owner that was replaced meanwhile.) Entries travel through `returning`, because
 * joining them back by gid is quadratic in the batch once hash joins are forbidden. Rows are locked in gid order.
 */
export function writeStatement(batch: WriteBatch): Statement {
  const entries = batch.writes.filter((write) => write.kind === "entry");
  const starts = batch.writes.filter((write) => write.kind === "start");
  const sends = batch.writes.some(({ messages }) => messages.length > 0);
  const columns = [...(entries.length > 0 ? entryColumns(entries) : []), ...(starts.length > 0 ? startColumns(starts) : [])];
  return { ...shapeOf(entries.length > 0, starts.length > 0, sends), values: [batch.owner, batch.flushId, ...columns] };
}

type Shape = Required<Pick<Statement, "name" | "text">>;

const shapes = new Map<string, Shape>();

/** A flush has what it needs and no more: each part that is there costs some 150 µs a flush, empty or not. */
function shapeOf(hasEntries: boolean, hasStarts: boolean, sends: boolean): Shape {
  const name = ["tripact_write", hasEntries ? "entries" : "", hasStarts ? "starts" : "", sends ? "messages" : ""].filter((part) => part !== "").join("_");
  const known = shapes.get(name);
  if (known !== undefined) return known;
  const parts = [
    ...(hasEntries ? [entriesPart(FIRST_COLUMN)] : []),
    ...(hasStarts ? [startsPart(FIRST_COLUMN + (hasEntries ? entryTypes.length : 0))] : []),
    ...(sends ? [messagesPart(hasEntries, hasStarts)] : []),
  ];
  const applied = [...(hasEntries ? ["(select count(*) from u)"] : []), ...(hasStarts ? ["(select count(*) from s)"] : [])];
  const shape = { name, text: `with ${parts.join(", ")}\nselect ${applied.join(" + ")} as applied` };
  shapes.set(name, shape);
  return shape;
}

/** `$1` is the owner, `$2` the flush. */
const FIRST_COLUMN = 3;

const entryTypes = ["text", "bigint", "int", "text", "text", "bool", "text", "bool", "text", "int", "bool", "text"];
const startTypes = ["text", "text", "text", "text", "text", "text", "text", "bool", "text", "bool", "text", "text"];

function unnest(types: readonly string[], first: number): string {
  return `unnest(${types.map((type, index) => `$${first + index}::${type}[]`).join(", ")})`;
}

function entriesPart(first: number): string {
  return `
w as (
  select * from ${unnest(entryTypes, first)}
    as w (gid, epoch, seq, entry, status, ended, parked, late, outcome, mail_seen, mail_guard, messages)
), u as (
  update tripact.transaction t
     set seq = w.seq, flush_id = $2, status = w.status, parked = w.parked, late = w.late, outcome = w.outcome, mail_seen = w.mail_seen,
         updated_at = clock_timestamp(), ended_at = case when w.ended then clock_timestamp() end
    from w
   where t.gid = w.gid and t.owner is not distinct from $1 and t.epoch = w.epoch and t.seq = w.seq - 1 and num_nulls(t.ended_at) = 1
     and (not w.mail_guard or t.mail <= w.mail_seen)
  returning t.gid, w.seq, w.epoch, w.entry, w.messages
), written as (
  insert into tripact.entry (gid, seq, epoch, owner, entry) select gid, seq, epoch, $1, entry from u
)`;
}

function startsPart(first: number): string {
  return `
n as (
  select * from ${unnest(startTypes, first)}
    as n (gid, definition, version, input_hash, input, opening, status, ended, parked, late, outcome, messages)
), s as (
  insert into tripact.transaction (gid, definition, version, input_hash, input, opening, opening_owner, owner, epoch, seq, flush_id, status, parked, late, outcome, ended_at)
  select gid, definition, version, input_hash, input, opening, $1, $1, 1, 1, $2, status, parked, late, outcome, case when ended then clock_timestamp() end from n
  on conflict (gid) do nothing
  returning gid
)`;
}

/** An insert returns nothing of its input, so the messages of starts are looked up again: they are few. */
function messagesPart(hasEntries: boolean, hasStarts: boolean): string {
  const sources = [
    ...(hasEntries ? ["select messages from u where messages is not null"] : []),
    ...(hasStarts ? ["select messages from n where messages is not null and gid = any (array(select gid from s))"] : []),
  ];
  return `
sent as (${sources.join(" union all ")}),
posted as (
  insert into tripact.outbox (id, topic, key, payload, headers)
  select m.id, m.topic, m.key, m.payload, m.headers
    from sent, json_to_recordset(sent.messages::json) as m (id uuid, topic text, key text, payload text, headers text)
)`;
}

/**
 * Where the header says that a write was not applied (now), what is to be said of it. The flush id tells an earlier try of the same
 * flush from somebody else's write. Read in a statement of its own: the one that lost a race cannot see who won it.
 */
export async function verdicts(session: Session, batch: WriteBatch): Promise<readonly Verdict[]> {
  const { rows } = await session.query({
    name: "tripact_verdicts",
    reads: true,
    text: `
select gid, owner = $2 as is_mine, epoch::text, seq, flush_id = $3 as is_this_flush, status
  from tripact.transaction where gid = any ($1::text[])`,
    values: [textArray(batch.writes.map(({ gid }) => gid)), batch.owner, batch.flushId],
  });
  const headers = new Map(rows.map((row) => [textIn(row, "gid"), row]));
  return batch.writes.map((write) => verdictOf(write, headers.get(write.gid)));
}

function verdictOf(write: Write, header: Row | undefined): Verdict {
  const isMine = header?.["is_mine"] === true;
  const isApplied = isMine && header["is_this_flush"] === true;
  switch (write.kind) {
    case "start":
      if (isApplied && header["seq"] === 1) return "applied";
      return header?.["status"] === "never-started" ? "never-started" : "exists";
    case "entry":
      if (!isMine || Number(header["epoch"]) !== write.epoch) return "fenced";
      return isApplied && header["seq"] === write.seq ? "applied" : "reload";
  }
}

function entryColumns(entries: readonly EntryWrite[]): readonly string[] {
  return [
    textArray(entries.map(({ gid }) => gid)),
    bareArray(entries.map(({ epoch }) => epoch)),
    bareArray(entries.map(({ seq }) => seq)),
    textArray(entries.map(({ entry }) => entry)),
    ...summaryColumns(entries),
    bareArray(entries.map(({ mailSeen }) => mailSeen)),
    bareArray(entries.map(({ mailGuard }) => mailGuard)),
    messagesColumn(entries),
  ];
}

function startColumns(starts: readonly StartWrite[]): readonly string[] {
  return [
    textArray(starts.map(({ gid }) => gid)),
    textArray(starts.map(({ definition }) => definition)),
    textArray(starts.map(({ version }) => version)),
    textArray(starts.map(({ inputHash }) => inputHash)),
    textArray(starts.map(({ input }) => input)),
    textArray(starts.map(({ entry }) => entry)),
    ...summaryColumns(starts),
    messagesColumn(starts),
  ];
}

function summaryColumns(writes: readonly Write[]): readonly string[] {
  return [
    textArray(writes.map(({ summary }) => summary.status)),
    bareArray(writes.map(({ summary }) => summary.ended)),
    textArray(writes.map(({ summary: { parked } }) => (parked === undefined ? undefined : storable(parked)))),
    bareArray(writes.map(({ summary }) => summary.late)),
    textArray(writes.map(({ summary }) => summary.outcome)),
  ];
}

function messagesColumn(writes: readonly Write[]): string {
  return textArray(writes.map(({ messages }) => messagesText(messages)));
}

/** JSON text of all messages of one write, or undefined when there are none. */
export function messagesText(messages: readonly OutboxMessage[]): string | undefined {
  if (messages.length === 0) return undefined;
  return JSON.stringify(messages.map((message) => ({ ...message, topic: storable(message.topic), key: storable(message.key) })));
}
