import { TripactError } from "../../protocol/errors.ts";
import type { Store, StoreFeatures, StoreHealth } from "../store.ts";
import { Connection } from "./connection.ts";
import type { ConnectionOptions } from "./connection.ts";
import { loadPg } from "./driver.ts";
import type { PgModule } from "./driver.ts";
import { Durability } from "./durability.ts";
import type { DurabilityLevel } from "./durability.ts";
import { pinnedPlans } from "./flush.ts";
import { CLAIM_WAITS_MS, PostgresJournal } from "./journal.ts";
import { PostgresLocalSql } from "./local-sql.ts";
import { channel, LISTEN_BEHIND_MS, OTHERS_BEHIND_MS, PostgresMembership } from "./membership.ts";
import { checkSchema, refuseUnfit } from "./migrate.ts";
import { placeOf } from "./outcome.ts";

export { migrate } from "./migrate.ts";
export { makeDebeziumLayout } from "./outbox/debezium.ts";
export type { PgClient, PgConfig, PgModule, PgNotice, PgNotification, PgResult } from "./driver.ts";
export type { DurabilityLevel } from "./durability.ts";

export interface PostgresStoreOptions {
  /** A direct connection: a transaction-pooling proxy is refused. */
  readonly url: string;
  /** The driver. Default: `import("pg")`. */
  readonly pg?: PgModule;
  /** Default `strict`. */
  readonly durability?: DurabilityLevel;
  /** Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Default 10,000. The server ends a statement then; a second later we give up on the server. */
  readonly statementTimeoutMs?: number;
  /** Default `tripact`; each connection adds its role. */
  readonly applicationName?: string;
}

/** The journal in Postgres 14 or later, in the schema `tripact` that `migrate` makes. Not connected yet: `connect()`. */
export function postgresStore(options: PostgresStoreOptions): Store {
  for (const name of ["connectTimeoutMs", "statementTimeoutMs"] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) {
      throw new TripactError("invalid-option", `${name} is a whole number of milliseconds above 0, not ${value}.`, { where: name });
    }
  }
  return new PostgresStore(options);
}

const LOCK_TIMEOUT_MS = 2_000;
const LOCAL_STEP_IDLE_MS = 30_000;

/**
 * Eight connections: flush, recovery, ops, lock, watch, listen, and two for local steps. None is shared, so none waits for another's work.
 * The three that keep a node alive (lock, watch, listen) find out within a lease that a server is silent; when the lock's does, the other
 * five are asked too. Otherwise these bear the silence of a whole statement's time, for theirs may have much to do.
 */
class PostgresStore implements Store {
  readonly features: StoreFeatures;
  readonly journal: PostgresJournal;
  readonly membership: PostgresMembership;
  readonly localSql: PostgresLocalSql;
  readonly #options: PostgresStoreOptions;
  readonly #place: string;
  readonly #durability: Durability;
  readonly #flush: Connection;
  readonly #listen: Connection;
  readonly #connections: readonly Connection[];
  #connected: Promise<void> | undefined;

  constructor(options: PostgresStoreOptions) {
    this.#options = options;
    this.#place = placeOf(options.url);
    this.#durability = new Durability(options.durability ?? "strict", this.#place);
    this.features = { name: "postgres", durability: this.#durability.name, localSql: true };

    const lockTimeout = `set lock_timeout = ${LOCK_TIMEOUT_MS}`;
    const flush = this.#connection("flush", [...pinnedPlans, lockTimeout]);
    const behind = { first: () => lock, ms: OTHERS_BEHIND_MS };
    const unlessAsked = { behind: { ...behind, unlessAsked: true } };
    const recovery = this.#connection("recovery", ["set enable_seqscan = off", "set enable_hashjoin = off", "set jit = off", `set lock_timeout = ${CLAIM_WAITS_MS}`], unlessAsked);
    const ops = this.#connection("ops", [lockTimeout], unlessAsked);
    // A node without a standby must still be able to say that it lives.
    const lock = this.#connection("lock", [lockTimeout], {
      commitLevel: () => "local",
      silenceMs: () => membership.lockSilenceMs(),
      onLost: (wentSilent) => {
        if (wentSilent) for (const other of others) other.doubt(membership.silenceMs() ?? Infinity);
        membership.tell("lost");
      },
      onBack: () => membership.tell("back"),
    });
    const silenceMs = (): number | undefined => membership.silenceMs();
    const watch = this.#connection("watch", [], { silenceMs, behind });
    const listen = this.#connection("listen", [lockTimeout], {
      commitLevel: () => "off",
      silenceMs,
      behind: { ...behind, ms: LISTEN_BEHIND_MS },
      hear: (notification) => membership.hear(notification),
      prepare: async (session) => {
        await session.query({ reads: true, text: `listen ${channel}` });
      },
      onBack: () => membership.tellAll(),
    });
    // A stopped process must not keep the business's row locks: whoever takes over runs the same step.
    const patience = `set idle_in_transaction_session_timeout = ${LOCAL_STEP_IDLE_MS}`;
    const pool = [this.#connection("sql 1", [patience], unlessAsked), this.#connection("sql 2", [patience], unlessAsked)];
    const others = [flush, recovery, ops, ...pool];
    const membership = new PostgresMembership({ lock, watch, listen });

    this.journal = new PostgresJournal({ flush, recovery, ops }, this.#durability);
    this.membership = membership;
    this.localSql = new PostgresLocalSql(pool, this.#durability);
    this.#flush = flush;
    this.#listen = listen;
    this.#connections = [flush, recovery, ops, lock, watch, listen, ...pool];
  }

  connect(): Promise<void> {
    this.#connected ??= this.#connect().catch((error: unknown) => {
      this.#connected = undefined;
      throw error;
    });
    return this.#connected;
  }

  health(): StoreHealth {
    switch (this.#flush.state) {
      case "new":
      case "closed":
        return { state: "down", detail: "not connected" };
      case "down":
        return { state: "down", detail: this.#flush.problem };
      case "waiting":
        return { state: "stalled", detail: "A commit whose reply was lost waits for its standby." };
      case "up":
        return this.#durability.health();
    }
  }

  async close(): Promise<void> {
    await this.#durability.close();
    await this.membership.said();
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }

  async #connect(): Promise<void> {
    try {
      await this.#flush.open();
      await this.#flush.exclusive(async (session) => {
        await refuseUnfit(session, this.#place);
        await checkSchema(session, this.#place);
        await this.#durability.check(session);
        await this.localSql.locate(session);
      });
      await Promise.all(this.#connections.filter((connection) => connection !== this.#flush).map((connection) => connection.open()));
    } catch (error) {
      // Back to the beginning, so that whoever waits for the server may try again.
      await Promise.all(this.#connections.map((connection) => connection.reset()));
      throw error;
    }
    this.#durability.watch(this.#listen, this.#connections);
  }

  #connection(role: string, settings: readonly string[], more: Partial<ConnectionOptions> = {}): Connection {
    const { url, pg, applicationName = "tripact", connectTimeoutMs = 5_000, statementTimeoutMs = 10_000 } = this.#options;
    return new Connection({
      pg: pg === undefined ? loadPg : () => Promise.resolve(pg),
      url,
      place: this.#place,
      applicationName: `${applicationName} ${role}`,
      connectTimeoutMs,
      statementTimeoutMs,
      settings,
      commitLevel: this.#durability.commitLevel,
      ...more,
    });
  }
}
