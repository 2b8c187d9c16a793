/** For tests: the doors of orders and stock, in this process and from memory, with faults on demand. They count what they are asked. */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { OrdersDoor, OrderState, Placed, Placement, Sale, StockDoor } from "../../contracts.ts";
import { openDoor, serverOf, type Answers } from "../../service/door.ts";

export const TOKEN = "stand-in-token";
const anything = { type: "object", additionalProperties: true };

export interface StandIn {
  readonly url: string;
  close(): Promise<void>;
}

interface Row extends Placement {
  state: OrderState;
}

export interface OrdersStandIn extends StandIn {
  readonly sales: Map<string, Sale>;
  readonly rows: Row[];
  /** Every question, by path. */
  readonly asked: string[];
  readonly placements: Placement[];
  /** What happens to the next placements: `lost` is placed and not answered, `dropped` is neither. */
  placing: "answered" | "lost" | "dropped" | Placed;
  settling: "answered" | "lost";
  /** Placements wait for this. */
  gate: Promise<void>;
}

export async function ordersStandIn(): Promise<OrdersStandIn> {
  const sales = new Map<string, Sale>();
  const rows: Row[] = [];
  const asked: string[] = [];
  const placements: Placement[] = [];
  const find = (orderId: string): Row | undefined => rows.find((row) => row.orderId === orderId);
  const place = (placement: Placement): Placed => {
    const row = find(placement.orderId);
    if (row?.state === "never-placed") return { kind: "never-placed" };
    if (row !== undefined) return row.quantity === placement.quantity ? { kind: "placed", orderId: row.orderId, again: true } : { kind: "conflict" };
    rows.push({ ...placement, state: "placed" });
    return { kind: "placed", orderId: placement.orderId, again: false };
  };
  const answers: Answers<OrdersDoor> = {
    "/orders/open-sale": question(asked, "/orders/open-sale", async (sale) => {
      sales.set(sale.sku, sale);
      return { kind: "open" };
    }),
    "/orders/sale": question(asked, "/orders/sale", async ({ sku }) => {
      const sale = sales.get(sku);
      return sale === undefined ? { kind: "unknown" } : { kind: "found", sale, counts: { placed: rows.length, paid: 0, unitsSold: 0 } };
    }),
    "/orders/place": question(asked, "/orders/place", async (placement) => {
      placements.push(placement);
      await it.gate;
      if (typeof it.placing === "object") return it.placing;
      if (it.placing === "dropped") throw new Error("dropped");
      const placed = place(placement);
      if (it.placing === "lost") throw new Error("lost");
      return placed;
    }),
    "/orders/settle": question(asked, "/orders/settle", async ({ orderId }) => {
      if (it.settling === "lost") throw new Error("lost");
      if (find(orderId) === undefined) rows.push({ orderId, sku: "", buyer: "", requestId: "", quantity: 0, chunk: null, state: "never-placed" });
      return { kind: find(orderId)?.state === "never-placed" ? "never-placed" : "placed" };
    }),
    "/orders/states": question(asked, "/orders/states", async ({ orderIds }) => ({ states: Object.fromEntries(rows.filter((row) => orderIds.includes(row.orderId)).map((row) => [row.orderId, row.state])) })),
    "/orders/show": question(asked, "/orders/show", async ({ orderId }) => {
      const row = find(orderId);
      if (row === undefined) return { kind: "unknown" };
      const { sku, buyer, quantity, state } = row;
      return { kind: "found", order: { orderId, sku, buyer, quantity, cents: 100, state, timeline: [{ at: 1, what: "placed" }] } };
    }),
    "/orders/cancel": question(asked, "/orders/cancel", async ({ orderId }) => {
      const row = find(orderId);
      if (row === undefined) return { kind: "unknown" };
      row.state = "cancelled";
      return { kind: "found", state: row.state };
    }),
    "/orders/accepted": question(asked, "/orders/accepted", async ({ sku, after }) => ({
      orders: rows.slice(after).filter((row) => row.sku === sku).map(({ orderId, buyer, quantity }) => ({ orderId, buyer, quantity })),
      after: rows.length,
    })),
    "/orders/end-chunk": question(asked, "/orders/end-chunk", async () => ({ open: [] })),
    "/orders/payment-settled": question(asked, "/orders/payment-settled", async () => ({ kind: "taken" })),
  };
  const app = openDoor<OrdersDoor>(answers, { token: TOKEN, onError: () => undefined });
  await app.ready();
  const it: OrdersStandIn = { sales, rows, asked, placements, placing: "answered", settling: "answered", gate: Promise.resolve(), ...(await listening(serverOf(app, {}))) };
  return it;
}

