import { TripactError } from "../../protocol/errors.ts";
import {
  LANES,
  type ClaimedLane,
  type Cursor,
  type HeldKey,
  type LaneRow,
  type Lanes,
  type LoggedMessage,
  type Messages,
  type OutboxLog,
  type Page,
  type ReadQuery,
  type Retries,
  type RetryRow,
  type Settlement,
} from "../outbox-log.ts";
import { MemoryDatabase, type MemoryLane } from "./database.ts";
import { MemoryDesk } from "./outbox-desk.ts";
import { MemoryMembership } from "./store.ts";

/**
 * The outbox of a `MemoryDatabase`, where memory stores leave their messages: for tests and the simulator. A commit is one turn there, so
 * what a reader has seen is a number, and that is its cursor.
 */
export function memoryOutboxLog(database: MemoryDatabase = new MemoryDatabase()): OutboxLog {
  const membership = new MemoryMembership(database);
  return {
    features: { name: "memory", persistent: false },
    lanes: new MemoryLanes(database),
    messages: new MemoryMessages(database),
    retries: new MemoryRetries(database),
    desk: new MemoryDesk(database, () => membership.announce("desk")),
    membership,
    connect: async () => {},
    health: () => ({ state: "up" }),
    announce: () => membership.announce("outbox"),
    close: async () => {},
  };
}

class MemoryLanes implements Lanes {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  async claim({ subscription, owner, lanes }: Parameters<Lanes["claim"]>[0]): Promise<readonly ClaimedLane[]> {
    const rows = this.#rowsOf(subscription);
    if (!this.#isAlive(owner)) return [];
    return [...lanes]
      .sort((a, b) => a - b)
      .flatMap((lane) => {
        const row = rows[lane];
        if (row === undefined || (row.owner !== null && row.owner !== owner && this.#isAlive(row.owner))) return [];
        row.owner = owner;
        row.epoch += 1;
        return [{ lane, epoch: row.epoch, cursor: cursorOf(this.#database.session, row.settled), restarted: false }];
      });
  }

  async release({ subscription, owner, lanes }: Parameters<Lanes["release"]>[0]): Promise<void> {
    for (const lane of lanes) {
      const row = this.#database.lanes.get(subscription)?.[lane];
      if (row?.owner === owner) row.owner = null;
    }
  }

  async list(subscription?: string): Promise<readonly LaneRow[]> {
    return [...this.#database.lanes]
      .filter(([name]) => subscription === undefined || name === subscription)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, rows]) => rows.map(({ owner, epoch }, lane) => ({ subscription: name, lane, owner, epoch })));
  }

  #isAlive(incarnation: string): boolean {
    return this.#database.nodes.get(incarnation)?.fenced === false;
  }

  #rowsOf(subscription: string): readonly MemoryLane[] {
    const rows = this.#database.lanes.get(subscription) ?? Array.from({ length: LANES }, () => ({ owner: null, epoch: 0, settled: 0 }));
    this.#database.lanes.set(subscription, rows);
    return rows;
  }
}

class MemoryMessages implements Messages {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  async read({ lanes, cursor, upto, topics, limit }: ReadQuery): Promise<Page> {
    const { outbox, session, seq } = this.#database;
    const seen = seenBy(cursor, session);
    const end = Math.max(seen, upto === undefined ? seq : seenBy(upto, session));
    const found = outbox.filter((message) => message.seq > seen && message.seq <= end && lanes.includes(message.lane) && isChosen(message, topics));
    const messages = found.slice(0, limit);
    const more = found.length > limit;
    return { messages, cursor: cursorOf(session, more ? (messages.at(-1)?.seq ?? seen) : end), more };
  }

