import { setTimeout as sleep } from "node:timers/promises";
import { TripactError } from "../../protocol/errors.ts";
import type { StoreHealth } from "../store.ts";
import type { Connection } from "./connection.ts";
import { unreachable } from "./outcome.ts";
import { textIn } from "./rows.ts";
import type { Session } from "./session.ts";

/**
 * `strict` survives crash and restart. `replicated` also survives the loss of the primary: every commit waits for a synchronous standby.
 * When that vanishes, `stop` refuses new work until it is back; `degrade` goes on at `strict` and says so in `health()`.
 */
export type DurabilityLevel = "strict" | { readonly replicated: { readonly onStandbyLost: "stop" | "degrade" } };

const LOOK_EVERY_MS = 1_000;
/** A standby that merely reconnects is away for a moment. */
const LOOKS_BEFORE_DEGRADING = 2;

/** Holds the server to the declared level: refuses at start, watches afterwards, and settles what was in doubt. */
export class Durability {
  readonly #level: DurabilityLevel;
  readonly #place: string;
  #broken: string | undefined;
  #looksWithoutStandby = 0;
  #degraded = false;
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
    const broken = await this.#look(session);
    if (broken !== undefined) throw new TripactError("durability-refused", broken, { where: this.#place });
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
    return this.#degraded ? { state: "up", detail: "No synchronous standby: commits are durable on the primary only." } : { state: "up" };
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

  async #judge(broken: string | undefined, session: Session, watched: readonly Connection[]): Promise<void> {
    const mayDegrade = this.#level !== "strict" && this.#level.replicated.onStandbyLost === "degrade";
    this.#degraded = mayDegrade && this.#looksWithoutStandby >= LOOKS_BEFORE_DEGRADING;
    this.#broken = mayDegrade && this.#looksWithoutStandby > 0 ? undefined : broken;
    const pids = watched.flatMap((connection) => connection.backends).map(({ pid }) => pid);
    // A cancelled wait has committed locally; its client hears a warning, and settles the write by its flush id.
    const { rows } = await session.query({
      reads: true,
      text: `select case when $2 then pg_cancel_backend(pid) end as cancelled from pg_stat_activity where pid = any ($1::int[]) and wait_event = 'SyncRep'`,
      values: [`{${pids.join(",")}}`, this.#degraded],
    });
    this.#waitsForStandby = rows.length > 0 && !this.#degraded;
  }

  /** What is wrong now, if anything. */
  async #look(session: Session): Promise<string | undefined> {
    const { rows } = await session.query({
      reads: true,
      text: `
select current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_standby_names') as standby_names,
       (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum') and state = 'streaming')::int as synchronous,
       (select count(*) from pg_stat_replication where sync_state is null)::int as hidden`,
    });
    const row = rows[0] ?? {};
    if (textIn(row, "fsync") !== "on") return "The server runs with fsync = off: a crash loses what it has acknowledged. Needed: fsync = on.";
    if (textIn(row, "full_page_writes") !== "on") return "The server runs with full_page_writes = off: a crash may tear a page. Needed: full_page_writes = on.";
    if (this.#level === "strict") return undefined;
    const hasStandby = textIn(row, "standby_names") !== "" && Number(row["synchronous"]) > 0;
    this.#looksWithoutStandby = hasStandby ? 0 : this.#looksWithoutStandby + 1;
    if (hasStandby) return undefined;
    if (textIn(row, "standby_names") === "") return "synchronous_standby_names is empty: no commit waits for a standby. Needed: the name of a standby.";
    if (Number(row["hidden"]) > 0) return "This role may not see the state of standbys. Needed: grant pg_monitor to it.";
    return "No synchronous standby is streaming (pg_stat_replication). Needed: one in state sync or quorum.";
  }
}
