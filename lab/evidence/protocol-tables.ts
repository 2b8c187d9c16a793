/** Tripact's own tables as evidence: read for what they say, not with its code. A mode that does not use one of them may not have it. */
import type { BarrierRow, DeliveryRow, EntryRow, Evidence, JournalEvent, MessageRow, TransactionRow } from "../checkers/checker.ts";
import type { Snapshot } from "./snapshot.ts";

type Parts = "transactions" | "entries" | "barriers" | "messages" | "deliveries";
export type ProtocolRows = { readonly [Part in Parts]: NonNullable<Evidence[Part]> };

const ENDED_AT = `(extract(epoch from ended_at) * 1000)::float8 as "endedAtMs"`;

/** Of several databases. */
export function together(all: readonly ProtocolRows[]): ProtocolRows {
  return {
    transactions: all.flatMap(({ transactions }) => transactions),
    entries: all.flatMap(({ entries }) => entries),
    barriers: all.flatMap(({ barriers }) => barriers),
    messages: all.flatMap(({ messages }) => messages),
    deliveries: all.flatMap(({ deliveries }) => deliveries),
  };
}

/** What one database has; a table that is not there has no rows. */
export async function readProtocol(snapshot: Snapshot): Promise<ProtocolRows> {
  return {
    transactions: [...(await coordinated(snapshot)), ...(await choreographed(snapshot))],
    entries: await entriesIn(snapshot),
    barriers: await barriersIn(snapshot),
    messages: await messagesIn(snapshot),
    deliveries: await deliveriesIn(snapshot),
  };
}

async function coordinated(snapshot: Snapshot): Promise<readonly TransactionRow[]> {
  const rows = await snapshot.read<TransactionRow>("tripact.transaction", `select gid, 'coordinated' as kind, status, epoch::float8 as epoch, seq, pruned, ${ENDED_AT} from tripact.transaction`);
  return rows ?? [];
}

async function choreographed(snapshot: Snapshot): Promise<readonly TransactionRow[]> {
  const rows = await snapshot.read<TransactionRow>("tripact.choreography", `select gid, 'choreographed' as kind, state as status, 0 as epoch, 0 as seq, false as pruned, ${ENDED_AT} from tripact.choreography`);
  return rows ?? [];
}

type Stored = Omit<EntryRow, "events"> & { readonly events: string };

/**
 * Of an entry only who does what to which branch: its payloads may be large, and its story is one of few, so that each is kept once. What
 * is escaped becomes a question mark first: Postgres refuses to read an escaped NUL or half a surrogate pair, and a payload may hold one.
 */
async function entriesIn(snapshot: Snapshot): Promise<readonly EntryRow[]> {
  const story = `(select json_agg(json_build_array(e->>'kind', e->>'branch', e->>'op', e->'offer'->>'kind', e->'offer'->>'undo') order by n)::text
                    from json_array_elements(regexp_replace(written.entry, '\\\\.', '?', 'g')::json) with ordinality as event (e, n)) as events`;
  const rows = await snapshot.read<Stored>(
    "tripact.transaction",
    `select gid, seq, epoch::float8 as epoch, owner, ${story}
       from (
         -- Whose the first one was is not kept: its owner may have lost it before the second.
         select gid, 1 as seq, opening as entry, 0 as epoch, null as owner from tripact.transaction where opening is not null
         union all select gid, seq, entry, epoch, owner::text from tripact.entry
       ) written order by gid, seq`,
  );
  const known = new Map<string, readonly JournalEvent[]>();
  const eventsOf = (text: string): readonly JournalEvent[] => {
    const events = known.get(text) ?? (JSON.parse(text) as readonly (readonly [string, ...(readonly (string | null)[])])[]).map(eventOf);
    known.set(text, events);
    return events;
  };
  return (rows ?? []).map((row) => ({ ...row, events: eventsOf(row.events ?? "[]") }));
}

function eventOf([kind, branch = null, op = null, offer = null, undo = null]: readonly [string, ...(readonly (string | null)[])]): JournalEvent {
  // Its words are tripact's; one that no judge knows is one that he passes over.
  return { kind, branch, op: op as JournalEvent["op"], offer: offer as JournalEvent["offer"], undo: undo as JournalEvent["undo"] };
}

async function barriersIn(snapshot: Snapshot): Promise<readonly BarrierRow[]> {
  const rows = await snapshot.read<Omit<BarrierRow, "database">>("tripact.barrier", `select gid, branch, phase, op, state, epoch::float8 as epoch from tripact.barrier`);
  return (rows ?? []).map((row) => ({ database: snapshot.database, ...row }));
}

async function messagesIn(snapshot: Snapshot): Promise<readonly MessageRow[]> {
  const rows = await snapshot.read<Omit<MessageRow, "database">>(
    "tripact.outbox",
    `select seq::float8 as seq, id::text as id, topic, key, exists (select from tripact.outbox_retry r where r.id = o.id) as "setAside" from tripact.outbox o order by seq`,
  );
  return (rows ?? []).map((row) => ({ database: snapshot.database, ...row }));
}

async function deliveriesIn(snapshot: Snapshot): Promise<readonly DeliveryRow[]> {
  const rows = await snapshot.read<Omit<DeliveryRow, "database">>("tripact.inbox", `select consumer, source, id, xmin::text::float8 as "transactionId" from tripact.inbox`);
  return (rows ?? []).map((row) => ({ database: snapshot.database, ...row }));
}
