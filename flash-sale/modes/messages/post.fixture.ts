/** For tests: three databases whose messages are carried by hand, one at a time, in an order that a seed chooses, and more than once. */
import { freshDatabase } from "@tripact/testbed";
import { migrateBarrier, pgTransactions, postgresInbox, type OpenTransaction } from "tripact/barrier";
import { consume, type Envelope } from "tripact/events";
import { migrate } from "tripact/postgres";
import type pg from "pg";
import { makeTables, openPool, preparedStatements } from "../../service/database.ts";
import type { Mode, OrdersPart, Outbox, PaymentPart, ServiceSide } from "../mode.ts";
import { refusingNonsense, type Hears } from "./receiving.ts";

export const OUTBOXES: readonly Outbox[] = ["orders", "stock", "payment"];
export type Side = ServiceSide & { readonly pool: pg.Pool; readonly databaseUrl: string };

/** Who hears a topic of an outbox. */
type Routes = Readonly<Record<Outbox, readonly { readonly name: Outbox; readonly topics: readonly string[] }[]>>;

export interface ByHand {
  readonly routes: Routes;
  readonly sides: Readonly<Record<Outbox, Side>>;
  readonly orders: OrdersPart;
  readonly payment: PaymentPart;
  readonly consumers: Readonly<Record<Outbox, (event: Envelope) => Promise<void>>>;
  close(): Promise<void>;
}

export async function openByHand(mode: Mode, hears: Readonly<Record<Outbox, Hears>>): Promise<ByHand> {
  const closing: (() => Promise<unknown> | undefined)[] = [];
  const close = async (): Promise<void> => {
    for (const step of closing.splice(0).toReversed()) await step();
  };
  const side = async (name: Outbox): Promise<Side> => {
    const database = await freshDatabase(`by_hand_${mode.name}_${name}`);
    closing.push(() => database.drop());
    const pool = openPool(database.url, name);
    closing.push(() => pool.end());
    await migrate(database.url);
    await makeTables(pool, new URL(`../../${name}/schema.sql`, import.meta.url));
    const open = pgTransactions(pool);
    await open(migrateBarrier);
    const nowhere = "http://127.0.0.1:9";
    const fail = (error: unknown): void => console.error(error);
    return { pool, open, db: preparedStatements(pool), databaseUrl: database.url, addresses: { orders: [nowhere], stock: nowhere, payment: nowhere, provider: nowhere }, secret: "a secret of this test", onError: fail };
  };
  try {
    const sides = { orders: await side("orders"), stock: await side("stock"), payment: await side("payment") };
    const orders = await mode.orders({ ...sides.orders, worker: "by hand", durability: "strict" });
    const payment = mode.payment({ ...sides.payment, db: { execute: (text, values) => sides.payment.pool.query(text, [...values]) }, waitFor: async () => undefined });
    closing.push(async () => void (await Promise.all([orders.stop?.(), payment.stop?.()])));
    const taking = (name: Outbox, open: OpenTransaction) => consume(open, postgresInbox(), name, refusingNonsense(hears[name]));
    const consumers = { orders: taking("orders", sides.orders.open), stock: taking("stock", sides.stock.open), payment: taking("payment", sides.payment.open) };
    return { routes: await routesOf(mode, sides.orders), sides, orders, payment, consumers, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function routesOf({ messages }: Mode, { addresses, secret }: Side): Promise<Routes> {
  const subscriptions = messages?.(addresses, secret) ?? { orders: [], stock: [], payment: [] };
  await Promise.all(Object.values(subscriptions).flat().map(({ sink }) => sink.close()));
  // Subscriptions are named after who hears them.
  const from = (outbox: Outbox) => subscriptions[outbox].map(({ name, topics = [] }) => ({ name: name as Outbox, topics }));
  return { orders: from("orders"), stock: from("stock"), payment: from("payment") };
}

/** `per-key`: as a relay does it, in order per topic and key. `none`: as if it did not. */
export type Carried = "per-key" | "none";

interface Letter {
  readonly to: Outbox;
  readonly event: Envelope;
}

const NEW_LETTERS = "select seq, id, topic, key, payload, extract(epoch from recorded_at) * 1000 as at from tripact.outbox where seq > $1 order by seq";

/** Carries what lies in the outboxes. `random`: in [0, 1). */
export class Post {
  readonly failures: { readonly letter: Letter; readonly error: unknown }[] = [];
  readonly #shop: ByHand;
  readonly #carried: Carried;
  readonly #random: () => number;
  readonly #seen: Record<Outbox, bigint> = { orders: 0n, stock: 0n, payment: 0n };
  #waiting: Letter[] = [];
  readonly #done: Letter[] = [];

  constructor(shop: ByHand, carried: Carried, random: () => number) {
    this.#shop = shop;
    this.#carried = carried;
    this.#random = random;
  }

  /** Takes what is new out of the outboxes. True if there is something to carry. */
  async collect(): Promise<boolean> {
    const { routes, sides } = this.#shop;
    const found = await Promise.all(OUTBOXES.map((source) => sides[source].pool.query(NEW_LETTERS, [this.#seen[source]])));
    for (const [n, source] of OUTBOXES.entries()) {
      for (const { seq, id, topic, key, payload, at } of found[n]?.rows ?? []) {
        this.#seen[source] = BigInt(seq);
        const event: Envelope = { id, source, topic, key, payload, headers: {}, recordedAtMs: Math.round(Number(at)), attempt: 1 };
        this.#waiting.push(...routes[source].filter(({ topics }) => topics.includes(topic)).map(({ name }) => ({ to: name, event })));
      }
    }
    return this.#waiting.length > 0;
  }

  /** One letter, whichever may go now; sometimes one that has gone already. */
  async carryOne(): Promise<void> {
    const again = this.#random() < 0.2 ? pick(this.#done, this.#random) : undefined;
    if (again !== undefined) return this.#shop.consumers[again.to](again.event);
    const letter = pick(this.#free(), this.#random);
    if (letter === undefined) return;
    try {
      await this.#shop.consumers[letter.to](letter.event);
    } catch (error) {
      this.failures.push({ letter, error });
      return;
    }
    this.#waiting = this.#waiting.filter((other) => other !== letter);
    this.#done.push(letter);
  }

  /** Everything that was delivered, once more. */
  async repeatAll(): Promise<void> {
    for (const { to, event } of this.#done) await this.#shop.consumers[to](event);
  }

  #free(): readonly Letter[] {
    if (this.#carried === "none") return this.#waiting;
    const taken = new Set<string>();
    return this.#waiting.filter(({ to, event: { source, topic, key } }) => {
      const place = [to, source, topic, key].join(" ");
      return !taken.has(place) && taken.add(place);
    });
  }
}

export function pick<T>(all: readonly T[], random: () => number): T | undefined {
  return all[Math.floor(random() * all.length)];
}

/** Mulberry32: small, and the same numbers for the same seed everywhere. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
