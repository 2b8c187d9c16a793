import { textOf, TripactError } from "../../protocol/errors.ts";
import type { Journal, Verdict, Write, WriteBatch } from "../../stores/store.ts";
import type { Clock } from "../clock.ts";
import type { Live } from "../live.ts";
import type { Notify } from "../notices.ts";
import type { Tuning } from "../options.ts";

export interface CommitSink {
  /** The journal has answered for this transaction's entry. */
  verdict(live: Live, verdict: Verdict): void;
  /** The database refuses this one entry because of its data; the others are written. */
  poisoned(live: Live, error: unknown): void;
  /** Messages were committed with a flush. */
  sent(): void;
}

/**
 * Group commit: every transition that gets ready while a flush is in flight goes in the next one, as one statement. A second flush
 * (`flushesMax`) is begun beside one that is out only where it is large (`overlapFrom`); no transaction is in two of them. A flush whose
 * fate is unknown is written again, the same batch under the same flush id, until the journal answers.
 */
export class GroupCommit {
  readonly #journal: Journal;
  readonly #owner: () => string;
  readonly #mayWrite: () => boolean;
  readonly #clock: Clock;
  readonly #tuning: Tuning;
  readonly #sink: CommitSink;
  readonly #notify: Notify;
  readonly #dirty = new Set<Live>();
  #running = 0;
  #rowsInFlight = 0;
  #stopped = false;

  constructor(parts: { journal: Journal; owner: () => string; mayWrite: () => boolean; clock: Clock; tuning: Tuning; sink: CommitSink; notify: Notify }) {
    this.#journal = parts.journal;
    this.#owner = parts.owner;
    this.#mayWrite = parts.mayWrite;
    this.#clock = parts.clock;
    this.#tuning = parts.tuning;
    this.#sink = parts.sink;
    this.#notify = parts.notify;
  }

  get backlog(): number {
    return this.#dirty.size;
  }

  enqueue(live: Live): void {
    this.#dirty.add(live);
    this.kick();
  }

  drop(live: Live): void {
    this.#dirty.delete(live);
  }

  /** Starts a flush in a turn of its own, so that what is asked for in this turn goes along. */
  kick(): void {
    if (this.#running >= this.#tuning.flushesMax || this.#stopped || this.#dirty.size === 0) return;
    if (this.#running > 0 && this.#dirty.size < this.#worthAnother) return;
    this.#running += 1;
    this.#clock.turn(() => {
      this.#loop().catch((error: unknown) => this.#notify({ kind: "bug", where: "group commit", error: textOf(error) }));
    });
  }

  stop(): void {
    this.#stopped = true;
  }

