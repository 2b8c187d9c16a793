/** For tests: a gateway in this process, between stand-ins, and a client of it. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { OrdersDoor, Sale, StockDoor } from "../../contracts.ts";
import { openEscrow } from "../../gates/escrow/escrow.ts";
import { asking, askingAny } from "../../service/ask.ts";
import { openGateway, type GatewayOptions } from "../app.ts";
import { TOKEN, type OrdersStandIn, type StockStandIn } from "./stand-ins.ts";

export const ADMIN_TOKEN = "stand-in-admin";
export const LAMP: Sale = { sku: "lamp", units: 100, cents: 2_500, limitPerBuyer: 2, paymentWindowMs: 60_000, opensAt: 0, closesAt: 8_640_000_000_000 };

export interface Said {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface GatewayUnderTest {
  readonly url: string;
  /** As if it came from this address. */
  buyFrom(address: string, buyer: string, headers?: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly code: unknown }>;
  buy(wish: { readonly buyer?: string; readonly quantity?: number; readonly requestId?: string; readonly sku?: string }): Promise<Said>;
  ask(path: string, init?: RequestInit): Promise<Said>;
  close(): Promise<void>;
}

export async function gatewayBetween(workers: readonly OrdersStandIn[], stock: StockStandIn, more: Partial<GatewayOptions> & { readonly chunkUnits?: number } = {}): Promise<GatewayUnderTest> {
  const asked = workers.map(({ url }) => asking<OrdersDoor>(url, TOKEN));
  const orders = askingAny<OrdersDoor>(workers.map(({ url }) => url), TOKEN);
  const stockAsked = asking<StockDoor>(stock.url, TOKEN);
  const gate = openEscrow({ stock: stockAsked, gateway: "gateway-1", chunkUnits: more.chunkUnits ?? 8, onError: () => undefined, ...(more.clock === undefined ? {} : { clock: more.clock }) });
  const gateway = await openGateway({ gate, workers: asked, orders, stock: stockAsked, adminToken: ADMIN_TOKEN, ratePerSecond: 1_000_000, rateBurst: 1_000_000, refreshMs: 20, onError: () => undefined, ...more });
  const { server } = gateway.app;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = async (path: string, init?: RequestInit): Promise<Said> => {
    const response = await fetch(`${url}${path}`, init);
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) as Said["body"] };
  };
  return {
    url,
    ask,
    async buyFrom(remoteAddress, buyer, headers = {}) {
      const response = await gateway.app.inject({ method: "POST", url: "/sales/lamp/purchases", remoteAddress, headers, payload: { buyer, quantity: 1, requestId: randomUUID() } });
      return { status: response.statusCode, code: response.json<{ code?: string }>().code };
    },
    buy: ({ sku = "lamp", buyer = "ada", quantity = 1, requestId = "r1" }) => ask(`/sales/${sku}/purchases`, posting({ buyer, quantity, requestId })),
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      await gateway.stop();
      await Promise.all([...asked, orders, stockAsked].map((one) => one.close()));
    },
  };
}

export function posting(body: unknown, headers: Readonly<Record<string, string>> = {}): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) };
}

/** Looks until it holds, for 10 s at most. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endsAt = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > endsAt) throw new Error(`it never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
