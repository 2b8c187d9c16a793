import { percentile } from "../statistics.ts";

/** What a consumer said: so many messages' effects were committed by then. */
export interface Heard {
  atMs: number;
  total: number;
}

/** Both sides at one moment. */
export interface Mark {
  atMs: number;
  commits: number;
  committed: number;
  delivered: number;
}

export interface Latencies {
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  count: number;
}

/**
 * Keeps the accounts of one turn: what was committed, what of it was delivered, and when. Messages are numbered from 0 in the order in
 * which they were begun; times are `machineMs`.
 */
export class Tally {
  commits = 0;
  committed = 0;
  delivered = 0;
  readonly #heard: Heard[] = [{ atMs: 0, total: 0 }];
  readonly #committedAtMs: number[] = [];
  readonly #appliedAtMs: number[] = [];

  /** Messages from `first` on were committed together; the producer knew it at `atMs`. */
  onCommit(first: number, count: number, atMs: number): void {
    this.commits += 1;
    this.committed += count;
    for (let n = first; n < first + count; n += 1) this.#committedAtMs[n] = atMs;
  }

  onDelivered(heard: Heard): void {
    this.delivered = heard.total;
    this.#heard.push(heard);
  }

  /** Pairs of number and time. A message applied twice counts from the first time. */
  onApplied(pairs: ArrayLike<number>): void {
    for (let at = 0; at + 1 < pairs.length; at += 2) {
      const n = pairs[at] ?? 0;
      this.#appliedAtMs[n] ??= pairs[at + 1] ?? 0;
    }
  }

  get undelivered(): number {
    return this.committed - this.delivered;
  }

  /** The moment `atMs`, which is now: what was delivered by then comes to be known a little later, through `settled`. */
  mark(atMs: number): Mark {
    return { atMs, commits: this.commits, committed: this.committed, delivered: this.delivered };
  }

  /** A mark with what its consumer had really done by then. */
  settled(mark: Mark): Mark {
    return { ...mark, delivered: Math.min(mark.committed, totalAt(this.#heard, mark.atMs)) };
  }

  /** From the producer's commit to the consumer's, of all messages committed between two moments. `missing`: not delivered yet. */
  latencies(fromMs: number, toMs: number): { latencies: Latencies | null; missing: number } {
    const tookMs: number[] = [];
    let missing = 0;
    for (const [n, committedAtMs] of this.#committedAtMs.entries()) {
      if (committedAtMs === undefined || committedAtMs < fromMs || committedAtMs >= toMs) continue;
      const appliedAtMs = this.#appliedAtMs[n];
      if (appliedAtMs === undefined) missing += 1;
      else tookMs.push(appliedAtMs - committedAtMs);
    }
    if (tookMs.length === 0) return { latencies: null, missing };
    tookMs.sort((a, b) => a - b);
    return {
      latencies: { p50Ms: percentile(tookMs, 0.5), p95Ms: percentile(tookMs, 0.95), p99Ms: percentile(tookMs, 0.99), count: tookMs.length },
      missing,
    };
  }
}

/** How many were delivered by `atMs`, on a straight line between two reports; after the last one, as it said. */
export function totalAt(heard: readonly Heard[], atMs: number): number {
  const next = heard.findIndex((one) => one.atMs >= atMs);
  const after = heard[next];
  const before = heard[next === -1 ? heard.length - 1 : next - 1];
  if (after === undefined || before === undefined) return (before ?? after)?.total ?? 0;
  return before.total + ((after.total - before.total) * (atMs - before.atMs)) / (after.atMs - before.atMs);
}

/** What a closed loop came to between its three marks. */
export interface Rates {
  commitsPerSecond: number;
  committedPerSecond: number;
  deliveredPerSecond: number;
  backlogHalf: number;
  backlogEnd: number;
  /** Share of the producers' time in which they waited, because too much was undelivered. */
  heldShare: number;
  /** 1 when the consumer kept up by itself. */
  keptUp: number;
}

/**
 * A consumer keeps up when its producers never wait for it and when the backlog, in the second half, grows by no more than one in a
 * hundred of what was committed meanwhile (and a few commits that are just under way).
 */
export function ratesBetween(marks: { open: Mark; half: Mark; end: Mark }, heldShare: number, underWay: number): Rates {
  const { open, half, end } = marks;
  const seconds = (end.atMs - open.atMs) / 1000;
  const backlogHalf = half.committed - half.delivered;
  const backlogEnd = end.committed - end.delivered;
  const slack = (end.committed - half.committed) / 100 + underWay;
  return {
    commitsPerSecond: (end.commits - open.commits) / seconds,
    committedPerSecond: (end.committed - open.committed) / seconds,
    deliveredPerSecond: (end.delivered - open.delivered) / seconds,
    backlogHalf,
    backlogEnd,
    heldShare,
    keptUp: heldShare < 0.01 && backlogEnd - backlogHalf <= slack ? 1 : 0,
  };
}
