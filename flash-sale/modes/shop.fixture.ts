/** Orders, stock and payment of one mode in this process, on databases and HTTP servers of their own. The provider is the test. */
import { once } from "node:events";
import { createRelay, postgresOutboxLog } from "tripact/relay";
import { migrateBarrier, pgTransactions, type SqlExecutor } from "tripact/barrier";
import { postgresWaker, waking } from "tripact/outbox";
import { migrate } from "tripact/postgres";
import { freePort, freshDatabase } from "@tripact/testbed";
import type pg from "pg";
import type { OrdersDoor, OrderState, PaymentDoor, PaymentSettled, PaymentState, Placed, Sale, StockLevels } from "../contracts.ts";
import { ordersAnswers } from "../orders/answers.ts";
import { placing } from "../orders/place.ts";
import { record, stateOf } from "../payment/ledger.ts";
import { Waiters } from "../payment/waiters.ts";
import { asking, type Asking } from "../service/ask.ts";
import { makeTables, openPool, preparedStatements } from "../service/database.ts";
import { openDoor, serverOf, type Answers, type Questions } from "../service/door.ts";
import type { Addresses } from "../service/settings.ts";
import { levels, openItem } from "../stock/ledger.ts";
import type { Mode, OrdersPart, Outbox, ServicePart, ServiceSide } from "./mode.ts";

export interface Shop {
  readonly orders: Asking<OrdersDoor>;
  readonly part: OrdersPart;
  readonly pools: { readonly orders: pg.Pool; readonly stock: pg.Pool; readonly payment: pg.Pool };
  openSale(sku: string, terms?: Partial<Sale>): Promise<void>;
  place(sku: string, orderId: string, options?: { readonly buyer?: string; readonly quantity?: number; readonly requestId?: string }): Promise<Placed>;
  /** What the provider says, as the payment service would take it; waits until he was asked. */
  answer(orderId: string, outcome: PaymentSettled["outcome"]): Promise<void>;
  until(orderId: string, state: OrderState): Promise<void>;
  stateOf(orderId: string): Promise<OrderState | undefined>;
  payment(orderId: string): Promise<PaymentState | undefined>;
  levels(sku: string): Promise<StockLevels>;
  close(): Promise<void>;
}

const token = "a-token-of-the-test";

/** What was opened, to be closed in reverse. */
class Opened {
  readonly mode: Mode;
  readonly addresses: Addresses;
  readonly ports: Readonly<Record<Outbox, number>>;
  readonly #closing: (() => unknown)[] = [];

  constructor(mode: Mode, ports: Readonly<Record<Outbox, number>>) {
    const origin = (port: number): string => `http://127.0.0.1:${port}`;
    this.mode = mode;
    this.ports = ports;
    this.addresses = { orders: [origin(ports.orders)], stock: origin(ports.stock), payment: origin(ports.payment), provider: origin(1) };
  }

  later(close: () => unknown): void {
    this.#closing.push(close);
  }

