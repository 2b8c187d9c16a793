import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import pg from "pg";
import { callOf, migrateBarrier, pgTransactions, postgresBarrier } from "tripact/barrier";
import { participantHandler, type ParticipantCall } from "tripact/http";
import { freshDatabase } from "@tripact/testbed";
import { secret } from "./orders.ts";
import { effectTable, perform, type Asked } from "./shapes.ts";

export interface Participants {
  /** `{url}/stock`, `{url}/wallet`, `{url}/ship`. */
  readonly url: string;
  readonly pool: pg.Pool;
  /** From now on, calls of these ops wait at the door. */
  hold(ops: readonly string[]): void;
  /** How many transactions wait. */
  waiting(): number;
  /** Lets in who waits; later calls wait again. */
  admit(): void;
  release(): void;
  close(): Promise<void>;
}

/**
 * Participants that outlive every coordinator: an HTTP server in this process, each op in its own transaction on a database of their own.
 * @param guarded false for the broken variant, without the barrier.
 */
export async function hostParticipants(guarded = true): Promise<Participants> {
  const database = await freshDatabase("participants");
  const pool = new pg.Pool({ connectionString: database.url, max: 10 });
  const inTransaction = pgTransactions(pool);
  await inTransaction(migrateBarrier);
  await pool.query(effectTable);
  const barrier = postgresBarrier();

  const door = new Door();

  const op = async (call: ParticipantCall): Promise<string | undefined> => {
    await door.enter(call);
    const { refuse } = call.payload as unknown as Asked;
    if (!guarded) return await inTransaction((db) => perform(db, call, refuse));
    return await barrier.transact(pool, call, (db) => perform(db, call, refuse));
  };
  const ship = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.resume();
    const call = callOf(request.headers);
    await door.enter(call);
    if (guarded) await barrier.transact(pool, call, (db) => perform(db, call, false));
    else await inTransaction((db) => perform(db, call, false));
    response.end(JSON.stringify(call.branch));
  };
  const handler = participantHandler({
    secrets: [secret],
    routes: { "/stock": { action: op, compensate: op }, "/wallet": { try: op, confirm: op, cancel: op } },
  });
  const server = createServer((request, response) => {
    handler(request, response, () => {
      ship(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pool,
    hold: (ops) => door.hold(ops),
    waiting: () => door.waiting.size,
    admit: () => door.admit(),
    release: () => door.release(),
    async close() {
      door.release();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await pool.end();
      await database.drop();
    },
  };
}

class Door {
  #held: readonly string[] = [];
  #opened = Promise.withResolvers<void>();
  readonly waiting = new Set<string>();

  hold(ops: readonly string[]): void {
    this.#held = ops;
    this.#opened = Promise.withResolvers();
  }

  admit(): void {
    this.waiting.clear();
    this.#opened.resolve();
    this.#opened = Promise.withResolvers();
  }

  release(): void {
    this.#held = [];
    this.admit();
  }

  async enter({ gid, op }: { readonly gid: string; readonly op: string }): Promise<void> {
    if (!this.#held.includes(op)) return;
    this.waiting.add(gid);
    await this.#opened.promise;
  }
}