  async settle({ subscription, owner, lanes, cursor, copies }: Settlement): Promise<readonly number[]> {
    const { session, lanes: all, retries } = this.#database;
    const settled = seenBy(cursor, session);
    const moved: number[] = [];
    for (const { lane, epoch } of lanes) {
      const row = all.get(subscription)?.[lane];
      if (row === undefined || row.owner !== owner || row.epoch !== epoch) continue;
      row.settled = settled;
      moved.push(lane);
    }
    const nowMs = this.#database.nowMs();
    for (const { message, state, attempts, error } of copies) {
      const isThere = retries.some((it) => it.subscription === subscription && it.message.seq === message.seq && it.message.id === message.id);
      if (!moved.includes(message.lane) || isThere) continue;
      retries.push({ message, subscription, state, attempts, ...(error === undefined ? {} : { error }), copiedAtMs: nowMs, updatedAtMs: nowMs });
    }
    return moved;
  }

  /** Message by message: there are no partitions here. */
  async tidy(keepMs: number): Promise<number> {
    const { lanes, outbox } = this.#database;
    const settled = Math.min(...[...lanes.values()].flatMap((rows) => rows.map((row) => row.settled)));
    const before = this.#database.nowMs() - keepMs;
    const stays = lanes.size === 0 ? 0 : outbox.findIndex(({ seq, recordedAtMs }) => seq > settled || recordedAtMs >= before);
    return outbox.splice(0, stays === -1 ? outbox.length : stays).length;
  }
}

class MemoryRetries implements Retries {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  async held({ subscription, lanes, limit }: Parameters<Retries["held"]>[0]): Promise<readonly HeldKey[]> {
    const rows = this.#open(subscription).filter(({ message }) => lanes.includes(message.lane));
    const keys = [...Map.groupBy(rows, ({ message }) => JSON.stringify([message.topic, message.key])).values()];
    return keys.slice(0, limit).flatMap((ofKey) => {
      const [head] = ofKey;
      if (head === undefined || head.state === "skipped" || head.state === "discarded") return [];
      const { seq, id, topic, key, lane } = head.message;
      return [{ topic, key, lane, count: ofKey.length, head: { seq, id, state: head.state, attempts: head.attempts } }];
    });
  }

  async next({ subscription, lane, topic, key, limit }: Parameters<Retries["next"]>[0]): Promise<readonly RetryRow[]> {
    const rows = this.#open(subscription).filter(({ message }) => message.lane === lane && message.topic === topic && message.key === key);
    const parked = rows.findIndex(({ state }) => state === "parked");
    return rows.slice(0, Math.min(limit, parked === -1 ? limit : parked + 1)).map((row) => ({ ...row }));
  }

  async record({ subscription, owner, retried }: Parameters<Retries["record"]>[0]): Promise<readonly number[]> {
    const { lanes, retries } = this.#database;
    const ours = [...new Set(retried.map(({ lane }) => lane))].filter((lane) => lanes.get(subscription)?.[lane]?.owner === owner);
    for (const { seq, id, lane, state, attempts, error } of retried) {
      const at = retries.findIndex((it) => it.subscription === subscription && it.message.seq === seq && it.message.id === id && it.state !== "discarded");
      const row = retries[at];
      if (row === undefined || !ours.includes(lane)) continue;
      if (state === "delivered") {
        retries.splice(at, 1);
        continue;
      }
      const { error: _, ...rest } = row;
      retries[at] = { ...rest, state, attempts, ...(error === undefined ? {} : { error }), updatedAtMs: this.#database.nowMs() };
    }
    return ours;
  }

  /** Whatever holds a key, by seq. */
  #open(subscription: string): readonly RetryRow[] {
    return this.#database.retries
      .filter((row) => row.subscription === subscription && row.state !== "skipped" && row.state !== "discarded")
      .sort((a, b) => a.message.seq - b.message.seq);
  }
}

function cursorOf(session: number, seen: number): Cursor {
  return `${session}:${seen}`;
}

function seenBy(cursor: Cursor, session: number): number {
  const [of, seen] = cursor.split(":").map(Number);
  if (of !== session || seen === undefined) {
    throw new TripactError("cursor-lost", "The session that this cursor was read in has ended.", { where: "outbox", hint: "Claim the lanes again." });
  }
  return seen;
}

function isChosen({ topic }: LoggedMessage, topics: readonly string[] | undefined): boolean {
  return topics === undefined || topics.some((it) => (it.endsWith("*") ? topic.startsWith(it.slice(0, -1)) : topic === it));
}