  async close(): Promise<void> {
    for (const step of this.#closing.splice(0).toReversed()) await step();
  }

  /** A service's database with its tables, and what its part is given. */
  async side(name: Outbox): Promise<ServiceSide & { readonly url: string; readonly pool: pg.Pool }> {
    const { mode, addresses } = this;
    const database = await freshDatabase(`${mode.name}_${name}`);
    const { url } = database;
    this.later(() => database.drop());
    const pool = openPool(url, name);
    this.later(() => pool.end());
    if (mode.messages !== undefined || name === "orders") await migrate(url);
    await makeTables(pool, new URL(`../${name}/schema.sql`, import.meta.url));
    await pgTransactions(pool)(migrateBarrier);
    const common = { url, pool, db: preparedStatements(pool), addresses, secret: token, onError: ignored };
    if (mode.messages === undefined) return { ...common, open: pgTransactions(pool) };
    const waker = postgresWaker({ url });
    this.later(() => waker.close());
    return { ...common, open: waking(pgTransactions(pool), waker) };
  }

  async listen<Door extends Questions<Door>>(name: Outbox, answers: Answers<Door>, part: ServicePart): Promise<void> {
    this.later(() => part.stop?.());
    const app = openDoor<Door>(answers, { token, onError: ignored });
    await app.ready();
    const server = serverOf(app, part.at).listen(this.ports[name], "127.0.0.1");
    await once(server, "listening");
    this.later(() => {
      server.closeAllConnections();
      server.close();
    });
  }
}

/** An op that fails is asked again; what comes of it is what tests look at. */
function ignored(): void {}

export async function openShop(mode: Mode): Promise<Shop> {
  const opened = new Opened(mode, { orders: await freePort(), stock: await freePort(), payment: await freePort() });
  try {
    return await openIn(opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openIn(opened: Opened): Promise<Shop> {
  const { mode, addresses } = opened;
  const stock = await opened.side("stock");
  await opened.listen("stock", {}, mode.stock(stock));
  const waiters = new Waiters();
  const books = await opened.side("payment");
  const statements: SqlExecutor = { execute: (text, values) => books.pool.query(text, [...values]) };
  const payment = { ...books, db: statements, waitFor: (orderId: string, waitMs: number) => waiters.waitFor(orderId, waitMs) };
  opened.later(() => waiters.stop());
  const paymentPart = mode.payment(payment);
  await opened.listen<PaymentDoor>("payment", paymentAnswers(payment), paymentPart);
  const orders = await opened.side("orders");
  const part = await mode.orders({ ...orders, databaseUrl: orders.url, worker: "worker-1", durability: "strict" });
  const places = placing(orders, part, { openMax: 1_000, onError: ignored });
  opened.later(() => places.stop());
  await opened.listen<OrdersDoor>("orders", ordersAnswers(orders, part, places), part);
  await openRelays(opened, { orders: orders.url, stock: stock.url, payment: payment.url });
  const sweep = setInterval(() => void part.sweep?.().catch(ignored), 100);
  opened.later(() => clearInterval(sweep));
  const client = asking<OrdersDoor>(addresses.orders[0] ?? "", token);
  opened.later(() => client.close());

  const stateNow = async (orderId: string): Promise<OrderState | undefined> => (await client.ask("/orders/states", { orderIds: [orderId] })).states[orderId];
  return {
    orders: client,
    part,
    pools: { orders: orders.pool, stock: stock.pool, payment: payment.pool },
    async openSale(sku, terms = {}) {
      const sale: Sale = { sku, units: 10, cents: 500, limitPerBuyer: 2, paymentWindowMs: 60_000, opensAt: 0, closesAt: 4e12, ...terms };
      await client.ask("/orders/open-sale", sale);
      await stock.open((db) => openItem(db, sku, sale.units));
    },
    place: (sku, orderId, { buyer = `buyer-of-${orderId}`, quantity = 1, requestId = orderId } = {}) =>
      client.ask("/orders/place", { orderId, sku, buyer, requestId, quantity, chunk: null }),
    async answer(orderId, outcome) {
      await until(`the provider is asked for ${orderId}`, async () => (await payment.open((db) => stateOf(db, orderId))) !== undefined);
      const settled = await payment.open(async (db) => {
        const news = await record(db, orderId, outcome);
        if (news !== undefined) await paymentPart.settledIn?.(db, news);
        return news;
      });
      if (settled !== undefined && !waiters.tell(settled)) await paymentPart.settled?.(settled);
    },
    until: (orderId, state) => until(`${orderId} is ${state}`, async () => (await stateNow(orderId)) === state),
    stateOf: stateNow,
    payment: (orderId) => payment.open((db) => stateOf(db, orderId)),
    async levels(sku) {
      const found = await stock.open((db) => levels(db, sku));
      if (found === undefined) throw new Error(`no ${sku}`);
      return found;
    },
    close: () => opened.close(),
  };
}

function paymentAnswers({ open }: ServiceSide): Answers<PaymentDoor> {
  const answer = (orderId: string): ReturnType<Answers<PaymentDoor>["/payment/state"]["answer"]> =>
    open(async (db) => {
      const state = await stateOf(db, orderId);
      return state === undefined ? { kind: "unknown" } : { kind: "found", state };
    });
  return { "/payment/state": { schema: { type: "object" }, answer: ({ orderId }) => answer(orderId) } };
}

async function openRelays(opened: Opened, urls: Readonly<Record<Outbox, string>>): Promise<void> {
  const outboxes = opened.mode.messages?.(opened.addresses, token);
  if (outboxes === undefined) return;
  for (const source of ["orders", "stock", "payment"] as const) {
    const relay = await createRelay({ log: postgresOutboxLog({ url: urls[source] }), source, subscriptions: outboxes[source] });
    opened.later(() => relay.stop());
  }
}

export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const givesUpAtMs = performance.now() + 15_000;
  while (!(await holds())) {
    if (performance.now() > givesUpAtMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
