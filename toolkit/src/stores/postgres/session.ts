import { TripactError, textOf } from "../../protocol/errors.ts";
import type { PgClient, PgModule, PgNotification, PgResult } from "./driver.ts";
import { endsSession, outcomeOf, spoilsSession, sqlStateOf } from "./outcome.ts";

export interface Statement {
  /** Prepared under this name, once a session. */
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly unknown[];
  /** A lost reply leaves no doubt. */
  readonly reads?: boolean;
}

export interface SessionOptions {
  readonly pg: () => Promise<PgModule>;
  readonly url: string;
  /** `host:port`, for messages: a url would show its password. */
  readonly place: string;
  readonly applicationName: string;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** A shorter silence than that of `statementTimeoutMs` may be enough to give up on the server. */
  readonly silenceMs?: () => number | undefined;
  /** `set` statements for the whole session: never start-up `options`, which proxies refuse. */
  readonly settings: readonly string[];
  readonly hear?: (notification: PgNotification) => void;
}

/** A backend by name: the process id alone would be reused. */
export interface Backend {
  readonly pid: number;
  readonly startedAt: string;
}

// The server ends a statement by itself at its timeout; we only give up on a server that does not answer at all.
const SERVER_HEAD_START_MS = 1_000;
const GOODBYE_MS = 1_000;

/** One session with one backend, from connect to its end. Never replaced: see `Connection`. */
export class Session {
  /** Resolves, with the reason, when the session is over. */
  readonly ended: Promise<string>;
  /** The value of `synchronous_commit` that was last set here. */
  commitLevel: string | undefined;
  readonly #client: PgClient;
  readonly #options: SessionOptions;
  readonly #resolveEnded: (why: string) => void;
  #backend: Backend = { pid: 0, startedAt: "" };
  #over = false;
  #cutStatement: ((why: Error) => void) | undefined;
  #sentMs = 0;
  #patience: NodeJS.Timeout | undefined;
  #doubtMs: number | undefined;
  #wentSilent = false;
  #commitWaitCancelled = false;

