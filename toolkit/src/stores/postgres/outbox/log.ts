import { TripactError } from "../../../protocol/errors.ts";
import type { Desk, Lanes, LogNotice, Messages, OutboxLog, OutboxLogFeatures, Page, ReadQuery, Settlement } from "../../outbox-log.ts";
import type { StoreHealth, Topic } from "../../store.ts";
import { Connection, type ConnectionOptions } from "../connection.ts";
import { loadPg, type PgModule } from "../driver.ts";
import { channel, LISTEN_BEHIND_MS, OTHERS_BEHIND_MS, PostgresMembership } from "../membership.ts";
import { checkSchema, refuseUnfit } from "../migrate.ts";
import { placeOf } from "../outcome.ts";
import type { Session } from "../session.ts";
import { PostgresDesk } from "./desk.ts";
import { PostgresLanes, refuseOldSession, settleStatement } from "./lanes.ts";
import { pinnedReads, read } from "./read.ts";
import { PostgresRetries } from "./retries.ts";
import { fold, tidy } from "./tidy.ts";
import { namesFor, WalWake, type WakeFromWal } from "./wal/wake.ts";

export interface PostgresOutboxLogOptions {
  /** A direct connection: a transaction-pooling proxy is refused. */
  readonly url: string;
  /** The driver. Default: `import("pg")`. */
  readonly pg?: PgModule;
  /** Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Default 30,000: to find where a large backlog begins takes one pass over it. */
  readonly statementTimeoutMs?: number;
  /** Default `tripact relay`; each connection adds its role. */
  readonly applicationName?: string;
  /**
   * Wakes the relay by the write-ahead log: within a millisecond of a commit, whoever wrote it, and without a notification. Needs `wal_level = logical`, a
   * role with REPLICATION, and a free slot and sender for each relay; where one is missing a notice says so, and the relay goes on
   * by notification and poll. The slot is temporary: it ends with the relay. Default: false.
   */
  readonly wakeFromWal?: WakeFromWal;
}

const LOCK_TIMEOUT_MS = 2_000;
/** What a statement in flight may take at the end: whatever it was about, its outcome is found by whoever goes on. */
const CLOSE_WAITS_MS = 1_000;
/** 64 rows a minute: few enough for a snapshot that is held for a day. */
const FOLD_EVERY_MS = 60_000;

/** The outbox of one Postgres database, in the schema `tripact` that `migrate` makes. Not connected yet: a relay does that. */
export function postgresOutboxLog(options: PostgresOutboxLogOptions): OutboxLog {
  for (const name of ["connectTimeoutMs", "statementTimeoutMs"] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) {
      throw new TripactError("invalid-option", `${name} is a whole number of milliseconds above 0, not ${value}.`, { where: name });
    }
  }
  return new PostgresOutboxLog(options);
}

/** Five connections: the log itself, people's questions, and lock, watch and listen as every node has them. A sixth streams the write-ahead log. */
class PostgresOutboxLog implements OutboxLog, Messages {
  readonly features: OutboxLogFeatures = { name: "postgres", persistent: true };
  readonly lanes: Lanes;
  readonly retries: PostgresRetries;
  readonly desk: Desk;
  readonly membership: PostgresMembership;
  readonly #options: PostgresOutboxLogOptions;
  readonly #place: string;
  readonly #log: Connection;
  readonly #ops: Connection;
  readonly #connections: readonly Connection[];
  #numbered: { readonly session: Session; readonly number: number } | undefined;
  #foldedAtMs = Number.NEGATIVE_INFINITY;
  readonly #wal: WalWake | undefined;
  #connected: Promise<void> | undefined;

