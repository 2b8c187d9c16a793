import { TripactError } from "../src/protocol/errors.ts";
import { memoryStore } from "../src/stores/memory/store.ts";
import type { MemoryDatabase } from "../src/stores/memory/database.ts";
import type { Heard, Journal, Membership, Store, Verdict, WriteBatch } from "../src/stores/store.ts";
import type { Faults } from "./faults.ts";
import type { Process } from "../src/testing/virtual/process.ts";
import type { World } from "../src/testing/virtual/world.ts";

/**
 * One process's connection to the shared store: every call takes time, may be lost on the way there (nothing happened) or on the way
 * back (it happened, nobody knows), and the process may die at either end.
 */
export function simStore(process: Process, database: MemoryDatabase, faults: Faults, sightings: Sightings): SimStore {
  const inner = memoryStore(database);
  const { world } = process;

  async function through<T>(what: string, work: () => Promise<T>): Promise<T> {
    faults.maybeCrash(process, `before ${what}`);
    const lostThere = world.random.chance(faults.lossRate / 4);
    const lostBack = world.random.chance(faults.lossRate / 4);
    const result = await process.io(
      lostThere ? 0 : world.random.between(0, 2),
      async () => (lostThere ? undefined : { value: await work() }),
      lostThere || lostBack ? 200 : world.random.between(0, 2),
    );
    faults.maybeCrash(process, `after ${what}`);
    if (result === undefined || lostBack) throw new TripactError("store-unknown", `${what}: no reply`);
    return result.value;
  }

  const journal: Journal = {
    write: (batch) => (faults.broken("ack-before-commit") ? ackFirst(batch) : through("write", () => writeBroken(inner.journal, database, batch, faults))),
    read: (gids) => through("read", () => inner.journal.read(gids)),
    claim: (claim) => through("claim", () => inner.journal.claim(claim)),
    release: (owner, gids) => through("release", () => inner.journal.release(owner, gids)),
    post: (gid, body) => through("post", () => inner.journal.post(gid, body)),
    mail: (owner, limit) => through("mail", () => inner.journal.mail(owner, limit)),
    list: (query) => inner.journal.list(query),
    counts: () => inner.journal.counts(),
    prune: (retention) => inner.journal.prune(retention),
  };

  /** Says "applied" from memory, and writes a little later: gone if the process dies in between. */
  async function ackFirst(batch: WriteBatch): Promise<readonly Verdict[]> {
    world.after(20, process, () => {
      faults.maybeCrash(process, "between ack and commit");
      if (!process.dead) inner.journal.write(batch).catch(() => undefined);
    });
    await process.io(1, () => undefined, 0);
    return batch.writes.map(() => "applied" as const);
  }

  const session: Session = { incarnation: "", listeners: new Set() };
  const membership = simMembership({ process, database, faults, sightings, session, through, inner: inner.membership });
  return {
    features: inner.features,
    journal,
    membership,
    connect: () => through("connect", () => inner.connect()),
    health: () => inner.health(),
    close: () => Promise.resolve(),
    dropLock: () => database.locks.delete(session.incarnation),
    loseSession(forMs) {
      database.locks.delete(session.incarnation);
      for (const hear of session.listeners) hear("lost");
      world.after(forMs, process, () => {
        for (const hear of session.listeners) hear("back");
      });
    },
  };
}

interface Session {
  incarnation: string;
  readonly listeners: Set<(heard: Heard) => void>;
}

interface MembershipParts {
  readonly process: Process;
  readonly database: MemoryDatabase;
  readonly faults: Faults;
  readonly sightings: Sightings;
  readonly session: Session;
  readonly through: <T>(what: string, work: () => Promise<T>) => Promise<T>;
  readonly inner: Membership;
}