  private constructor(client: PgClient, options: SessionOptions) {
    this.#client = client;
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    client.on("error", (error) => this.#finish(textOf(error)));
    client.on("end", () => this.#finish("the server closed it"));
    client.on("notice", (notice) => {
      // Postgres commits locally and merely warns when the wait for a standby is cancelled.
      if (notice.routine === "SyncRepWaitForLSN") this.#commitWaitCancelled = true;
    });
    if (options.hear !== undefined) client.on("notification", options.hear);
  }

  static async open(options: SessionOptions): Promise<Session> {
    try {
      const { Client } = await options.pg();
      const client = new Client({
        connectionString: options.url,
        connectionTimeoutMillis: options.connectTimeoutMs,
        application_name: options.applicationName,
        keepAlive: true,
      });
      const session = new Session(client, options);
      // The driver's own timeout ends where the greeting begins.
      const late = setTimeout(() => session.#kill("no greeting in time"), options.connectTimeoutMs);
      try {
        const cut = session.ended.then((why) => Promise.reject(new Error(why)));
        session.#backend = await Promise.race([client.connect().then(() => greet(client, options)), cut]);
      } catch (error) {
        session.#kill("it never opened");
        throw error;
      } finally {
        clearTimeout(late);
      }
      return session;
    } catch (error) {
      throw outcomeOf(error, "connecting", options.place);
    }
  }

  get backend(): Backend {
    return this.#backend;
  }

  get over(): boolean {
    return this.#over;
  }

  /** It ended because the server did not answer. */
  get wentSilent(): boolean {
    return this.#wentSilent;
  }

  /** Until it has answered once more, a silence of this length ends it: also one that has begun already. */
  doubt(silenceMs: number): void {
    this.#doubtMs = silenceMs;
    if (this.#cutStatement !== undefined) this.#bear(this.#cutStatement);
  }

  /** One statement at a time: the caller queues. Throws what `outcomeOf` makes of an error. */
  async query(statement: Statement): Promise<PgResult> {
    if (this.#over) throw outcomeOf(new Error("the session is over"), "connecting", this.#options.place);
    try {
      return await this.send(statement);
    } catch (error) {
      throw outcomeOf(error, statement.reads === true ? "reading" : "writing", this.#options.place);
    }
  }

  /** As `query`, with the driver's own errors: for statements that are somebody else's. */
  async send({ name, text, values = [] }: Statement): Promise<PgResult> {
    if (this.#over) throw new Error("the session is over");
    const { promise: cut, reject } = Promise.withResolvers<never>();
    this.#cutStatement = reject;
    this.#commitWaitCancelled = false;
    this.#sentMs = performance.now();
    this.#bear(reject);
    try {
      const sent = this.#client.query(name === undefined ? { text, values: [...values] } : { name, text, values: [...values] });
      // Both are awaited by the race, so neither can reject unseen.
      const result = await Promise.race([sent, cut]);
      this.#doubtMs = undefined;
      if (this.#commitWaitCancelled) throw standbyUnsure(this.#options.place);
      return result;
    } catch (error) {
      this.#judge(sqlStateOf(error), textOf(error));
      throw error;
    } finally {
      clearTimeout(this.#patience);
      this.#cutStatement = undefined;
    }
  }

  /** Says goodbye; resolves when the socket is closed, or after a second. */
  async close(): Promise<void> {
    const { promise: late, resolve: tooLate } = Promise.withResolvers<void>();
    const timer = setTimeout(tooLate, GOODBYE_MS);
    await Promise.race([this.#client.end().catch(() => {}), late]);
    clearTimeout(timer);
    // A server that never says goodbye must not keep this process alive.
    this.#client.unref?.();
    this.#finish("closed");
  }

  /** Bears the silence after a statement for a while. */
  #bear(statement: (why: Error) => void): void {
    const { statementTimeoutMs, silenceMs } = this.#options;
    const forMs = Math.min(statementTimeoutMs + SERVER_HEAD_START_MS, silenceMs?.() ?? Infinity, this.#doubtMs ?? Infinity);
    clearTimeout(this.#patience);
    this.#patience = setTimeout(
      // Where this process itself stood still, the reply may have come meanwhile: it is read before the immediate.
      () => setImmediate(() => {
        if (this.#cutStatement !== statement) return;
        this.#wentSilent = true;
        this.#kill("no reply in time");
      }),
      Math.max(0, this.#sentMs + forMs - performance.now()),
    );
  }

  #judge(state: string | undefined, why: string): void {
    if (state === undefined) return;
    this.#doubtMs = undefined;
    if (endsSession(state) || spoilsSession(state)) this.#kill(why);
  }

  #kill(why: string): void {
    this.#finish(why);
    void this.#client.end().catch(() => {});
  }

  #finish(why: string): void {
    this.#over = true;
    this.#cutStatement?.(new Error(why));
    this.#resolveEnded(why);
  }
}

async function greet(client: PgClient, options: SessionOptions): Promise<Backend> {
  // One question: after a failover every session is greeted at once. The function behind `pg_stat_activity`, without the joins that a new backend plans for milliseconds.
  const results: unknown = await client.query({
    text: [
      `set statement_timeout = ${options.statementTimeoutMs}`,
      "set client_min_messages = warning",
      ...options.settings,
      "select pid, extract(epoch from backend_start)::text as started_at from pg_stat_get_activity(pg_backend_pid())",
    ].join("; "),
  });
  // To several statements the driver answers with several results, of which its types know nothing.
  const { rows } = (results as readonly PgResult[]).at(-1) ?? { rows: [] };
  const pid = Number(rows[0]?.["pid"]);
  // A transaction-pooling proxy hands our next statement to another backend: locks and LISTEN would belong to a stranger.
  if (client.processID !== undefined && client.processID !== null && client.processID !== pid) {
    throw new TripactError("pooler-refused", "A connection pooler answers here: the backend is not the one that greeted us.", {
      where: options.place,
      hint: "Give the store a direct connection to Postgres; it holds a small, fixed number of them.",
    });
  }
  return { pid, startedAt: String(rows[0]?.["started_at"]) };
}

function standbyUnsure(place: string): TripactError {
  return new TripactError("store-unknown", "Postgres committed locally, but gave up waiting for its standby.", {
    where: place,
    hint: "Write it again under the same flush id to settle it at the declared level.",
  });
}
