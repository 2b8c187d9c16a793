/** One commit on one of the producers' connections. */
export type Commit = (connection: number) => Promise<void>;

export interface ClosedLoop {
  connections: number;
  commit: Commit;
  /** Resolves when there is room for one more; `undefined` when there is. */
  room: () => Promise<void> | undefined;
  running: () => boolean;
  /** A producer waited so long for room. */
  onHeld: (waitedMs: number) => void;
}

/** Every connection commits, and commits again: as fast as it goes. Rejects with the first failure. */
export async function closedLoop({ connections, commit, room, running, onHeld }: ClosedLoop): Promise<void> {
  let failed = false;
  const produce = async (connection: number): Promise<void> => {
    while (running() && !failed) {
      for (let wait = room(); wait !== undefined && running(); wait = room()) {
        const since = performance.now();
        await wait;
        onHeld(performance.now() - since);
      }
      try {
        await commit(connection);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, connection) => produce(connection)));
}

/** Requests that come by themselves, independent of each other (Poisson), at a mean rate. */
export class Arrivals {
  readonly #gapMs: number;
  readonly #random: () => number;
  #nextMs: number;

  constructor(perSecond: number, startMs: number, random: () => number) {
    this.#gapMs = 1000 / perSecond;
    this.#random = random;
    this.#nextMs = startMs + this.#gap();
  }

  /** How many came since the last call. */
  due(nowMs: number): number {
    let count = 0;
    for (; this.#nextMs <= nowMs; this.#nextMs += this.#gap()) count += 1;
    return count;
  }

  #gap(): number {
    return -Math.log(1 - this.#random()) * this.#gapMs;
  }
}

export interface OpenLoop {
  connections: number;
  commit: Commit;
  arrivals: Arrivals;
  running: () => boolean;
}

/** More requests than this without a connection, and the producers cannot offer the rate: an error, not a figure. */
const QUEUED_MAX = 5000;

/** Commits as requests come, on whichever connection is free; a request waits when none is. Rejects with the first failure. */
export async function openLoop({ connections, commit, arrivals, running }: OpenLoop): Promise<void> {
  const free = Array.from({ length: connections }, (_, connection) => connection);
  const underWay = new Set<Promise<void>>();
  let queued = 0;
  let failure: Error | undefined;
  const serve = async (connection: number): Promise<void> => {
    try {
      while (queued > 0 && failure === undefined) {
        queued -= 1;
        await commit(connection);
      }
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
    }
    free.push(connection);
  };
  while (running() && failure === undefined) {
    queued += arrivals.due(performance.now());
    if (queued > QUEUED_MAX) failure ??= new Error(`${queued} requests wait for a connection: the producers cannot offer this rate`);
    // Each takes its first request before it waits for anything.
    while (queued > 0 && free.length > 0 && failure === undefined) {
      const serving = serve(free.pop() ?? 0);
      underWay.add(serving);
      void serving.finally(() => underWay.delete(serving));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  queued = 0;
  await Promise.all(underWay);
  if (failure !== undefined) throw failure;
}
