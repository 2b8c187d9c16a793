import { randomBytes } from "node:crypto";
import { Client } from "pg";
import type { Query, ShopMessage } from "./system.ts";

/** The business around the messages: the producer's row, and the effect that a consumer has. The same for everybody. */

export async function openShop(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("create schema shop");
  await client.query("create table shop.ordered (id bigint primary key, customer text not null, cents int not null)");
  await client.query("create table shop.handled (n bigint primary key, customer text not null, cents int not null)");
  await client.end();
}

/**
 * A producer's connection. Pipelined: statements go out without waiting for the answers to those before, so that a transaction takes two
 * round trips instead of four, for everybody alike.
 */
export async function openConnection(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, pipeline: true });
  await client.connect();
  return client;
}

const names = new Map<string, string>();

/** Statements on this connection, each prepared there once and known by a short name. */
export function preparedOn(client: Pick<Client, "query">): Query {
  return (text, values) => {
    let name = names.get(text);
    if (name === undefined) names.set(text, (name = `bench_${names.size}`));
    return client.query<Record<string, unknown>>({ name, text, values: [...values] });
  };
}

/** The producer's own write. */
export async function insertOrder(db: Query, { n, customer, cents }: ShopMessage): Promise<void> {
  await db("insert into shop.ordered (id, customer, cents) values ($1, $2, $3)", [n, customer, cents]);
}

/** The consumer's effect: one guarded row a message. One statement for as many as its system hands over together. */
export async function applyEffects(db: Query, messages: readonly ShopMessage[]): Promise<void> {
  const [only] = messages;
  if (only !== undefined && messages.length === 1) {
    await db("insert into shop.handled (n, customer, cents) values ($1, $2, $3) on conflict (n) do nothing", [only.n, only.customer, only.cents]);
    return;
  }
  await db(
    `insert into shop.handled (n, customer, cents)
     select n, customer, cents from unnest($1::bigint[], $2::text[], $3::int[]) as m (n, customer, cents)
     on conflict (n) do nothing`,
    [messages.map(({ n }) => n), messages.map(({ customer }) => customer), messages.map(({ cents }) => cents)],
  );
}

const CUSTOMERS = 10_000;
/** Random text, so that nothing on the way can make it small; made once, since making it is not what is measured. */
const noise = randomBytes(48 * 1024).toString("base64url");

/** The message of this number; `payloadBytes` as JSON, all of it ASCII. */
export function messageOf(n: number, payloadBytes: number): ShopMessage {
  const bare = { n, customer: `customer-${n % CUSTOMERS}`, cents: 100 + (n % 900), note: "" };
  const room = Math.max(0, payloadBytes - JSON.stringify(bare).length);
  const from = (n * 61) % (noise.length - room);
  return { ...bare, note: noise.slice(from, from + room) };
}
