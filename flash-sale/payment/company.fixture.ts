/** For tests: a payment service and a provider that talk over real HTTP, in this process, with the books of both. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type pg from "pg";
import { migrateBarrier, pgTransactions, type OpenTransaction, type SqlExecutor } from "tripact/barrier";
import type { Charge, ProviderDoor } from "../contracts.ts";
import type { PaymentPart } from "../modes/mode.ts";
import type { Habits } from "../provider/charges.ts";
import { openProvider, type Provider } from "../provider/provider.ts";
import { asking } from "../service/ask.ts";
import { makeTables, openPool } from "../service/database.ts";
import { serverOf } from "../service/door.ts";
import type { DispatcherTiming } from "./dispatcher.ts";
import { openPayment } from "./payment.ts";

export const SECRET = "callback-secret";
export const KEY = "provider-key";
export const HONEST: Habits = { seed: "1", declined: 0, slow: 0, slowMs: 300, duplicated: 0, late: 0, lateMs: 400, answerMs: 2 };

export interface Books {
  readonly pool: pg.Pool;
  readonly open: OpenTransaction;
  readonly db: SqlExecutor;
  /** `state errand`, or undefined. */
  row(orderId: string): Promise<string | undefined>;
  /** What the shop has of each order, where it has or had anything. */
  shop(): Promise<Map<string, number>>;
  close(): Promise<void>;
}

/** @param database an empty one; it is dropped with the books. */
export async function openBooks(database: { readonly url: string; drop(): Promise<void> }): Promise<Books> {
  const pool = openPool(database.url, "payment-test");
  await makeTables(pool, new URL("./schema.sql", import.meta.url));
  const open = pgTransactions(pool);
  await open(migrateBarrier);
  return {
    pool,
    open,
    db: { execute: (text, values) => pool.query(text, [...values]) },
    async row(orderId) {
      const { rows } = await pool.query<{ state: string; errand: string | null }>("select state, errand from payment where order_id = $1", [orderId]);
      return rows[0] === undefined ? undefined : `${rows[0].state} ${rows[0].errand ?? "-"}`;
    },
    async shop() {
      const { rows } = await pool.query<{ order_id: string; cents: number }>("select order_id, sum(cents)::int as cents from posting where account = 'shop' group by 1");
      return new Map(rows.map(({ order_id: orderId, cents }) => [orderId, cents]));
    },
    async close() {
      await pool.end();
      await database.drop();
    },
  };
}

export interface TestPayment {
  readonly origin: string;
  /** A transaction of a mode's part: errands wake the dispatcher. */
  readonly open: OpenTransaction;
  readonly errors: unknown[];
  stop(): Promise<void>;
}

export interface TestPaymentOptions {
  readonly provider: string;
  readonly part?: Omit<PaymentPart, "at">;
  readonly timing?: Partial<DispatcherTiming>;
}

export async function startPayment(books: Books, { provider, part = {}, timing = {} }: TestPaymentOptions): Promise<TestPayment> {
  const errors: unknown[] = [];
  let open = books.open;
  // The provider has to know the address, so the port comes first.
  const callbacks = await listen(createServer((_, response) => void response.writeHead(503).end()));
  const payment = await openPayment({
    db: books.db,
    open: books.open,
    mode: {
      payment: (side) => {
        open = side.open;
        return { at: {}, ...part };
      },
    },
    addresses: { orders: [], stock: "", payment: callbacks.origin, provider },
    token: "token",
    providerKey: KEY,
    callbackSecret: SECRET,
    callbackOrigin: callbacks.origin,
    onError: (error) => errors.push(error),
    timing: { pollMs: 50, ...timing },
  });
  callbacks.server.removeAllListeners("request");
  callbacks.server.on("request", (request, response) => payment.server.emit("request", request, response));
  return {
    origin: callbacks.origin,
    open,
    errors,
    async stop() {
      callbacks.close();
      await payment.stop();
    },
  };
}

export interface TestProvider {
  readonly origin: string;
  readonly port: number;
  readonly provider: Provider;
  readonly errors: unknown[];
  readonly book: () => Promise<Charge[]>;
  stop(): Promise<void>;
}

export async function startProvider(habits: Partial<Habits> = {}): Promise<TestProvider> {
  const errors: unknown[] = [];
  const provider = openProvider({ habits: { ...HONEST, ...habits }, key: KEY, callbackSecret: SECRET, onError: (error) => errors.push(error) });
  await provider.app.ready();
  const { origin, port, close } = await listen(serverOf(provider.app, {}));
  return {
    origin,
    port,
    provider,
    errors,
    book: () => readBook(origin),
    async stop() {
      close();
      await provider.stop();
      await provider.app.close();
    },
  };
}

export async function readBook(origin: string): Promise<Charge[]> {
  const door = asking<ProviderDoor>(origin, KEY);
  const charges: Charge[] = [];
  try {
    for (let after = 0; ; ) {
      const page = await door.ask("/charges/book", { after });
      if (page.charges.length === 0) return charges;
      charges.push(...page.charges);
      after = page.after;
    }
  } finally {
    await door.close();
  }
}

/** Asks again and again, until it holds or the cap is reached. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, capMs = 20_000): Promise<void> {
  const untilMs = performance.now() + capMs;
  while (performance.now() < untilMs) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`not within ${capMs} ms: ${what}`);
}

async function listen(server: Server): Promise<{ readonly server: Server; readonly origin: string; readonly port: number; readonly close: () => void }> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    origin: `http://127.0.0.1:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
