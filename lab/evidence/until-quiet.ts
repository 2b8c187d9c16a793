/** Waits for the platform to come to rest: nothing on its way, by every table that could say so, twice in a row. */
import { setTimeout as wait } from "node:timers/promises";
import type { Client } from "pg";
import { askedOf, journalOf, mailboxesOf } from "./leftovers.ts";
import type { Databases } from "./read-evidence.ts";
import { connect, EvidenceError, has, type Connected, type DatabaseName } from "./snapshot.ts";

/** What one look found. All zero and nothing unread: quiet. */
export interface StillOpen {
  /** Placed or refunding. */
  readonly orders: number;
  /** Payments with an errand, or short of their end. */
  readonly payments: number;
  /** Not closed, of gateways that live no more. */
  readonly chunks: number;
  /** Parked ones too: they have not ended. */
  readonly transactions: number;
  readonly messages: number;
  /** What could not be asked, and why. Nobody knows about those, so it is not quiet. */
  readonly unread: readonly string[];
}

export interface Rest {
  /** `capped`: the time was up. */
  readonly kind: "quiet" | "capped";
  /** Until the first of the two looks that found nothing, or the cap. */
  readonly tookMs: number;
  readonly looks: number;
  /** As of the last look. */
  readonly open: StillOpen;
}

export interface QuietOptions {
  /** Their chunks may stay open. Those of others come back, after their lease. */
  readonly livingGateways: readonly string[];
  /** But for those that were opened before: whoever had the name then is no more. By the wall clock. Default: none. */
  readonly gatewaysSinceMs?: number;
  readonly capMs: number;
  /** Default 100. */
  readonly pollMs?: number;
  readonly signal?: AbortSignal;
}

const NAMES: readonly DatabaseName[] = ["orders", "stock", "payment"];
const LOOK_TIMEOUT_MS = 10_000;
const UNREAD_CHARS_MAX = 200;

/** A database that cannot be asked is asked again until the cap; it never ends the wait. @throws what `signal` was aborted with. */
export async function untilQuiet(databases: Databases, { livingGateways, gatewaysSinceMs = 0, capMs, pollMs = 100, signal }: QuietOptions): Promise<Rest> {
  if (!(capMs >= 0) || !(pollMs >= 0)) throw new EvidenceError("invalid-input", "untilQuiet", "capMs and pollMs are milliseconds from 0");
  const watches = NAMES.map((name) => new Watch(name, databases[name], { livingGateways, gatewaysSinceMs }));
  const startMs = performance.now();
  let quietSinceMs: number | undefined;
  try {
    for (let looks = 1; ; looks += 1) {
      signal?.throwIfAborted();
      const atMs = performance.now() - startMs;
      const open = (await Promise.all(watches.map((watch) => watch.look()))).reduce(together);
      const quiet = isQuiet(open);
      if (quiet && quietSinceMs !== undefined) return { kind: "quiet", tookMs: quietSinceMs, looks, open };
      quietSinceMs = quiet ? atMs : undefined;
      const nowMs = performance.now() - startMs;
      if (nowMs >= capMs) return { kind: "capped", tookMs: nowMs, looks, open };
      await wait(Math.min(pollMs, capMs - nowMs), undefined, signal === undefined ? {} : { signal });
    }
  } finally {
    await Promise.all(watches.map((watch) => watch.close()));
  }
}

const NOTHING: StillOpen = { orders: 0, payments: 0, chunks: 0, transactions: 0, messages: 0, unread: [] };

function isQuiet({ orders, payments, chunks, transactions, messages, unread }: StillOpen): boolean {
  return orders + payments + chunks + transactions + messages + unread.length === 0;
}

function together(one: StillOpen, other: StillOpen): StillOpen {
  return {
    orders: one.orders + other.orders, payments: one.payments + other.payments, chunks: one.chunks + other.chunks, transactions: one.transactions + other.transactions,
    messages: one.messages + other.messages, unread: [...one.unread, ...other.unread],
  };
}

interface Living {
  readonly livingGateways: readonly string[];
  readonly gatewaysSinceMs: number;
}

/** $1: gateways that live; $2: since when. Units that are held are somebody's order, and counted there. */
const OPEN_ROWS: Readonly<Record<DatabaseName, { readonly table: string; readonly as: "orders" | "chunks" | "payments"; readonly where: string }>> = {
  orders: { table: "orders", as: "orders", where: "state in ('placed', 'refunding')" },
  stock: { table: "chunk", as: "chunks", where: "state <> 'closed' and (gateway <> all ($1::text[]) or opened_at < to_timestamp($2::float8 / 1000))" },
  payment: { table: "payment", as: "payments", where: "errand is not null or state in ('requested', 'authorised', 'refund-due')" },
};

/** One database, on one connection for as long as that lasts. */
class Watch {
  readonly #name: DatabaseName;
  readonly #url: string;
  readonly #living: Living;
  #connected: Connected | undefined;

  constructor(name: DatabaseName, url: string, living: Living) {
    this.#name = name;
    this.#url = url;
    this.#living = living;
  }

  async look(): Promise<StillOpen> {
    try {
      this.#connected ??= await connect(this.#name, this.#url, LOOK_TIMEOUT_MS);
      return await lookWith(this.#name, this.#connected.client, this.#living);
    } catch (error) {
      if (error instanceof EvidenceError && error.code === "invalid-input") throw error;
      await this.close();
      return { ...NOTHING, unread: [`${this.#name}: ${error instanceof Error ? error.message : String(error)}`.slice(0, UNREAD_CHARS_MAX)] };
    }
  }

  async close(): Promise<void> {
    const connected = this.#connected;
    this.#connected = undefined;
    await connected?.close();
  }
}

async function lookWith(database: DatabaseName, client: Client, { livingGateways, gatewaysSinceMs }: Living): Promise<StillOpen> {
  const { table, as, where } = OPEN_ROWS[database];
  if (!(await has(client, table))) return { ...NOTHING, unread: [`${database}: there is no table ${table}`] };
  const { rows } = await client.query<{ open: number }>(`select count(*)::int as open from ${table} where ${where}`, where.includes("$1") ? [livingGateways, gatewaysSinceMs] : []);
  const asked = askedOf(database, client);
  const mail = await mailboxesOf(asked);
  return {
    ...NOTHING,
    [as]: rows[0]?.open ?? 0,
    transactions: (await journalOf(asked))?.open ?? 0,
    messages: mail.reduce((sum, { waiting, parked }) => sum + waiting + parked, 0),
  };
}