function simMembership({ process, database, faults, sightings, session, through, inner }: MembershipParts): Membership {
  const { world } = process;
  return {
    join: (node) =>
      through("join", () => {
        session.incarnation = node.incarnation;
        sightings.set(node.incarnation, { process, seenMs: world.nowMs, seenWallMs: process.clock.wallMs() });
        return inner.join(node);
      }),
    beat: (self) =>
      through("beat", async () => {
        sightings.set(self, { process, seenMs: world.nowMs, seenWallMs: process.clock.wallMs() });
        if (faults.broken("lease-by-wall-clock")) await fenceByWallClock(inner, process, sightings);
        return await inner.beat(self);
      }),
    probe: (other) => process.io(0, () => inner.probe(other), 1),
    fence: (other) =>
      through("fence", () => {
        noteFence(other, sightings, database, world);
        return inner.fence(other);
      }),
    leave: (self) => through("leave", () => inner.leave(self)),
    announce: (topic) => {
      if (!process.dead && !world.random.chance(faults.lossRate)) inner.announce(topic);
    },
    listen: (hear) => {
      session.listeners.add(hear);
      const stop = inner.listen((heard) => world.after(1, process, () => hear(heard)));
      return () => {
        session.listeners.delete(hear);
        stop();
      };
    },
  };
}

export interface SimStore extends Store {
  /** The process died: its connection closes, and the lock falls. */
  dropLock(): void;
  /** The connection that holds the lock breaks, and comes back after a while. */
  loseSession(forMs: number): void;
}

/** When each incarnation last raised its counter, and by whose clock. Fencing one that is well is a fault of its own. */
export type Sightings = Map<string, { readonly process: Process; readonly seenMs: number; readonly seenWallMs: number; fencedWhileWell?: boolean }>;

const LEASE_MS = 3_000;

function noteFence(incarnation: string, sightings: Sightings, database: MemoryDatabase, world: World): void {
  const seen = sightings.get(incarnation);
  if (seen === undefined || database.nodes.get(incarnation)?.fenced !== false) return;
  const well = !seen.process.dead && seen.process.pausedUntilMs < world.nowMs && database.locks.has(incarnation);
  if (well && world.nowMs - seen.seenMs < LEASE_MS / 2) seen.fencedWhileWell = true;
}

async function fenceByWallClock(membership: Membership, process: Process, sightings: Sightings): Promise<void> {
  for (const [incarnation, seen] of sightings) {
    if (seen.process === process || process.clock.wallMs() - seen.seenWallMs <= LEASE_MS) continue;
    const fenced = await membership.fence(incarnation);
    if (fenced && process.world.nowMs - seen.seenMs < LEASE_MS / 2) seen.fencedWhileWell = true;
  }
}

/** The store's own broken variants. */
async function writeBroken(journal: Journal, database: MemoryDatabase, batch: WriteBatch, faults: Faults): Promise<readonly Verdict[]> {
  if (faults.broken("own-flush-foreign")) {
    const again = batch.writes.map((write) => database.transactions.get(write.gid)?.flushId === batch.flushId);
    const verdicts = await journal.write(batch);
    return verdicts.map((verdict, index) => (again[index] === true && verdict === "applied" ? "fenced" : verdict));
  }
  if (faults.broken("no-fencing")) {
    for (const write of batch.writes) {
      const row = database.transactions.get(write.gid);
      if (row === undefined || write.kind === "start" || row.owner === batch.owner) continue;
      // The write of whoever comes is taken, whoever owns the row.
      row.entries.push({ seq: row.seq + 1, epoch: write.epoch, owner: batch.owner, entry: write.entry, recordedAtMs: database.nowMs() });
      row.seq += 1;
      row.summary = write.summary;
    }
  }
  if (faults.broken("fence-beside-write")) {
    const verdicts = await journal.write(batch);
    for (const [index, write] of batch.writes.entries()) {
      const row = database.transactions.get(write.gid);
      // The event is inserted from the input, not from the fenced update.
      if (verdicts[index] === "fenced" && write.kind === "entry" && row !== undefined) {
        row.entries.push({ seq: write.seq, epoch: write.epoch, owner: batch.owner, entry: write.entry, recordedAtMs: database.nowMs() });
      }
    }
    return verdicts;
  }
  return await journal.write(batch);
}
