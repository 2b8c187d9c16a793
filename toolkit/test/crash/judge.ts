/** Reads the final state straight from the databases, and says what is wrong with it. */
import type pg from "pg";
import { evolve } from "../../src/protocol/evolve.ts";
import { UNBORN, type Transaction, type TransactionEvent } from "../../src/protocol/transaction.ts";
import { summaryOf } from "../../src/runtime/journal/summary.ts";
import { shapes, type ShapeName } from "./shapes.ts";

/** One transaction of the matrix, by where it was interrupted. */
export interface Ran {
  readonly gid: string;
  readonly shape: ShapeName;
  readonly title: string;
}

interface Entry {
  readonly seq: number;
  readonly epoch: number;
  readonly owner: string | null;
  readonly entry: string;
}

/** Every sentence is a violation. */
export async function judge(ran: readonly Ran[], journal: pg.Pool, participants: pg.Pool): Promise<readonly string[]> {
  const gids = ran.map((it) => it.gid);
  const effects = await listBy(participants, "select gid, what from effect where gid = any ($1)", gids);
  const local = await listBy(journal, "select gid, what from effect where gid = any ($1)", gids);
  const barrier = await listBy(participants, "select gid, branch || '.' || op as what from tripact.barrier where state = 'done' and gid = any ($1)", gids);

  const messages = await listBy(journal, "select key as gid, topic as what from tripact.outbox where key = any ($1)", gids);
  const sentences: string[] = [];
  for (const { gid, shape, title } of ran) {
    const { expected } = shapes[shape];
    const say = (sentence: string): number => sentences.push(`${title}: ${sentence}`);
    compare(effects.get(gid), expected.effects, "effects at the participants", say);
    compare(local.get(gid), expected.local, "local writes", say);
    compare(barrier.get(gid), effects.get(gid) ?? [], "barrier rows beside effects", say);
    compare(messages.get(gid)?.length, expected.messages, "messages", say);
    await judgeJournal(journal, gid, expected.status, say);
  }
  return sentences;
}

async function judgeJournal(journal: pg.Pool, gid: string, status: string, say: (sentence: string) => number): Promise<void> {
  const { rows: headers } = await journal.query("select status, ended_at is not null as ended, seq, epoch::int, opening, opening_owner::text from tripact.transaction where gid = $1", [gid]);
  const header = (headers as readonly { status: string; ended: boolean; seq: number; epoch: number; opening: string; opening_owner: string }[])[0];
  if (header === undefined) return void say("the journal does not know it");
  if (header.status !== status || !header.ended) say(`${header.ended ? "ended" : "is stuck"} as ${header.status}, expected ${status}`);
  const entries = [{ seq: 1, epoch: 1, owner: header.opening_owner, entry: header.opening }, ...(await entriesOf(journal, gid))];
  if (entries.length !== header.seq) say(`${entries.length} entries under sequence ${header.seq}`);
  const stale = staleEntries(entries);
  if (stale.length > 0) say(`written by a stale epoch: ${JSON.stringify(stale)}`);
  const replayed = summaryOf(replay(entries)).status;
  if (replayed !== header.status) say(`its journal replays to ${replayed}, its header says ${header.status}`);
}

export async function entriesOf(journal: pg.Pool, gid: string): Promise<readonly Entry[]> {
  const { rows } = await journal.query("select seq, epoch::int, owner::text, entry from tripact.entry where gid = $1 order by seq", [gid]);
  return rows as readonly Entry[];
}

/** Entries that an owner wrote after a newer epoch had begun, or that share an epoch with another owner. */
export function staleEntries(entries: readonly Entry[]): readonly Entry[] {
  return entries.filter((entry, at) =>
    entries.slice(0, at).some((earlier) => earlier.epoch > entry.epoch || (earlier.epoch === entry.epoch && earlier.owner !== entry.owner)),
  );
}

function replay(entries: readonly Entry[]): Transaction {
  return entries.flatMap(({ entry }) => JSON.parse(entry) as readonly TransactionEvent[]).reduce<Transaction>((state, event) => evolve(state, event, 0), UNBORN);
}

async function listBy(pool: pg.Pool, text: string, gids: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await pool.query(text, [gids]);
  const found = rows as readonly { gid: string; what: string }[];
  return new Map([...Map.groupBy(found, (row) => row.gid)].map(([gid, of]) => [gid, of.map((row) => row.what)]));
}

function compare(found: readonly string[] | number | undefined, expected: readonly string[] | number, what: string, say: (sentence: string) => number): void {
  const text = (list: readonly string[] | number): string => (typeof list === "number" ? String(list) : list.toSorted().join(", "));
  const actual = text(found ?? (typeof expected === "number" ? 0 : []));
  if (actual !== text(expected)) say(`${what}: ${actual || "none"}; expected ${text(expected) || "none"}`);
}
