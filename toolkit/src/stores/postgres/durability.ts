import { setTimeout as sleep } from "node:timers/promises";
import { TripactError } from "../../protocol/errors.ts";
import type { StoreHealth } from "../store.ts";
import type { Connection } from "./connection.ts";
import { unreachable } from "./outcome.ts";
import { bareArray, textIn } from "./rows.ts";
import type { Session } from "./session.ts";

/**
 * `strict` survives crash and restart. `replicated` also survives the loss of the primary: every commit waits for a synchronous standby.
 * When that vanishes, or is not there at the start, `stop` refuses (new work until it is back, or the start); `degrade` goes on at
 * `strict`, says so in `health()`, and returns to the level by itself when a standby appears.
 */
export type DurabilityLevel = "strict" | { readonly replicated: { readonly onStandbyLost: "stop" | "degrade" } };

type Row = Readonly<Record<string, unknown>>;

const LOOK_EVERY_MS = 1_000;
/** Every commit waits for its standby, for a moment: a look that meets one has seen nothing. */
const STALLED_AFTER_MS = 500;
/** A standby that merely reconnects is away for a moment. */
const LOOKS_BEFORE_DEGRADING = 2;

/** What is wrong with the server. */
interface Trouble {
  /** With a setting, or a right of ours: nobody may go on with that. */
  readonly setting?: string;
  /** No synchronous standby. */
  readonly standby?: string;
}

