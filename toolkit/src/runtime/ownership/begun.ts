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
  /** What this node drives, or is about to start: that has no sequence number yet. */
  readonly lives: ReadonlyMap<string, Live>;
  /** Its row is committed, ours, and at its first entry. */
  readonly drive: (live: Live) => void;
  /** Reads these from the journal, and drives what of them is ours. */
  readonly take: (gids: readonly string[]) => Promise<void>;
  /** Claims what nobody owns. */
  readonly sweep: () => void;
}

interface Start {
  readonly gid: string;
  /** To be driven from the commit on. Undefined: its insert is not known to have been the first, so only the journal can tell. */
  live: Live | undefined;
  /** Who owns its row; undefined: nobody. */
  readonly owner: string | undefined;
  sinceMs: number;
  /** It may be committed, and nobody will say so any more. */
  doubtful: boolean;
  /** Doubtful ones are looked for from then on. */
  lookAtMs: number;
}

/** What became of the insert of a start. */
export type Inserted = "started" | "not-started" | "unknown";

/** Starts whose end is not known. Beyond it new ones are nobody's, and are found as those of a caller whose commit nobody hears of. */
const OPEN_MAX = 10_000;
/** A SQL transaction that takes longer may have lost whoever was to tell its end. */
const PATIENCE_MS = 1_000;
/** A doubt is looked at after as long again each time, up to this: most of those that stay were rolled back, and nothing will ever say so. */
const LOOK_GAP_MAX_MS = 60_000;

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
  /** Ours, and not driven yet, by gid. Of several at most one is the row, and none may take another's place: it may be the one that fails. */
  readonly #open = new Map<string, readonly Start[]>();
  #looking = false;
  #lookAgain = false;

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

  /** Its row is about to be written. What is returned is to be called with what became of that. */
  starting(db: SqlExecutor, live: Live, owner: string | undefined): (inserted: Inserted) => void {
    const { gid } = live;
    const nowMs = this.#parts.clock.nowMs();
    const start: Start = { gid, live: undefined, owner, sinceMs: nowMs, doubtful: false, lookAtMs: nowMs };
    if (owner !== undefined) this.#add(start);
    const starts = this.#followed.get(db);
    starts?.push(start);
    return (inserted) => {
      // `unknown`: the caller may commit all the same, and the row with it.
      if (inserted === "started") {
        start.live = live;
        if (starts === undefined) this.#looks.expect();
      } else if (inserted === "not-started") {
        starts?.splice(starts.indexOf(start), 1);
        this.#remove(start);
        this.isThere(gid);
      }
    };
  }

  /** Somebody has left it a letter, so it is there: driven from now on, whoever tells of its commit later. */
  committed(gid: string): Live | undefined {
    // The last one whose insert was the first: those before it were rolled back.
    const start = this.#open.get(gid)?.findLast(({ live }) => live !== undefined);
    if (start?.live === undefined || start.owner !== this.#parts.owner() || start.live.gone) return undefined;
    this.#remove(start);
    this.#drive(start.live);
    return start.live;
  }

  /** The journal has just told that this gid is taken: if it is one that we are in doubt about, it is there. */
  isThere(gid: string): void {
    const nowMs = this.#parts.clock.nowMs();
    const doubtful = (this.#open.get(gid) ?? []).filter((start) => start.doubtful);
    if (doubtful.length === 0) return;
    for (const start of doubtful) start.lookAtMs = nowMs;
    this.#lookAgain = this.#looking;
    this.look();
  }

  /** Something that began inside a transaction was committed, whoever began it. */
  wake(): void {
    this.#looks.now();
  }

  /** The journal does not have it as ours: the commit that we heard of may have been part of another one, which is still to come. */
  missed(live: Live): void {
    if (live.seq !== 1 || !live.hearsay) return;
    const nowMs = this.#parts.clock.nowMs();
    const start: Start = { gid: live.gid, live: undefined, owner: this.#parts.owner(), sinceMs: nowMs, doubtful: true, lookAtMs: nowMs };
    this.#add(start);
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
    const nowMs = this.#parts.clock.nowMs();
    const isDue = ({ doubtful, sinceMs, lookAtMs }: Start): boolean => (doubtful ? lookAtMs <= nowMs : sinceMs <= nowMs - PATIENCE_MS);
    const gids = [...this.#open].flatMap(([gid, starts]) => (starts.some(isDue) ? [gid] : []));
    if (this.#looking || gids.length === 0) return;
    this.#looking = true;
    this.#lookAgain = false;
    this.#read(gids)
      .catch((error: unknown) => this.#parts.notify({ kind: "store", error: textOf(error) }))
      .finally(() => {
        this.#looking = false;
        if (this.#lookAgain) this.look();
      });
  }

  async #read(gids: readonly string[]): Promise<void> {
    const { journal, tuning, owner, lives, take } = this.#parts;
    for (let at = 0; at < gids.length; at += tuning.claimSlice) {
      const slice = gids.slice(at, at + tuning.claimSlice);
      const records = await journal.read(slice, "takeover");
      // The journal is about to tell that other start that it was not the first; then nobody would drive this one.
      const known = records.filter(({ gid }) => lives.get(gid)?.seq !== 0);
      await take(known.filter((record) => record.owner === owner() && !record.summary.ended && !lives.has(record.gid)).map(({ gid }) => gid));
      for (const { gid } of known) this.#open.delete(gid);
      const found = new Set(records.map(({ gid }) => gid));
      for (const gid of slice) if (!found.has(gid)) this.#lookLater(gid);
    }
  }

  #lookLater(gid: string): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const start of this.#open.get(gid) ?? []) {
      if (start.doubtful) start.lookAtMs = nowMs + Math.min(nowMs - start.sinceMs, LOOK_GAP_MAX_MS);
    }
  }

  #add(start: Start): void {
    this.#open.set(start.gid, [...(this.#open.get(start.gid) ?? []), start]);
  }

  #remove(start: Start): void {
    const others = (this.#open.get(start.gid) ?? []).filter((other) => other !== start);
    if (others.length === 0) this.#open.delete(start.gid);
    else this.#open.set(start.gid, others);
  }

  #doubt(start: Start): void {
    start.live = undefined;
    start.doubtful = true;
    start.sinceMs = this.#parts.clock.nowMs();
    start.lookAtMs = start.sinceMs;
    this.#looks.expect();
  }

  #ended(starts: readonly Start[], end: SqlEnd): void {
    let foreign = false;
    for (const start of starts) {
      const { gid, live, owner } = start;
      const isOpen = this.#open.get(gid)?.includes(start) === true;
      if (end === "rolled-back") {
        this.#remove(start);
      } else if (owner === undefined || owner !== this.#parts.owner()) {
        foreign = true;
      } else if (end === "unknown" || live === undefined || this.#parts.lives.get(gid)?.seq === 0) {
        if (isOpen) this.#doubt(start);
      } else if (isOpen) {
        this.#remove(start);
        this.#drive(live);
      }
    }
    if (foreign) this.#looks.now();
    if (foreign && end === "unknown") this.#looks.expect();
  }

  #drive(live: Live): void {
    if (this.#parts.lives.has(live.gid)) return;
    live.seq = 1;
    live.hearsay = true;
    this.#parts.drive(live);
  }
}
