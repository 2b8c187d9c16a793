/** What the platform's own databases say, asked as a stranger. */
import { Client } from "pg";
import type { Stage } from "./stage.ts";

const ASK_CAP_MS = 10_000;

export async function rowsIn<Row extends object>(url: string, text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: ASK_CAP_MS, query_timeout: ASK_CAP_MS });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

export interface ChunkState {
  readonly id: string;
  readonly state: string;
  readonly leased: number;
  readonly reserved: number;
  /** By its movements: what went from it to the free pool. */
  readonly cameBack: number;
}

export function chunksOf({ platform }: Stage, sku: string): Promise<readonly ChunkState[]> {
  return rowsIn<ChunkState>(
    platform.databaseUrls.stock,
    `select id, state, leased, reserved,
            (select coalesce(sum(units), 0)::int from movement where reference = chunk.id and source = 'chunk' and target = 'free') as "cameBack"
       from chunk where sku = $1 order by id`,
    [sku],
  );
}

export async function freeOf({ platform }: Stage, sku: string): Promise<number | undefined> {
  return (await rowsIn<{ free: number }>(platform.databaseUrls.stock, "select free from item where sku = $1", [sku]))[0]?.free;
}

export async function ordersOf({ platform }: Stage, sku: string): Promise<number> {
  return (await rowsIn<{ orders: number }>(platform.databaseUrls.orders, "select count(*)::int as orders from orders where sku = $1", [sku]))[0]?.orders ?? 0;
}

/** Of these requests: how many have an order that names no chunk. */
export async function ordersWithoutChunk({ platform }: Stage, requestIds: readonly string[]): Promise<number> {
  const text = "select count(*)::int as orders from orders where request_id = any($1::text[]) and chunk is null and state <> 'never-placed'";
  return (await rowsIn<{ orders: number }>(platform.databaseUrls.orders, text, [requestIds]))[0]?.orders ?? 0;
}
