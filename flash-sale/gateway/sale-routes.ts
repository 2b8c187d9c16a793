/** The sale itself: shown to everybody, opened by whoever has the admin's token. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { OrdersDoor, Sale, StockDoor } from "../contracts.ts";
import type { Gate } from "../gates/gate.ts";
import { NotTaken, type Asking } from "../service/ask.ts";
import { answered, invalid, otherTerms, noSale, notAllowed, overloaded, send, unknownOutcome, type Answer } from "./answers.ts";
import type { Sales } from "./desk/sales.ts";
import type { Reading } from "./reading.ts";
import { saleSchema, SKU } from "./schemas.ts";

export interface SaleRoutes {
  readonly sales: Sales;
  readonly gate: Gate;
  readonly orders: Asking<OrdersDoor>;
  readonly stock: Asking<StockDoor>;
  readonly reading: Reading;
  readonly adminToken: string;
}

const BODY_BYTES_MAX = 8_192;
/** A quarter of an hour to pay, where a sale does not say otherwise. */
const PAYMENT_WINDOW_MS = 900_000;
const windowless = invalid(400, "invalid-field", { message: "must be later than opensAt", where: "body/closesAt", hint: "both are milliseconds of Unix time" });

export function saleRoutes(app: FastifyInstance, routes: SaleRoutes): void {
  const { sales, reading, adminToken } = routes;
  const expected = digest(`Bearer ${adminToken}`);
  const onlyAdmins = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    // Digests are of one length, so the time that it takes to compare them tells nothing.
    if (timingSafeEqual(digest(request.headers.authorization ?? ""), expected)) done();
    else send(reply, notAllowed);
  };
  app.get("/sales", { onRequest: reading.onRequest }, (_request, reply) => send(reply, answered({ kind: "sales", sales: sales.names().map((sku) => ({ sku })) })));
  app.get<{ Params: { sku: string } }>("/sales/:sku", { onRequest: reading.onRequest }, (request, reply) => reading.answer(reply, () => show(routes, request.params.sku)));
  app.post<{ Body: Omit<Sale, "paymentWindowMs"> & Partial<Sale> }>("/sales", { bodyLimit: BODY_BYTES_MAX, onRequest: [reading.onRequest, onlyAdmins], schema: { body: saleSchema } }, (request, reply) =>
    reading.answer(reply, () => openSale(routes, { paymentWindowMs: PAYMENT_WINDOW_MS, ...request.body }), unknownOutcome("nobody knows yet whether the sale is open")),
  );
}

async function show({ sales, gate }: SaleRoutes, sku: string): Promise<Answer> {
  if (!SKU.test(sku)) return noSale;
  const view = await sales.view(sku);
  if (view.kind !== "found") return view.kind === "no-sale" ? noSale : overloaded();
  const { sale, counts } = view;
  const remaining = await gate.remaining(sku);
  const now = Date.now();
  const shown = { kind: "sale", ...sale, open: now >= sale.opensAt && now < sale.closesAt, remaining: remaining ?? null, remainingIs: "approximate", counts };
  return answered(shown);
}

/** The units first: a sale that is open has something to sell. Both may be asked for again. */
async function openSale({ sales, orders, stock }: SaleRoutes, sale: Sale): Promise<Answer> {
  if (sale.closesAt <= sale.opensAt) return windowless;
  try {
    await stock.ask("/stock/open-item", { sku: sale.sku, units: sale.units });
    await orders.ask("/orders/open-sale", sale);
  } catch (error) {
    if (error instanceof NotTaken && error.status === 409) return otherTerms;
    throw error;
  }
  sales.opened(sale.sku);
  return answered({ kind: "open", sku: sale.sku });
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
