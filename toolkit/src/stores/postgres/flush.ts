import type { EntryWrite, OutboxMessage, StartWrite, Verdict, Write, WriteBatch } from "../store.ts";
import { binaryArray, storable, textArray, textIn } from "./rows.ts";
import type { ElementType, ElementValue } from "./rows.ts";
import type { PgResult } from "./driver.ts";
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
  const [only] = batch.writes;
  if (batch.writes.length === 1 && only !== undefined && only.messages.length === 0) return writeAlone(batch, only);
  const entries = batch.writes.filter((write) => write.kind === "entry");
  const starts = batch.writes.filter((write) => write.kind === "start");
  const sends = batch.writes.some(({ messages }) => messages.length > 0);
  const values: unknown[] = [batch.owner, batch.flushId];
  if (entries.length > 0) for (const { type, of } of sends ? sendingEntryColumns : entryColumns) values.push(binaryArray(type, entries.map(of)));
  if (starts.length > 0) for (const { type, of } of sends ? sendingStartColumns : startColumns) values.push(binaryArray(type, starts.map(of)));
  return { ...shapeOf(entries.length > 0, starts.length > 0, sends), values };
}

/**
 * A write that is alone, as on an idle node, needs neither arrays nor a list that is unnested: 0.22 ms instead of 0.26, where a plain
 * insert takes 0.16. Same fence, same chain.
 */
function writeAlone({ owner, flushId }: WriteBatch, write: Write): Statement {
  return write.kind === "entry"
    ? { ...entryAlone, values: [owner, flushId, ...entryColumns.map(({ of }) => of(write))] }
    : { ...startAlone, values: [owner, flushId, ...startColumns.map(({ of }) => of(write))] };
}

/** How many writes of a `writeStatement` were applied. */
export function appliedBy({ rows, rowCount }: PgResult): number {
  // A write alone returns nothing: it is applied if its last insert is.
  return Number(rows[0]?.["applied"] ?? rowCount);
}

type Shape = Required<Pick<Statement, "name" | "text">>;

const shapes = new Map<string, Shape>();

/** A flush has what it needs and no more: each part that is there costs some 150 µs a flush, empty or not. */
function shapeOf(hasEntries: boolean, hasStarts: boolean, sends: boolean): Shape {
  const name = ["tripact_write", hasEntries ? "entries" : "", hasStarts ? "starts" : "", sends ? "messages" : ""].filter((part) => part !== "").join("_");
  const known = shapes.get(name);
  if (known !== undefined) return known;
  const [entries, starts] = sends ? [sendingEntryColumns, sendingStartColumns] : [entryColumns, startColumns];
  const parts = [
    ...(hasEntries ? [entriesPart(entries)] : []),
    ...(hasStarts ? [startsPart(starts, FIRST_COLUMN + (hasEntries ? entries.length : 0))] : []),
    ...(sends ? [messagesPart(hasEntries, hasStarts)] : []),
  ];
  const applied = [...(hasEntries ? ["(select count(*) from u)"] : []), ...(hasStarts ? ["(select count(*) from s)"] : [])];
  const shape = { name, text: `with ${parts.join(", ")}\nselect ${applied.join(" + ")} as applied` };
  shapes.set(name, shape);
  return shape;
}

/** `$1` is the owner, `$2` the flush. */
const FIRST_COLUMN = 3;

/** One value of every write: an array in a batch, a parameter by itself in a write alone. */
interface Column<W> {
  readonly name: string;
  readonly type: ElementType;
  readonly of: (write: W) => ElementValue;
}

const summaryColumns: readonly Column<Write>[] = [
  { name: "status", type: "text", of: ({ summary }) => summary.status },
  { name: "ended", type: "bool", of: ({ summary }) => summary.ended },
  { name: "parked", type: "text", of: ({ summary: { parked } }) => (parked === undefined ? undefined : storable(parked)) },
  { name: "late", type: "bool", of: ({ summary }) => summary.late },
  { name: "outcome", type: "text", of: ({ summary }) => summary.outcome },
];

const entryColumns: readonly Column<EntryWrite>[] = [
  { name: "gid", type: "text", of: ({ gid }) => gid },
  { name: "epoch", type: "bigint", of: ({ epoch }) => epoch },
  { name: "seq", type: "int", of: ({ seq }) => seq },
  { name: "entry", type: "text", of: ({ entry }) => entry },
  ...summaryColumns,
  { name: "mail_seen", type: "int", of: ({ mailSeen }) => mailSeen },
  { name: "mail_guard", type: "bool", of: ({ mailGuard }) => mailGuard },
];

