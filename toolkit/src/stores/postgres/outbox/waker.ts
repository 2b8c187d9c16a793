import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { textOf } from "../../../protocol/errors.ts";
import { Connection } from "../connection.ts";
import { loadPg, type PgModule } from "../driver.ts";
import { channel } from "../membership.ts";
import { placeOf } from "../outcome.ts";

export interface PostgresWakerOptions {
  /** The sender's database, directly: through a transaction-pooling proxy it stays silent, and relays poll. */
  readonly url: string;
  /** The driver. Default: `import("pg")`. */
  readonly pg?: PgModule;
  /** Hears that wake-ups do not get through: once, until they do again. Nothing is lost meanwhile, relays poll. */
  readonly onError?: (error: Error) => void;
  /** Default `tripact waker`. */
  readonly applicationName?: string;
}

export interface PostgresWaker {
  /** Call it after the commit. Returns at once, never throws. Relays that are idle hear of it within some 2 ms. */
  wake(): void;
  /** Sends what was asked for, then closes the connection. Twice without harm. */
  close(): Promise<void>;
}

/** Commits of this time share a notification. */
const TOGETHER_MS = 2;
/** And after one there is none for this long: a relay that found something looks every 2 ms for 100 ms (`hotMs`), unasked. */
const QUIET_MS = 50;
/** Between two tries to connect, where the first one failed: wakes in between go to the relays' polls. */
const CONNECT_AGAIN_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** A notification that takes longer has come too late: relays have polled. */
const STATEMENT_TIMEOUT_MS = 5_000;

/** One connection of its own, opened by the first `wake`, which tells the relays of this database that messages were committed. */
export function postgresWaker(options: PostgresWakerOptions): PostgresWaker {
  return new Waker(options);
}

class Waker implements PostgresWaker {
  readonly #connection: Connection;
  readonly #onError: (error: Error) => void;
  /** A wake-up that no notification has covered yet. */
  #asked = false;
  /** At most one at a time: however slow the server, there is one statement under way and one to come. */
  #running: Promise<void> | undefined;
  #troubled = false;
  #connectNotBeforeMs = 0;
  #quietUntilMs = 0;
  #closed: Promise<void> | undefined;

  constructor({ url, pg, onError = () => undefined, applicationName = "tripact waker" }: PostgresWakerOptions) {
    this.#onError = onError;
    this.#connection = new Connection({
      pg: pg === undefined ? loadPg : () => Promise.resolve(pg),
      url,
      place: placeOf(url),
      applicationName,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      settings: [],
      // A notification is nothing that has to survive.
      commitLevel: () => "off",
      // Nobody heard of what was committed meanwhile.
      onBack: () => this.wake(),
    });
  }

  wake(): void {
    if (this.#closed !== undefined) return;
    this.#asked = true;
    this.#running ??= this.#run();
  }

  close(): Promise<void> {
    this.#closed ??= (this.#running ?? Promise.resolve()).then(() => this.#connection.close());
    return this.#closed;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    while (this.#asked) {
      await sleep(Math.max(TOGETHER_MS, this.#quietUntilMs - performance.now()));
      this.#asked = false;
      this.#quietUntilMs = performance.now() + QUIET_MS;
      await this.#notify();
    }
    this.#running = undefined;
  }

  async #notify(): Promise<void> {
    try {
      if (this.#connection.state === "new") {
        if (performance.now() < this.#connectNotBeforeMs) return;
        this.#connectNotBeforeMs = performance.now() + CONNECT_AGAIN_MS;
        await this.#connection.open();
      }
      await this.#connection.query({ name: "tripact_wake", reads: true, text: `select pg_notify('${channel}', 'outbox')` });
      this.#troubled = false;
    } catch (error) {
      if (!this.#troubled) this.#onError(error instanceof Error ? error : new Error(textOf(error)));
      this.#troubled = true;
    }
  }
}
