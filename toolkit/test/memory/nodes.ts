import type { TestContext } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { createTripact, MemoryDatabase, memoryStore, type Notice, type Tripact, type TripactOptions } from "tripact";
import type { TransactionEvent } from "../../src/protocol/transaction.ts";

/** Several coordinators on one memory database, in real time with short waits; all are stopped when the test ends. */
export interface Nodes {
  readonly database: MemoryDatabase;
  readonly notices: Notice[];
  readonly node: (options?: Partial<TripactOptions>) => Promise<Tripact>;
  /** The events of a transaction, as its journal has them. */
  readonly journal: (gid: string) => TransactionEvent[];
  /** What an observer sees of a process that was killed: its lock is free. */
  readonly dropLockOf: (tripact: Tripact) => Promise<void>;
}

export function nodes(t: TestContext): Nodes {
  const database = new MemoryDatabase();
  const notices: Notice[] = [];
  const open: Tripact[] = [];
  t.after(() => Promise.all(open.map((tripact) => tripact.stop())));
  return {
    database,
    notices,
    async node(options = {}) {
      const tripact = await createTripact({
        store: memoryStore(database),
        beatEveryMs: 20,
        leaseMs: 2_000,
        probeEveryMs: 5,
        pollEveryMs: 20,
        attachPollMs: 5,
        stopWithinMs: 20,
        retry: { baseMs: 1, capMs: 5 },
        onNotice: (notice) => notices.push(notice),
        ...options,
      });
      open.push(tripact);
      return tripact;
    },
    journal: (gid) => (database.transactions.get(gid)?.entries ?? []).flatMap((entry) => JSON.parse(entry.entry) as TransactionEvent[]),
    dropLockOf: async (tripact) => {
      const { incarnation } = await tripact.health();
      database.locks.delete(incarnation);
    },
  };
}

/** Opens from outside; until then whoever passes waits. */
export interface Gate<T = void> {
  readonly opened: Promise<T>;
  readonly open: (value: T) => void;
}

export function gate<T = void>(): Gate<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  return { opened: promise, open: resolve };
}

const CAP_MS = 10_000;

/** Looks again and again until it holds. The cap only ends a test that has failed. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const untilMs = performance.now() + CAP_MS;
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error(`never happened: ${what}`);
    await wait(2);
  }
}