/** Holds the server to the declared level: refuses at start, watches afterwards, and settles what was in doubt. */
export class Durability {
  readonly #level: DurabilityLevel;
  readonly #place: string;
  #broken: string | undefined;
  #looksWithoutStandby = 0;
  #degraded = false;
  #withoutStandbySinceMs = 0;
  #missing = "";
  #waitsForStandby = false;
  #stop: AbortController | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(level: DurabilityLevel, place: string) {
    this.#level = level;
    this.#place = place;
  }

  get name(): "strict" | "replicated" {
    return this.#level === "strict" ? "strict" : "replicated";
  }

  /** What the journal's connections set `synchronous_commit` to. */
  readonly commitLevel = (): string => (this.#degraded ? "local" : "on");

  /** Is this value of `synchronous_commit`, found in somebody's transaction, enough? */
  isEnough(synchronousCommit: string): boolean {
    if (synchronousCommit === "on" || synchronousCommit === "remote_apply") return true;
    return synchronousCommit !== "off" && (this.#level === "strict" || this.#degraded);
  }

  /** Throws `durability-refused`, with the setting's name and the value it needs. */
  async check(session: Session): Promise<void> {
    const { setting, standby } = await this.#look(session);
    if (setting === undefined && (standby === undefined || this.#mayDegrade)) {
      // Whoever starts after a failover finds no standby, and nothing in flight that one might still confirm.
      this.#note(standby, LOOKS_BEFORE_DEGRADING);
      return;
    }
    const hint = setting === undefined ? { hint: `Or declare onStandbyLost: "degrade", which starts without one.` } : {};
    throw new TripactError("durability-refused", setting ?? standby ?? "", { where: this.#place, ...hint });
  }

  refuseWhileStandbyIsLost(): void {
    if (this.#broken !== undefined) throw unreachable(this.#broken, this.#place);
  }

  /**
   * A row that is visible may still be missing on the standby, and a write of no rows does not wait for it. So before an earlier
   * outcome is read back, something real is committed at the level: it waits for everything before it.
   */
  async settle(session: Session): Promise<void> {
    if (this.#level === "strict") return;
    await session.query({ text: `select pg_logical_emit_message(true, 'tripact', 'settle')` });
  }

  health(): StoreHealth {
    if (this.#broken !== undefined) return { state: "stalled", detail: this.#broken };
    if (this.#waitsForStandby) return { state: "stalled", detail: "A commit waits for its standby." };
    if (!this.#degraded) return { state: "up" };
    const sinceMs = this.#withoutStandbySinceMs;
    return { state: "up", degradedSinceMs: sinceMs, detail: `Since ${new Date(sinceMs).toISOString()} commits are durable on the primary only. ${this.#missing}` };
  }

  /** Looks on a connection that never waits for a standby itself. */
  watch(eye: Connection, watched: readonly Connection[]): void {
    const stop = new AbortController();
    this.#stop = stop;
    this.#looking = this.#lookUntil(stop.signal, eye, watched);
  }

  async close(): Promise<void> {
    this.#stop?.abort();
    await this.#looking;
  }

  async #lookUntil(signal: AbortSignal, eye: Connection, watched: readonly Connection[]): Promise<void> {
    while (!signal.aborted) {
      try {
        await sleep(LOOK_EVERY_MS, undefined, { signal });
        await eye.exclusive(async (session) => {
          await this.#judge(await this.#look(session), session, watched);
        });
      } catch {
        // Without a connection there is nothing to see; health says so by the connection's own state.
      }
    }
  }

  get #mayDegrade(): boolean {
    return this.#level !== "strict" && this.#level.replicated.onStandbyLost === "degrade";
  }

  #note(standby: string | undefined, looks: number): void {
    if (standby !== undefined && this.#looksWithoutStandby === 0) this.#withoutStandbySinceMs = Date.now();
    this.#missing = standby ?? "";
    this.#looksWithoutStandby = standby === undefined ? 0 : this.#looksWithoutStandby + looks;
    this.#degraded = this.#mayDegrade && this.#looksWithoutStandby >= LOOKS_BEFORE_DEGRADING;
  }

  async #judge({ setting, standby }: Trouble, session: Session, watched: readonly Connection[]): Promise<void> {
    this.#note(standby, 1);
    this.#broken = setting ?? (this.#mayDegrade ? undefined : standby);
    const backends = watched.flatMap((connection) => connection.backends);
    // A cancelled wait has committed locally; its client hears a warning, and settles the write by its flush id.
    const { rows } = await session.query({
      reads: true,
      text: `
select case when $2 then pg_cancel_backend(pid) end as cancelled, query_start < clock_timestamp() - $3 * interval '1 millisecond' as stalled
  from pg_stat_activity join unnest($1::int[], $4::text[]) as ours (process, started_at) on pid = process and extract(epoch from backend_start)::text = started_at
 where wait_event = 'SyncRep'`,
      values: [bareArray(backends.map(({ pid }) => pid)), this.#degraded, STALLED_AFTER_MS, bareArray(backends.map(({ startedAt }) => startedAt))],
    });
    this.#waitsForStandby = rows.some(({ stalled }) => stalled === true) && !this.#degraded;
  }

  async #look(session: Session): Promise<Trouble> {
    const { rows } = await session.query({
      reads: true,
      text: `
select current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_standby_names') as standby_names,
       (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum') and state = 'streaming')::int as synchronous,
       (select count(*) from pg_stat_replication where sync_state is null)::int as hidden`,
    });
    const row = rows[0] ?? {};
    const setting = this.#settingIn(row);
    const standby = this.#level === "strict" ? undefined : missingStandbyIn(row);
    return { ...(setting === undefined ? {} : { setting }), ...(standby === undefined ? {} : { standby }) };
  }

  #settingIn(row: Row): string | undefined {
    if (textIn(row, "fsync") !== "on") return "The server runs with fsync = off: a crash loses what it has acknowledged. Needed: fsync = on.";
    if (textIn(row, "full_page_writes") !== "on") return "The server runs with full_page_writes = off: a crash may tear a page. Needed: full_page_writes = on.";
    if (this.#level !== "strict" && isHidden(row)) return "This role may not see the state of standbys. Needed: grant pg_monitor to it.";
    return undefined;
  }
}

/** There are standbys, and this role cannot tell what they are: it would take a healthy pair for a broken one. */
function isHidden(row: Row): boolean {
  return textIn(row, "standby_names") !== "" && Number(row["synchronous"]) === 0 && Number(row["hidden"]) > 0;
}

function missingStandbyIn(row: Row): string | undefined {
  if (textIn(row, "standby_names") === "") return "synchronous_standby_names is empty: no commit waits for a standby. Needed: the name of a standby.";
  if (Number(row["synchronous"]) > 0 || isHidden(row)) return undefined;
  return "No synchronous standby is streaming (pg_stat_replication). Needed: one in state sync or quorum.";
}
