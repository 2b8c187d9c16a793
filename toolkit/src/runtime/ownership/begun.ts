import { textOf } from "../../protocol/errors.ts";
import type { SqlExecutor } from "../../stores/sql.ts";
import type { Journal } from "../../stores/store.ts";
import type { Clock } from "../clock.ts";
import type { Live } from "../live.ts";
import type { Notify } from "../notices.ts";
import type { Tuning } from "../options.ts";
import { Looks } from "./looks.ts";

/** How a SQL transaction ended, as far as whoever opened it knows. */
export type SqlEnd = "committed" | "rolled-back" | "unknown";

export interface BegunParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly tuning: Tuning;
  readonly notify: Notify;
  readonly owner: () => string;
  /** This node would take a new transaction now. */
  readonly mayOwn: () => boolean;
  readonly isDriven: (gid: string) => boolean;
  /** Its row is committed, ours, and at its first entry. */
  readonly drive: (live: Live) => void;
  /** Reads these from the journal, and drives what of them is ours. */
  readonly take: (gids: readonly string[]) => Promise<void>;
  /** Claims what nobody owns. */
  readonly sweep: () => void;
}

interface Start {
  readonly live: Live;
  /** Who owns its row; undefined: nobody. */
  readonly owner: string | undefined;
  readonly sinceMs: number;
  /** It may be committed, and nobody will say so any more. */
  doubtful: boolean;
}

/** Starts whose end is not known. Beyond it new ones are nobody's, and are found as those of a caller whose commit nobody hears of. */
const OPEN_MAX = 10_000;
/** A SQL transaction that takes longer may have lost whoever was to tell its end. */
const PATIENCE_MS = 1_000;

/**
 * Transactions that began inside somebody else's SQL transaction. Where its end is told (`follow`), the row is ours from its insert on, and
 * the commit is all that it takes to drive it: nothing is claimed, nothing read back. Where it is not, nobody owns the row, and it is looked
 * for. A row that is ours and that nobody drives would wait for ever, so whatever may have become one is remembered here, and looked for,
 * until the journal shows it.
 */
export class Begun {
  readonly #parts: BegunParts;
  readonly #looks: Looks;
  readonly #followed = new WeakMap<SqlExecutor, Start[]>();
  /** Ours, and not driven yet. */
  readonly #open = new Map<string, Start>();
  readonly #driven = new WeakSet<Live>();
  #looking = false;

  constructor(parts: BegunParts) {
    this.#parts = parts;
    this.#looks = new Looks(parts.clock, () => {
      parts.sweep();
      this.look();
    });
  }

  /** Starts in this transaction will hear its end: the function that is returned is to be called with it, once. */
  follow(db: SqlExecutor): (end: SqlEnd) => void {
    const starts: Start[] = [];
    this.#followed.set(db, starts);
    return (end) => {
      this.#followed.delete(db);
      this.#ended(starts, end);
    };
  }

  /** Who is to own what is started in this transaction now; undefined: nobody. */
  ownerIn(db: SqlExecutor): string | undefined {
    return this.#followed.has(db) && this.#open.size < OPEN_MAX && this.#parts.mayOwn() ? this.#parts.owner() : undefined;
  }

  /** Its row is written, not committed. */
  started(db: SqlExecutor, live: Live, owner: string | undefined): void {
    const start: Start = { live, owner, sinceMs: this.#parts.clock.nowMs(), doubtful: false };
    // An earlier start of this gid was rolled back, or ours would not have been the first.
    if (owner !== undefined) this.#open.set(live.gid, start);
    const starts = this.#followed.get(db);
    if (starts === undefined) this.#looks.expect();
    else starts.push(start);
  }

  /** Somebody has left it a letter, so it is there: driven from now on, whoever tells of its commit later. */
  committed(gid: string): Live | undefined {
    const start = this.#open.get(gid);
    if (start === undefined || start.owner !== this.#parts.owner() || start.live.gone) return undefined;
    this.#open.delete(gid);
    this.#drive(start.live);
    return start.live;
  }

  /** Something that began inside a transaction was committed, whoever began it. */
  wake(): void {
    this.#looks.now();
  }

  /** The journal does not have it as ours: the commit that we heard of may have been part of another one, which is still to come. */
  missed(live: Live): void {
    if (live.seq !== 1 || !this.#driven.has(live)) return;
    this.#open.set(live.gid, { live, owner: this.#parts.owner(), sinceMs: this.#parts.clock.nowMs(), doubtful: true });
    this.#looks.expect();
  }

  /** This node begins anew: what its former self owned may be claimed by anybody. */
  forget(): void {
    this.#open.clear();
  }

  stop(): void {
    this.#looks.stop();
    this.#open.clear();
  }

  /** Reads what nobody tells of, and drives what is there. One look at a time; the next one comes with time. */
  look(): void {
    const patientUntilMs = this.#parts.clock.nowMs() - PATIENCE_MS;
    const gids = [...this.#open.values()].filter(({ doubtful, sinceMs }) => doubtful || sinceMs <= patientUntilMs).map(({ live }) => live.gid);
    if (this.#looking || gids.length === 0) return;
    this.#looking = true;
    this.#read(gids)
      .catch((error: unknown) => this.#parts.notify({ kind: "store", error: textOf(error) }))
      .finally(() => void (this.#looking = false));
  }

  async #read(gids: readonly string[]): Promise<void> {
    const { journal, tuning, owner, isDriven, take } = this.#parts;
    for (let at = 0; at < gids.length; at += tuning.claimSlice) {
      const records = await journal.read(gids.slice(at, at + tuning.claimSlice), "takeover");
      const ours = records.filter((record) => record.owner === owner() && !record.summary.ended && !isDriven(record.gid));
      await take(ours.map(({ gid }) => gid));
      for (const { gid } of records) this.#open.delete(gid);
    }
  }

  #ended(starts: readonly Start[], end: SqlEnd): void {
    let foreign = false;
    for (const start of starts) {
      const { live, owner } = start;
      const isOpen = this.#open.get(live.gid) === start;
      if (end === "rolled-back") {
        if (isOpen) this.#open.delete(live.gid);
      } else if (owner === undefined || owner !== this.#parts.owner()) {
        foreign = true;
      } else if (end === "unknown") {
        start.doubtful = true;
      } else if (isOpen) {
        this.#open.delete(live.gid);
        this.#drive(live);
      }
    }
    if (foreign) this.#looks.now();
    if (end === "unknown" && starts.length > 0) this.#looks.expect();
  }

  #drive(live: Live): void {
    if (this.#parts.isDriven(live.gid)) return;
    live.seq = 1;
    this.#driven.add(live);
    this.#parts.drive(live);
  }
}