  constructor(options: PostgresOutboxLogOptions) {
    this.#options = options;
    this.#place = placeOf(options.url);
    const lockTimeout = `set lock_timeout = ${LOCK_TIMEOUT_MS}`;
    // A cursor that a crash forgets is a second delivery, no loss: its commits need not wait for the disk.
    const behind = { first: () => lock, ms: OTHERS_BEHIND_MS };
    this.#log = this.#connection("log", [...pinnedReads, lockTimeout], { commitLevel: () => "off" });
    this.#ops = this.#connection("ops", [lockTimeout], { commitLevel: () => "on", behind: { ...behind, unlessAsked: true } });
    // As of a store: these three find out within a lease that a server is silent, and then the others are asked.
    const silenceMs = (): number | undefined => membership.silenceMs();
    const lock = this.#connection("lock", [lockTimeout], {
      commitLevel: () => "local",
      silenceMs: () => membership.lockSilenceMs(),
      onLost: (wentSilent) => {
        if (wentSilent) for (const other of [this.#log, this.#ops]) other.doubt(membership.silenceMs() ?? Infinity);
        membership.tell("lost");
      },
      onBack: () => membership.tell("back"),
    });
    const watch = this.#connection("watch", [], { silenceMs, behind });
    const listen = this.#connection("listen", [lockTimeout], {
      commitLevel: () => "off",
      silenceMs,
      behind: { ...behind, ms: LISTEN_BEHIND_MS },
      hear: (notification) => membership.hear(notification),
      prepare: async (session) => {
        await session.query({ reads: true, text: `listen ${channel}` });
      },
      onBack: () => {
        membership.tellAll();
        this.#wal?.kick();
      },
    });
    const membership = new PostgresMembership({ lock, watch, listen });
    this.membership = membership;
    this.lanes = new PostgresLanes({ log: this.#log, ops: this.#ops, numberOf: (session) => this.#numberOf(session) });
    this.retries = new PostgresRetries(this.#log);
    this.desk = new PostgresDesk(this.#ops, () => this.#tell("desk"));
    this.#connections = [this.#log, this.#ops, lock, watch, listen];
    this.#wal = this.#newWalWake();
  }

  get messages(): Messages {
    return this;
  }

  async connect(notify?: (notice: LogNotice) => void): Promise<void> {
    this.#connected ??= this.#connect().catch((error: unknown) => {
      this.#connected = undefined;
      throw error;
    });
    await this.#connected;
    this.#wal?.start(notify);
  }

  health(): StoreHealth {
    switch (this.#log.state) {
      case "new":
      case "closed":
        return { state: "down", detail: "not connected" };
      case "down":
      case "waiting":
        return { state: "down", detail: this.#log.problem };
      case "up":
        return { state: "up" };
    }
  }

  announce(): void {
    this.#tell("outbox");
  }

  async close(): Promise<void> {
    await this.#wal?.close();
    await this.membership.said();
    await Promise.all(this.#connections.map((connection) => connection.close(CLOSE_WAITS_MS)));
  }

  async read(query: ReadQuery): Promise<Page> {
    return this.#log.exclusive(async (session) => {
      const number = this.#numberOf(session);
      refuseOldSession(query.cursor, number);
      const page = await read(session, number, query);
      this.#wal?.read(page.cursor);
      return page;
    });
  }

  async settle(settlement: Settlement): Promise<readonly number[]> {
    return this.#log.exclusive(async (session) => {
      refuseOldSession(settlement.cursor, this.#numberOf(session));
      const { rows } = await session.query(settleStatement(settlement));
      return rows.map((row) => Number(row["lane"]));
    });
  }

  async tidy(keepMs: number): Promise<number> {
    const nowMs = performance.now();
    if (nowMs - this.#foldedAtMs >= FOLD_EVERY_MS) {
      await fold(this.#log);
      this.#foldedAtMs = nowMs;
    }
    // On the connection that waits for no standby: else people's questions, and the log's wake-up, would wait behind it.
    return tidy(this.#log, keepMs);
  }

  #tell(topic: Topic): void {
    this.membership.announce(topic);
    // Nobody hears himself.
    this.membership.tell(topic);
  }

  #numberOf(session: Session): number {
    if (this.#numbered?.session !== session) this.#numbered = { session, number: (this.#numbered?.number ?? 0) + 1 };
    return this.#numbered.number;
  }

  async #connect(): Promise<void> {
    try {
      await this.#log.open();
      await this.#log.exclusive(async (session) => {
        await refuseUnfit(session, this.#place);
        await checkSchema(session, this.#place);
      });
      await Promise.all(this.#connections.filter((connection) => connection !== this.#log).map((connection) => connection.open()));
    } catch (error) {
      await Promise.all(this.#connections.map((connection) => connection.reset()));
      throw error;
    }
  }

  #newWalWake(): WalWake | undefined {
    const names = namesFor(this.#options.wakeFromWal);
    return names && new WalWake({ ...names, ...this.#server("wal"), eye: this.#ops, wake: () => this.membership.tell("outbox") });
  }

  #connection(role: string, settings: readonly string[], more: Partial<ConnectionOptions> = {}): Connection {
    const { statementTimeoutMs = 30_000 } = this.#options;
    return new Connection({ ...this.#server(role), place: this.#place, statementTimeoutMs, settings, commitLevel: () => "on", ...more });
  }

  #server(role: string): Pick<ConnectionOptions, "pg" | "url" | "applicationName" | "connectTimeoutMs"> {
    const { url, pg, applicationName = "tripact relay", connectTimeoutMs = 5_000 } = this.#options;
    return { pg: pg === undefined ? loadPg : () => Promise.resolve(pg), url, applicationName: `${applicationName} ${role}`, connectTimeoutMs };
  }
}