const startColumns: readonly Column<StartWrite>[] = [
  { name: "gid", type: "text", of: ({ gid }) => gid },
  { name: "definition", type: "text", of: ({ definition }) => definition },
  { name: "version", type: "text", of: ({ version }) => version },
  { name: "input_hash", type: "text", of: ({ inputHash }) => inputHash },
  { name: "input", type: "text", of: ({ input }) => input },
  { name: "opening", type: "text", of: ({ entry }) => entry },
  ...summaryColumns,
];

const messagesColumn: Column<Write> = { name: "messages", type: "text", of: ({ messages }) => messagesText(messages) };
const sendingEntryColumns = [...entryColumns, messagesColumn];
const sendingStartColumns = [...startColumns, messagesColumn];

/** The batch as a list of rows: `w (gid, epoch, …)`. */
function unnest(columns: readonly Column<never>[], first: number, alias: string): string {
  return `unnest(${columns.map(({ type }, index) => `$${first + index}::${type}[]`).join(", ")})
    as ${alias} (${columns.map(({ name }) => name).join(", ")})`;
}

/** The one row that there is: the name of a column becomes its parameter. */
function parameters(columns: readonly Column<never>[]): (name: string) => string {
  return (name) => {
    const index = columns.findIndex((column) => column.name === name);
    return `$${FIRST_COLUMN + index}::${columns[index]?.type}`;
  };
}

/** What an entry does to the header, and under which precondition; `w` says where its values come from. */
function headerUpdate(w: (name: string) => string, from: string): string {
  return `
  update tripact.transaction t
     set seq = ${w("seq")}, flush_id = $2, status = ${w("status")}, parked = ${w("parked")}, late = ${w("late")}, outcome = ${w("outcome")}, mail_seen = ${w("mail_seen")},
         updated_at = clock_timestamp(), ended_at = case when ${w("ended")} then clock_timestamp() end ${from}
   where t.gid = ${w("gid")} and t.owner is not distinct from $1 and t.epoch = ${w("epoch")} and t.seq = ${w("seq")} - 1 and num_nulls(t.ended_at) = 1
     and (not ${w("mail_guard")} or t.mail <= ${w("mail_seen")})`;
}

function headerInsert(from: string): string {
  return `
  insert into tripact.transaction (gid, definition, version, input_hash, input, opening, opening_owner, owner, epoch, seq, flush_id, status, parked, late, outcome, ended_at)
  select gid, definition, version, input_hash, input, opening, $1, $1, 1, 1, $2, status, parked, late, outcome, case when ended then clock_timestamp() end from ${from}
  on conflict (gid) do nothing`;
}

function entriesPart(columns: readonly Column<EntryWrite>[]): string {
  const messages = columns === sendingEntryColumns ? ", w.messages" : "";
  return `
w as (
  select * from ${unnest(columns, FIRST_COLUMN, "w")}
), u as (${headerUpdate((name) => `w.${name}`, "from w")}
  returning t.gid, w.seq, w.epoch, w.entry${messages}
), written as (
  insert into tripact.entry (gid, seq, epoch, owner, entry) select gid, seq, epoch, $1, entry from u
)`;
}

function startsPart(columns: readonly Column<StartWrite>[], first: number): string {
  return `
n as (
  select * from ${unnest(columns, first, "n")}
), s as (${headerInsert("n")}
  returning gid
)`;
}

const entryAlone: Shape = (() => {
  const w = parameters(entryColumns);
  return {
    name: "tripact_write_entry",
    text: `with u as (${headerUpdate(w, "")}
  returning t.gid
)
insert into tripact.entry (gid, seq, epoch, owner, entry) select gid, ${w("seq")}, ${w("epoch")}, $1, ${w("entry")} from u`,
  };
})();

const startAlone: Shape = (() => {
  const n = parameters(startColumns);
  return { name: "tripact_write_start", text: headerInsert(`(select ${startColumns.map(({ name }) => `${n(name)} as ${name}`).join(", ")}) n`) };
})();

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

/** JSON text of all messages of one write, or undefined when there are none. */
export function messagesText(messages: readonly OutboxMessage[]): string | undefined {
  if (messages.length === 0) return undefined;
  return JSON.stringify(messages.map((message) => ({ ...message, topic: storable(message.topic), key: storable(message.key) })));
}
