/** Asks the stock's own door how many units are free, as any other service would. */
import { Pool } from "undici";

export interface StockReader {
  /** @throws when no right answer came within the time-out. */
  readonly free: () => Promise<number>;
  close(): Promise<void>;
}

export interface StockReaderOptions {
  readonly origin: string;
  readonly token: string;
  readonly sku: string;
  readonly timeoutMs: number;
}

/** A question that is given up ends its connection, and the next one makes a new one: above the rate times the time-out there is no queue. */
const CONNECTIONS_MAX = 64;

export function stockReader({ origin, token, sku, timeoutMs }: StockReaderOptions): StockReader {
  const pool = new Pool(origin, { connections: CONNECTIONS_MAX, connect: { timeout: timeoutMs } });
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const body = JSON.stringify({ sku });
  return {
    async free() {
      const answer = await pool.request({ path: "/stock/levels", method: "POST", headers, body, signal: AbortSignal.timeout(timeoutMs) });
      return freeIn(answer.statusCode, await answer.body.text());
    },
    close: () => pool.destroy(),
  };
}

function freeIn(status: number, text: string): number {
  if (status !== 200) throw new Error(`the stock answers ${status}: ${text.slice(0, 200)}`);
  const { levels } = JSON.parse(text) as { levels?: { free?: unknown } };
  if (typeof levels?.free !== "number") throw new Error(`the stock answers without its levels: ${text.slice(0, 200)}`);
  return levels.free;
}
