import { Client } from "pg";

export interface SaleBooks {
  readonly paid: number;
  readonly unitsSold: number;
  /** Paid orders that became so in the interval that was asked for. */
  readonly paidBetween: number;
}

const READ_CAP_MS = 10_000;

/** What the orders' database says of one sale. @param between Unix times in ms. */
export async function readSaleBooks(ordersUrl: string, sku: string, between: { readonly fromMs: number; readonly toMs: number }): Promise<SaleBooks> {
  const client = new Client({ connectionString: ordersUrl, connectionTimeoutMillis: READ_CAP_MS, query_timeout: READ_CAP_MS });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ paid: number; units: number; between: number }>(
      `select count(*)::int as paid, coalesce(sum(quantity), 0)::int as units,
              (count(*) filter (where extract(epoch from ended_at) * 1000 between $2 and $3))::int as between
         from orders where sku = $1 and state = 'paid'`,
      [sku, between.fromMs, between.toMs],
    );
    return { paid: rows[0]?.paid ?? 0, unitsSold: rows[0]?.units ?? 0, paidBetween: rows[0]?.between ?? 0 };
  } finally {
    await client.end().catch(() => undefined);
  }
}