export interface StockStandIn extends StandIn {
  readonly free: Map<string, number>;
  readonly asked: string[];
  /** Chunks that are open, with their units. */
  readonly chunks: Map<string, number>;
  readonly renewed: string[][];
  leaseMs: number;
  /** Units of the largest chunk that is leased out. */
  chunkUnitsMax: number;
  failing: ReadonlySet<string>;
  /** Leases wait for this. */
  gate: Promise<void>;
}

export async function stockStandIn(): Promise<StockStandIn> {
  const free = new Map<string, number>();
  const initial = new Map<string, number>();
  const asked: string[] = [];
  const chunks = new Map<string, number>();
  const renewed: string[][] = [];
  let named = 0;
  const failIf = (path: string): void => {
    if (it.failing.has(path)) throw new Error("failing");
  };
  const answers: Answers<StockDoor> = {
    "/stock/open-item": question(asked, "/stock/open-item", async ({ sku, units }) => {
      if (!free.has(sku)) free.set(sku, units);
      if ((initial.get(sku) ?? units) !== units) throw Object.assign(new Error(`${sku} is open with other units`), { statusCode: 409 });
      initial.set(sku, units);
      return { kind: "open" };
    }),
    "/stock/levels": question(asked, "/stock/levels", async ({ sku }) => {
      failIf("/stock/levels");
      return { kind: "found", levels: { initial: 0, free: free.get(sku) ?? 0, leased: [...chunks.values()].reduce((sum, units) => sum + units, 0), held: 0, sold: 0 } };
    }),
    "/stock/lease-chunk": question(asked, "/stock/lease-chunk", async ({ sku, units }) => {
      await it.gate;
      failIf("/stock/lease-chunk");
      const leased = Math.min(units, free.get(sku) ?? 0, it.chunkUnitsMax);
      if (leased === 0) return { kind: "none" };
      free.set(sku, (free.get(sku) ?? 0) - leased);
      named += 1;
      chunks.set(`chunk-${named}`, leased);
      return { kind: "leased", chunk: `chunk-${named}`, units: leased, leaseMs: it.leaseMs };
    }),
    "/stock/renew-chunks": question(asked, "/stock/renew-chunks", async ({ chunks: ids }) => {
      failIf("/stock/renew-chunks");
      renewed.push([...ids]);
      return { open: ids.filter((id) => chunks.has(id)) };
    }),
    "/stock/end-chunks": question(asked, "/stock/end-chunks", async ({ chunks: ids }) => {
      for (const id of ids) chunks.delete(id);
      return { kind: "ending" };
    }),
  };
  const app = openDoor<StockDoor>(answers, { token: TOKEN, onError: () => undefined });
  await app.ready();
  const it: StockStandIn = { free, asked, chunks, renewed, leaseMs: 60_000, chunkUnitsMax: 1_000, failing: new Set(), gate: Promise.resolve(), ...(await listening(serverOf(app, {}))) };
  return it;
}

function question<Asks, Answered>(asked: string[], path: string, answer: (asks: Asks) => Promise<Answered>): { schema: object; answer: (asks: Asks) => Promise<Answered> } {
  return {
    schema: anything,
    answer: (asks) => {
      asked.push(path);
      return answer(asks);
    },
  };
}

async function listening(server: Server): Promise<StandIn> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
