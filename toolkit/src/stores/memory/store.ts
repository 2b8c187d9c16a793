import type {
  Claim,
  Counts,
  EntryWrite,
  Heard,
  Journal,
  JournalHeader,
  JournalRecord,
  ListQuery,
  Mail,
  Membership,
  NodeRow,
  PostVerdict,
  Probe,
  StartWrite,
  Store,
  Topic,
  Verdict,
  Write,
  WriteBatch,
} from "../store.ts";
import { MemoryDatabase, type MemoryRow } from "./database.ts";

/**
 * A store in memory, for tests and the simulator: the same promises as Postgres, but for the one that matters in production. Nodes
 * that share a `MemoryDatabase` are nodes on one journal.
 */
export function memoryStore(database: MemoryDatabase = new MemoryDatabase()): Store {
  return {
    features: { name: "memory", durability: "none", localSql: false },
    journal: new MemoryJournal(database),
    membership: new MemoryMembership(database),
    connect: () => Promise.resolve(),
    health: () => ({ state: "up" }),
    close: () => Promise.resolve(),
  };
}

class MemoryJournal implements Journal {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  write(batch: WriteBatch): Promise<readonly Verdict[]> {
    return Promise.resolve(batch.writes.map((write) => this.#writeOne(batch, write)));
  }

  read(gids: readonly string[]): Promise<readonly JournalRecord[]> {
    const nowMs = this.#database.nowMs();
    return Promise.resolve(
      gids.flatMap((gid) => {
        const row = this.#database.transactions.get(gid);
        if (row === undefined) return [];
        const entries = row.entries.map((entry) => ({ ...entry, ageMs: Math.max(nowMs - entry.recordedAtMs, 0) }));
        return [{ ...headerOf(row), entries, unread: row.mail.filter((mail) => mail.n > row.mailSeen) }];
      }),
    );
  }

  claim({ claimId, owner, from, runs, limit, except = [] }: Claim): Promise<readonly string[]> {
    const { nodes, open, transactions } = this.#database;
    const dead = [...open.keys()].filter((it) => it === "" || (it !== owner && nodes.get(it)?.fenced !== false && (from.length === 0 || from.includes(it))));
    const again = [...(open.get(owner) ?? [])].filter((gid) => transactions.get(gid)?.flushId === claimId);
    const claimed = dead
      .flatMap((it) => [...(open.get(it) ?? [])])
      .concat(again)
      .filter((gid) => {
        const row = transactions.get(gid);
        return row !== undefined && !except.includes(gid) && runs.some((run) => run.definition === row.start.definition && run.version === row.start.version);
      })
      .sort()
      .slice(0, limit);
    for (const gid of claimed) {
      const row = transactions.get(gid);
      if (row === undefined) continue;
      row.epoch += 1;
      row.flushId = claimId;
      this.#database.setOwner(gid, row, owner);
    }
    return Promise.resolve(claimed);
  }

  release(owner: string, gids: readonly string[]): Promise<void> {
    for (const gid of gids) {
      const row = this.#database.transactions.get(gid);
      if (row?.owner === owner && !row.summary.ended) this.#database.setOwner(gid, row, null);
    }
    return Promise.resolve();
  }

  post(gid: string, body: string): Promise<PostVerdict> {
    const row = this.#database.transactions.get(gid);
    if (row === undefined) {
      this.#database.transactions.set(gid, tombstone(gid, this.#database.nowMs()));
      return Promise.resolve({ kind: "never-started" });
    }
    if (row.summary.status === "never-started") return Promise.resolve({ kind: "never-started" });
    if (row.summary.ended) return Promise.resolve({ kind: "ended" });
    const n = row.mail.length + 1;
    row.mail.push({ gid, n, body });
    return Promise.resolve({ kind: "posted", owner: row.owner, n });
  }

  mail(owner: string, limit: number): Promise<readonly Mail[]> {
    const unread: Mail[] = [];
    for (const gid of [...(this.#database.open.get(owner) ?? [])].sort()) {
      const row = this.#database.transactions.get(gid);
      if (row !== undefined && row.mail.length > row.mailSeen) unread.push(...row.mail.slice(row.mailSeen));
      if (unread.length >= limit) break;
    }
    return Promise.resolve(unread.slice(0, limit));
  }

  list(query: ListQuery): Promise<readonly JournalHeader[]> {
    const { before } = query;
    const rows = [...this.#database.transactions.values()]
      .filter((row) => query.definition === undefined || row.start.definition === query.definition)
      .filter((row) => query.gid === undefined || row.start.gid === query.gid)
      .filter((row) => this.#isInState(row, query.state))
      .map(headerOf)
      .sort((a, b) => b.startedAtMs - a.startedAtMs || (a.gid < b.gid ? 1 : -1))
      .filter((header) => before === undefined || header.startedAtMs < before.startedAtMs || (header.startedAtMs === before.startedAtMs && header.gid < before.gid));
    return Promise.resolve(rows.slice(0, query.limit));
  }

  counts(): Promise<Counts> {
    const rows = [...this.#database.transactions.values()];
    const count = (state: ListQuery["state"]): number => rows.filter((row) => this.#isInState(row, state)).length;
    return Promise.resolve({ open: count("open"), parked: count("parked"), late: count("late"), unclaimed: count("unclaimed") });
  }

  prune({ entriesMs, headersMs, limit }: { readonly entriesMs: number; readonly headersMs: number; readonly limit: number }): Promise<number> {
    const nowMs = this.#database.nowMs();
    let pruned = 0;
    for (const [gid, row] of this.#database.transactions) {
      if (pruned >= limit) break;
      if (row.endedAtMs === undefined) continue;
      const agoMs = nowMs - row.endedAtMs;
      if (agoMs >= headersMs) {
        this.#database.transactions.delete(gid);
        pruned += 1;
      } else if (agoMs >= entriesMs && row.entries.length > 0) {
        row.entries.length = 0;
        row.mail.length = 0;
        pruned += 1;
      }
    }
    return Promise.resolve(pruned);
  }

  #writeOne(batch: WriteBatch, write: Write): Verdict {
    return write.kind === "start" ? this.#start(batch, write) : this.#entry(batch, write);
  }

  #start(batch: WriteBatch, write: StartWrite): Verdict {
    const existing = this.#database.transactions.get(write.gid);
    if (existing !== undefined) {
      if (existing.summary.status === "never-started") return "never-started";
      return existing.flushId === batch.flushId && existing.seq === 1 ? "applied" : "exists";
    }
    const nowMs = this.#database.nowMs();
    const { kind: _, entry, summary, messages, ...start } = write;
    const row: MemoryRow = {
      start,
      summary,
      owner: null,
      epoch: 1,
      seq: 1,
      flushId: batch.flushId,
      mailSeen: 0,
      mail: [],
      entries: [{ seq: 1, epoch: 1, owner: batch.owner, entry, recordedAtMs: nowMs }],
      startedAtMs: nowMs,
      updatedAtMs: nowMs,
      endedAtMs: summary.ended ? nowMs : undefined,
    };
    this.#database.transactions.set(write.gid, row);
    this.#database.setOwner(write.gid, row, batch.owner);
    this.#database.send(messages);
    return "applied";
  }

  #entry(batch: WriteBatch, write: EntryWrite): Verdict {
    const row = this.#database.transactions.get(write.gid);
    if (row === undefined || row.owner !== batch.owner || row.epoch !== write.epoch) return "fenced";
    if (row.seq === write.seq && row.flushId === batch.flushId) return "applied";
    if (row.seq !== write.seq - 1 || row.summary.ended) return "reload";
    if (write.mailGuard && row.mail.length !== write.mailSeen) return "reload";
    const nowMs = this.#database.nowMs();
    row.seq = write.seq;
    row.flushId = batch.flushId;
    row.summary = write.summary;
    row.mailSeen = write.mailSeen;
    row.updatedAtMs = nowMs;
    row.entries.push({ seq: write.seq, epoch: write.epoch, owner: batch.owner, entry: write.entry, recordedAtMs: nowMs });
    this.#database.send(write.messages);
    if (write.summary.ended) {
      row.endedAtMs = nowMs;
      this.#database.open.get(batch.owner)?.delete(write.gid);
    }
    return "applied";
  }

  #isInState(row: MemoryRow, state: ListQuery["state"]): boolean {
    switch (state) {
      case undefined:
        return true;
      case "open":
        return !row.summary.ended;
      case "ended":
        return row.summary.ended;
      case "parked":
        return !row.summary.ended && row.summary.parked !== undefined;
      case "late":
        return !row.summary.ended && row.summary.late;
      case "unclaimed":
        return !row.summary.ended && (row.owner === null || this.#database.nodes.get(row.owner)?.fenced !== false);
    }
  }
}

export class MemoryMembership implements Membership {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  join(node: Parameters<Membership["join"]>[0]): Promise<boolean> {
    const known = this.#database.nodes.get(node.incarnation);
    if (known?.fenced === true) return Promise.resolve(false);
    if (known === undefined) this.#database.nodes.set(node.incarnation, { ...node, beat: 0, fenced: false });
    else known.beat += 1;
    this.#database.locks.add(node.incarnation);
    return Promise.resolve(true);
  }

  beat(incarnation: string): Promise<readonly NodeRow[]> {
    const node = this.#database.nodes.get(incarnation);
    if (node !== undefined) node.beat += 1;
    return Promise.resolve([...this.#database.nodes.values()].map((it) => ({ ...it })));
  }

  probe(incarnation: string): Promise<Probe> {
    return Promise.resolve(this.#database.locks.has(incarnation) ? "held" : "free");
  }

  fence(incarnation: string): Promise<boolean> {
    const node = this.#database.nodes.get(incarnation);
    if (node === undefined || node.fenced) return Promise.resolve(false);
    node.fenced = true;
    return Promise.resolve(true);
  }

  leave(incarnation: string): Promise<void> {
    this.#database.nodes.delete(incarnation);
    this.#database.locks.delete(incarnation);
    return Promise.resolve();
  }

  announce(topic: Topic): void {
    for (const hear of this.#database.listeners) queueMicrotask(() => hear(topic));
  }

  listen(hear: (heard: Heard) => void): () => void {
    this.#database.listeners.add(hear);
    return () => this.#database.listeners.delete(hear);
  }
}

function headerOf(row: MemoryRow): JournalHeader {
  const { start, summary, owner, epoch, seq, mail, mailSeen, startedAtMs, updatedAtMs } = row;
  return { ...start, summary, owner, epoch, seq, mail: mail.length, mailSeen, startedAtMs, updatedAtMs };
}

function tombstone(gid: string, nowMs: number): MemoryRow {
  return {
    start: { gid, definition: "", version: "", inputHash: "", input: "null" },
    summary: { status: "never-started", ended: true, late: false },
    owner: null,
    epoch: 0,
    seq: 0,
    flushId: "",
    mailSeen: 0,
    mail: [],
    entries: [],
    startedAtMs: nowMs,
    updatedAtMs: nowMs,
    endedAtMs: nowMs,
  };
}
