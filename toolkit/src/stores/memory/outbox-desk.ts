import { TripactError } from "../../protocol/errors.ts";
import { refuseUnknown } from "../outbox-log.ts";
import type { Desk, DeskDecision, DeskQuery, LoggedMessage, RetryRow, RetryState, Standing, SubscriptionStanding } from "../outbox-log.ts";
import type { MemoryDatabase, MemoryRetry } from "./database.ts";

const HOLDS: readonly RetryState[] = ["waiting", "late", "parked"];

/** For people, as on a real log. */
export class MemoryDesk implements Desk {
  readonly #database: MemoryDatabase;
  readonly #announce: () => void;

  constructor(database: MemoryDatabase, announce: () => void) {
    this.#database = database;
    this.#announce = announce;
  }

  async list({ subscription, state, topic, key, limit }: DeskQuery): Promise<readonly RetryRow[]> {
    refuseUnknown(subscription, [...this.#database.lanes.keys()]);
    return this.#database.retries
      .filter((row) => (subscription === undefined || row.subscription === subscription) && (state === undefined || row.state === state))
      .filter(({ message }) => (topic === undefined || message.topic === topic) && (key === undefined || message.key === key))
      .sort((a, b) => a.message.seq - b.message.seq || (a.subscription < b.subscription ? -1 : 1))
      .slice(0, limit)
      .map((row) => ({ ...row }));
  }

  async find(id: string): Promise<{ readonly message: LoggedMessage; readonly standings: readonly Standing[] } | undefined> {
    const { outbox, retries, lanes } = this.#database;
    const message = outbox.find((it) => it.id === id) ?? retries.find((it) => it.message.id === id)?.message;
    if (message === undefined) return undefined;
    const standings = [...lanes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([subscription, rows]) => {
      const isPending = outbox.includes(message) && message.seq > (rows[message.lane]?.settled ?? 0);
      return this.#standing(subscription, message, isPending);
    });
    return { message, standings };
  }

  async requeue(decision: DeskDecision): Promise<number> {
    return this.#decide(decision, (row) => {
      if (row.state === "discarded") return false;
      row.state = "waiting";
      row.attempts = 0;
      delete row.error;
      return true;
    });
  }

  async discard(decision: DeskDecision): Promise<number> {
    if (decision.ids === "all-parked") throw new TripactError("invalid-input", "To discard, name each message.", { where: "ids" });
    return this.#decide(decision, (row) => {
      if (row.state === "discarded") return false;
      row.state = "discarded";
      return true;
    });
  }

  async standings(): Promise<readonly SubscriptionStanding[]> {
    const { lanes, outbox, retries } = this.#database;
    return [...lanes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([subscription, rows]) => {
      const pending = outbox.filter(({ lane, seq }) => seq > (rows[lane]?.settled ?? 0));
      const count = (state: RetryState): number => retries.filter((row) => row.subscription === subscription && row.state === state).length;
      const [oldest] = pending;
      return {
        subscription,
        pending: pending.length,
        oldestPendingMs: oldest === undefined ? 0 : Math.max(0, this.#database.nowMs() - oldest.recordedAtMs),
        waiting: count("waiting"),
        late: count("late"),
        parked: count("parked"),
        skipped: count("skipped"),
      };
    });
  }

  #standing(subscription: string, message: LoggedMessage, isPending: boolean): Standing {
    const own = this.#database.retries.filter((row) => row.subscription === subscription);
    const retry = own.find((row) => row.message.id === message.id);
    const [head] = own
      .filter((row) => HOLDS.includes(row.state) && row.message.topic === message.topic && row.message.key === message.key)
      .sort((a, b) => a.message.seq - b.message.seq);
    const waits = retry === undefined ? isPending : retry.state === "waiting";
    return {
      subscription,
      state: retry?.state ?? (isPending ? "pending" : "settled"),
      ...(retry === undefined ? {} : { retry: { ...retry } }),
      ...(waits && head !== undefined && head.message.id !== message.id ? { behind: head.message.id } : {}),
    };
  }

  #decide({ ids, subscription, who, reason }: DeskDecision, change: (row: MemoryRetry) => boolean): number {
    refuseUnknown(subscription, [...this.#database.lanes.keys()]);
    let changed = 0;
    for (const row of this.#database.retries) {
      if (subscription !== undefined && row.subscription !== subscription) continue;
      const isMeant = ids === "all-parked" ? row.state === "parked" || row.state === "skipped" : ids.includes(row.message.id);
      if (!isMeant || !change(row)) continue;
      row.decidedBy = who;
      row.decidedReason = reason;
      row.updatedAtMs = this.#database.nowMs();
      changed += 1;
    }
    this.#announce();
    return changed;
  }
}
