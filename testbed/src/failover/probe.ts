import { Socket } from "node:net";
import { Client, DatabaseError } from "pg";
import type { PostgresServer } from "../postgres/postgres.ts";
import type { Target } from "../proxy/tcp-proxy.ts";

/** One question and what came of it. Times are milliseconds of the machine's monotonic clock, see `machineMs`. */
export type Probed =
  | { readonly kind: "answered"; readonly fromMs: number; readonly toMs: number }
  | { readonly kind: "failed"; readonly fromMs: number; readonly toMs: number; readonly because: string };

export interface ProbeOptions {
  /** Whose superuser asks. */
  readonly server: PostgresServer;
  /** Where: the server itself, or a proxy before it. */
  readonly at: Target;
  readonly question: string;
  /** For connecting and answering together. */
  readonly timeoutMs: number;
}

/** How a probe's sessions are called in `pg_stat_activity`. */
export const probeName = "tripact-probe";

/** `process.hrtime` in milliseconds: every process of the machine reads the same clock, and it never jumps. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Asks one question again and again, over one connection of its own that is opened anew after a failure. */
export class Probe {
  readonly #options: ProbeOptions;
  #open: { readonly client: Client; readonly socket: Socket } | undefined;
  #closed = false;

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  /** Never rejects, and ends within the timeout. One at a time. */
  async ask(): Promise<Probed> {
    const fromMs = machineMs();
    const because = await this.#failure();
    const toMs = machineMs();
    return because === undefined ? { kind: "answered", fromMs, toMs } : { kind: "failed", fromMs, toMs, because };
  }

  /** Cuts the connection, and with it a question under way; twice does no harm. */
  close(): void {
    this.#closed = true;
    this.#drop(new Error("the probe was closed"));
  }

  async #failure(): Promise<string | undefined> {
    if (this.#closed) return "the probe was closed";
    const { question, timeoutMs } = this.#options;
    // Timers run before sockets: where this process itself stood still, an answer that lies there is read first.
    const timer = setTimeout(() => {
      late = setImmediate(() => this.#drop(new Error(`no answer within ${timeoutMs} ms`)));
    }, timeoutMs);
    let late: NodeJS.Immediate | undefined;
    try {
      await (await this.#connection()).query(question);
      return undefined;
    } catch (error) {
      this.#drop();
      return reasonOf(error);
    } finally {
      clearTimeout(timer);
      clearImmediate(late);
    }
  }

  async #connection(): Promise<Client> {
    if (this.#open !== undefined) return this.#open.client;
    const { server, at } = this.#options;
    // Our own socket, because a driver's polite goodbye waits for a server that may be silent.
    const socket = new Socket();
    const client = new Client({
      host: at.host,
      port: at.port,
      user: "postgres",
      database: "postgres",
      password: server.cluster.password,
      application_name: probeName,
      stream: () => socket,
    });
    client.on("error", () => {
      if (this.#open?.client === client) this.#drop();
    });
    this.#open = { client, socket };
    await client.connect();
    return client;
  }

  #drop(why?: Error): void {
    const open = this.#open;
    this.#open = undefined;
    open?.socket.destroy(why);
  }
}

/** @returns undefined for a no that only a living server says, such as "too many connections". */
function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof DatabaseError)) return error instanceof Error ? error.message : String(error);
  // Class 57 is the operator's: shutting down, starting up, killed. 25 and 55: it does not take writes.
  const servesNobody = /^(25|55|57)/.test(error.code ?? "");
  return servesNobody ? `${error.code}: ${error.message}` : undefined;
}
