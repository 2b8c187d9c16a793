import type { TransactionOutcome } from "./outcome.ts";

/** `journaled`: whatever this node's memory knows by now. `settled`: decided, or parked for a person. */
export type Until = "started" | "journaled" | "settled" | "decided" | "ended";

interface Watcher {
  readonly until: Until;
  resolve(outcome: TransactionOutcome | "elsewhere"): void;
  reject(error: unknown): void;
}

/** Who on this node waits for which transaction to get how far. */
export class Watchers {
  readonly #byGid = new Map<string, Watcher[]>();

  has(gid: string): boolean {
    return this.#byGid.has(gid);
  }

  /** `elsewhere`: this node does not drive it any more, ask the journal. */
  wait(gid: string, until: Until): Promise<TransactionOutcome | "elsewhere"> {
    return new Promise((resolve, reject) => {
      const watchers = this.#byGid.get(gid);
      const watcher = { until, resolve, reject };
      if (watchers === undefined) this.#byGid.set(gid, [watcher]);
      else watchers.push(watcher);
    });
  }

  /** It is journaled that it stands so. */
  reached(gid: string, outcome: TransactionOutcome): void {
    const stages = stagesOf(outcome);
    this.#settle(gid, ({ until }) => stages.includes(until), (watcher) => watcher.resolve(outcome));
  }

  /** The state in memory was given up: what was not journaled by now will not be, and where the journal refuses it, never. */
  lost(gid: string, error?: unknown): void {
    this.#settle(gid, ({ until }) => until === "journaled", (watcher) => (error === undefined ? watcher.resolve("elsewhere") : watcher.reject(error)));
  }

  fail(gid: string, error: unknown): void {
    this.#settle(gid, () => true, (watcher) => watcher.reject(error));
  }

  /** Only who waits for the start: what the others wait for may come about elsewhere. */
  failStart(gid: string, error: unknown): void {
    this.#settle(gid, ({ until }) => until === "started", (watcher) => watcher.reject(error));
  }

  /** Whoever waits for the end may find it elsewhere; who waits for the start gets the error. */
  gone(gid: string, error: () => unknown): void {
    this.#settle(gid, () => true, (watcher) => (watcher.until === "started" ? watcher.reject(error()) : watcher.resolve("elsewhere")));
  }

  #settle(gid: string, which: (watcher: Watcher) => boolean, settle: (watcher: Watcher) => void): void {
    const watchers = this.#byGid.get(gid);
    if (watchers === undefined) return;
    const rest = watchers.filter((watcher) => !which(watcher));
    if (rest.length === 0) this.#byGid.delete(gid);
    else this.#byGid.set(gid, rest);
    for (const watcher of watchers) if (which(watcher)) settle(watcher);
  }
}

/** What a start fails with whose gid is taken in the journal: compare and attach. Never leaves the runtime. */
export class Attach extends Error {}

function stagesOf(outcome: TransactionOutcome): readonly Until[] {
  if (outcome.kind !== "open") return ["started", "journaled", "settled", "decided", "ended"];
  if (outcome.phase !== "forward") return ["started", "journaled", "settled", "decided"];
  return outcome.parked === undefined ? ["started", "journaled"] : ["started", "journaled", "settled"];
}