  async #loop(): Promise<void> {
    try {
      for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
        this.#rowsInFlight += batch.length;
        await this.#flush(batch).finally(() => (this.#rowsInFlight -= batch.length));
        await this.#reactions();
      }
    } finally {
      this.#running -= 1;
    }
    // Some wait for their flow's reaction, which comes within this turn. Another loop that is out will come by itself.
    if (this.#running === 0 && this.#dirty.size > 0 && this.#mayWrite()) this.#clock.turn(() => this.kick());
  }

  /**
   * What this flush has set free asks for its next entry within two turns, if its steps are local: waiting for that makes one full batch
   * of what would otherwise go as two halves, each with the fixed cost of a flush (50 in flight: 25 and 25).
   */
  #reactions(): Promise<void> {
    return new Promise((resolve) => this.#clock.turn(() => this.#clock.turn(resolve)));
  }

  /** Rows that make a flush of their own worth it while another one is out. */
  get #worthAnother(): number {
    return Math.min(this.#tuning.batchMax, this.#tuning.overlapFrom);
  }

  /** Half of what is under way where there is enough for two flushes: while the database writes one, this process makes up the other. */
  get #share(): number {
    const rows = this.#dirty.size + this.#rowsInFlight;
    const enough = this.#tuning.flushesMax > 1 && rows >= 2 * this.#worthAnother;
    return enough ? Math.ceil(rows / 2) : rows;
  }

  #take(): Live[] {
    const batch: Live[] = [];
    if (this.#stopped || !this.#mayWrite()) return batch;
    const rowsMax = Math.min(this.#tuning.batchMax, this.#share);
    for (const live of this.#dirty) {
      if (live.gone || !live.dirty) this.#dirty.delete(live);
      else if (!live.held && !live.flying && live.driver?.settling !== true && batch.push(live) >= rowsMax) break;
    }
    // Few go with the flush that is out when it comes back: that loop finds them.
    if (this.#running > 1 && batch.length < this.#worthAnother) return [];
    for (const live of batch) this.#dirty.delete(live);
    // All writers lock rows in gid order, so that no two of them can deadlock.
    return batch.sort((a, b) => (a.gid < b.gid ? -1 : a.gid > b.gid ? 1 : 0));
  }

  async #flush(batch: readonly Live[]): Promise<void> {
    // The owner of this moment, for every retry: a start written late must belong to the incarnation that peers may have fenced by then.
    const owner = this.#owner();
    let lives: Live[] = [];
    let writes: Write[] = [];
    let bytes = 0;
    for (const live of batch) {
      const write = this.#writeOf(live);
      if (write === undefined) continue;
      const size = sizeOf(write);
      if (writes.length > 0 && bytes + size > this.#tuning.batchBytesMax) {
        await this.#write(lives, { flushId: this.#clock.uuid(), owner, writes });
        [lives, writes, bytes] = [[], [], 0];
      }
      lives.push(live);
      writes.push(write);
      bytes += size;
    }
    if (writes.length > 0) await this.#write(lives, { flushId: this.#clock.uuid(), owner, writes });
  }

  /** A transaction that cannot even be written down harms nobody else. */
  #writeOf(live: Live): Write | undefined {
    live.flying = true;
    try {
      return live.takeWrite();
    } catch (error) {
      live.flying = false;
      this.#sink.poisoned(live, error);
      return undefined;
    }
  }

  async #write(batch: readonly Live[], flush: WriteBatch): Promise<void> {
    for (let attempt = 1; !this.#stopped; attempt += 1) {
      try {
        const verdicts = await this.#journal.write(flush);
        for (const [index, live] of batch.entries()) this.#answered(live, verdicts[index] ?? "reload");
        if (flush.writes.some(({ messages }, index) => messages.length > 0 && verdicts[index] === "applied")) this.#sink.sent();
        return;
      } catch (error) {
        if (!(error instanceof TripactError)) this.#notify({ kind: "bug", where: "group commit", error: textOf(error) });
        // What nobody foresaw is some row's doing until shown otherwise: alone, it parks. Written twice it would be told to reload.
        if (!(error instanceof TripactError) || error.code === "store-bad-row") return await this.#halve(batch, flush, error);
        this.#notify({ kind: "flush-retried", attempt, writes: batch.length, error: error.message });
        await this.#pause(Math.min(this.#tuning.flushRetryMs * 2 ** Math.min(attempt - 1, 6), 1_000));
      }
    }
  }

  /** One bad row must not hold up the others: halve until it is alone. */
  async #halve(batch: readonly Live[], flush: WriteBatch, error: unknown): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) {
      only.flying = false;
      return this.#sink.poisoned(only, error);
    }
    const middle = Math.ceil(batch.length / 2);
    await this.#write(batch.slice(0, middle), { ...flush, flushId: this.#clock.uuid(), writes: flush.writes.slice(0, middle) });
    await this.#write(batch.slice(middle), { ...flush, flushId: this.#clock.uuid(), writes: flush.writes.slice(middle) });
  }

  #answered(live: Live, verdict: Verdict): void {
    live.flying = false;
    if (live.gone) return;
    if (verdict === "applied") live.applied();
    this.#sink.verdict(live, verdict);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }
}

/** Characters, near enough: a bound against statements that no server takes. */
function sizeOf(write: Write): number {
  let size = write.entry.length + (write.summary.outcome?.length ?? 0) + (write.kind === "start" ? write.input.length : 0);
  for (const { payload, headers } of write.messages) size += payload.length + headers.length;
  return size;
}
