import { Client } from "pg";
import { FaultError, USUAL, type Fault } from "../fault.ts";

const HOLD_MS = 6_000;
const CONNECT_CAP_MS = 5_000;
/** The server waits so long for each of them to be gone. */
const END_CAP_MS = 1_000;
/** Each session is a process at the server and a handshake: more at once would only queue up. */
const CONNECTING_AT_ONCE = 8;
/** Beyond any `max_connections` here. */
const SESSIONS_MAX = 1_000;
/** Whoever was connecting when the address was closed may still get through; mostly one round is enough. */
const ROUNDS_MAX = 10;
const TOO_MANY_CONNECTIONS = "53300";
const APPLICATION = "lab-pool-exhausted";

/**
 * Somebody else holds every session that the server has to give, and a purchase worker has lost its own: it gets none any more. The others
 * keep what they have and get no new one; so the living coordinator takes over by the connection that it keeps for that, or not at all.
 */
export const poolExhausted: Fault = {
  ...USUAL,
  name: "pool-exhausted",
  mechanism: "idle sessions up to the server's max_connections; those of one purchase worker are ended and their places taken, while the one address refuses new connections",
  holdMs: HOLD_MS,
  victimsIn: () => ["orders-1", "orders-2"],
  async inject({ databases: { primary, proxy } }, victim) {
    const held = new HeldSessions(primary.url());
    try {
      // Nobody is hit by this yet: they have what they need.
      await held.fill();
      // Otherwise the worker, which connects again at once, gets its places back faster than they are taken.
      await proxy?.refuse();
      await held.takeAllFrom(victim);
    } catch (error) {
      await held.close();
      throw error;
    } finally {
      await proxy?.pass();
    }
    return () => held.close();
  },
};

/** Idle sessions of ours, none of which anybody needs. */
class HeldSessions {
  readonly #url: string;
  readonly #clients = new Set<Client>();
  #closed = false;

  constructor(url: string) {
    this.#url = url;
  }

  async takeAllFrom(victim: string): Promise<void> {
    const [asker] = this.#clients;
    if (asker === undefined) throw new FaultError("nothing-to-hit", "the server had no session left even before the fault");
    let ended = await endSessionsOf(victim, asker);
    if (ended === 0) throw new FaultError("nothing-to-hit", `${victim} has no session at the database, so none can be taken from it`);
    for (let round = 0; ended > 0; round += 1) {
      if (round === ROUNDS_MAX) throw new FaultError("nothing-to-hit", `${victim} still gets sessions after ${ROUNDS_MAX} rounds`);
      await this.fill();
      ended = await endSessionsOf(victim, asker);
    }
  }

  /** Twice does no harm. */
  async close(): Promise<void> {
    this.#closed = true;
    const clients = [...this.#clients];
    this.#clients.clear();
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  }

  /** Until the server has none to give. */
  async fill(): Promise<void> {
    const take = async (): Promise<void> => {
      while (!this.#closed && this.#clients.size < SESSIONS_MAX && (await this.#open()) !== undefined);
    };
    await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, take));
  }

  async #open(): Promise<Client | undefined> {
    const client = new Client({ connectionString: this.#url, application_name: APPLICATION, connectionTimeoutMillis: CONNECT_CAP_MS, query_timeout: CONNECT_CAP_MS });
    client.on("error", () => void this.#clients.delete(client));
    try {
      await client.connect();
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === TOO_MANY_CONNECTIONS) return undefined;
      throw error;
    }
    // One that was still connecting when the others were let go.
    if (this.#closed) await client.end();
    else this.#clients.add(client);
    return client;
  }
}

/** A worker's sessions bear its name, those of its coordinator with what they are for. @returns how many there were */
async function endSessionsOf(victim: string, client: Client): Promise<number> {
  const { rows } = await client.query("select pg_terminate_backend(pid, $2) from pg_stat_activity where application_name = $1 or starts_with(application_name, $1 || ' ')", [victim, END_CAP_MS]);
  return rows.length;
}
