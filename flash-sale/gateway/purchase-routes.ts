/** What buyers ask: a purchase, and what became of it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { OrdersDoor } from "../contracts.ts";
import type { Asking } from "../service/ask.ts";
import { answerOf, answered, askedTooOften, invalid, noOrder, send, unknownBuyer, unknownOutcome, type Answer } from "./answers.ts";
import type { Buckets } from "./buckets.ts";
import { addressOf, type BuyerOf } from "./buyer.ts";
import type { Purchases, Wish } from "./desk/purchases.ts";
import type { Sales } from "./desk/sales.ts";
import type { Reading } from "./reading.ts";
import { ORDER_ID, purchaseSchema, SKU, statesSchema } from "./schemas.ts";

export interface PurchaseRoutes {
  readonly purchases: Purchases;
  readonly sales: Sales;
  readonly orders: Asking<OrdersDoor>;
  readonly reading: Reading;
  /** By address, for purchases. */
  readonly addresses: Buckets;
  readonly buyerOf: BuyerOf;
  readonly clock: () => number;
  readonly onError: (error: unknown) => void;
}

const BODY_BYTES_MAX = 8_192;
/** 500 ids with their quotes and commas. */
const STATES_BODY_BYTES_MAX = 32_768;
const badSku = invalid(400, "invalid-sku", { message: "this cannot be a sku", where: "path/sku", hint: "1 to 64 letters, digits, dots, dashes and underscores" });

export function purchaseRoutes(app: FastifyInstance, routes: PurchaseRoutes): void {
  const { reading, orders, sales, addresses, clock } = routes;
  const onRequest = (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const waitMs = addresses.take(addressOf(request.socket), clock());
    if (waitMs > 0) send(reply, askedTooOften(waitMs));
    else done();
  };
  app.post<{ Params: { sku: string }; Body: Wish }>("/sales/:sku/purchases", { bodyLimit: BODY_BYTES_MAX, onRequest, schema: { body: purchaseSchema } }, (request, reply) => purchase(routes, request, reply));
  app.get<{ Params: { orderId: string } }>("/purchases/:orderId", { onRequest: reading.onRequest }, (request, reply) =>
    reading.answer(reply, () => show(orders, request.params.orderId)),
  );
  app.post<{ Body: { orderIds: string[] } }>("/purchases/states", { bodyLimit: STATES_BODY_BYTES_MAX, onRequest: reading.onRequest, schema: { body: statesSchema } }, (request, reply) =>
    reading.answer(reply, async () => {
      const { states } = await orders.ask("/orders/states", { orderIds: request.body.orderIds });
      return answered({ kind: "states", states });
    }),
  );
  app.post<{ Params: { orderId: string } }>("/purchases/:orderId/cancel", { bodyLimit: BODY_BYTES_MAX, onRequest: reading.onRequest }, (request, reply) =>
    reading.answer(reply, () => cancel(orders, sales, request.params.orderId), unknownOutcome("nobody knows yet whether this order will be cancelled", { orderId: ORDER_ID.test(request.params.orderId) ? request.params.orderId : "" })),
  );
}

/** No promise where memory can answer. */
function purchase({ purchases, buyerOf, onError }: PurchaseRoutes, request: FastifyRequest<{ Params: { sku: string }; Body: Wish }>, reply: FastifyReply): void {
  const { sku } = request.params;
  if (!SKU.test(sku)) return send(reply, badSku);
  const buyer = buyerOf(request);
  if (buyer === undefined) return send(reply, unknownBuyer);
  const { quantity, requestId } = request.body;
  const purchased = purchases.ask({ sku, buyer, quantity, requestId });
  if (!(purchased instanceof Promise)) return send(reply, answerOf(purchased));
  void purchased.then(
    (known) => send(reply, answerOf(known)),
    (error: unknown) => {
      onError(error);
      send(reply, unknownOutcome("this service failed"));
    },
  );
}

async function show(orders: Asking<OrdersDoor>, orderId: string): Promise<Answer> {
  if (!ORDER_ID.test(orderId)) return noOrder;
  const found = await orders.ask("/orders/show", { orderId });
  return found.kind === "found" ? answered({ kind: "found", ...found.order }) : noOrder;
}

async function cancel(orders: Asking<OrdersDoor>, sales: Sales, orderId: string): Promise<Answer> {
  if (!ORDER_ID.test(orderId)) return noOrder;
  sales.doubt(orderId);
  const found = await orders.ask("/orders/cancel", { orderId });
  return found.kind === "found" ? answered({ kind: "found", orderId, state: found.state }) : noOrder;
}
