/** The orders' door: what gateways, the stock and the payment ask of a purchase worker. */
import type { OpenTransaction } from "tripact/barrier";
import type { OrdersDoor, OrderState, OrderView } from "../contracts.ts";
import type { OrdersPart, ServiceSide } from "../modes/mode.ts";
import type { Answers } from "../service/door.ts";
import { acceptedAfter, because, countsOf, endChunk, openSale, orderOf, saleOf, settle, statesOf, timelineOf } from "./ledger.ts";
import type { Placing } from "./place.ts";

const text = { type: "string", minLength: 1, maxLength: 200 };
const count = { type: "integer", minimum: 1, maximum: 1_000_000_000 };
const time = { type: "integer", minimum: 0 };
const asked = (properties: Readonly<Record<string, object>>): object => ({ type: "object", additionalProperties: false, required: Object.keys(properties), properties });
const ofOrder = asked({ orderId: text });

/** A sale of this name is open already, on other terms. */
class OtherSale extends Error {
  readonly statusCode = 409;
}

export function ordersAnswers({ open, db: alone }: Pick<ServiceSide, "open" | "db">, part: OrdersPart, placing: Placing): Answers<OrdersDoor> {
  return {
    "/orders/open-sale": {
      schema: asked({ sku: text, units: count, cents: time, limitPerBuyer: count, paymentWindowMs: count, opensAt: time, closesAt: time }),
      answer: async (sale) => {
        const there = await open((db) => openSale(db, sale));
        if (Object.entries(sale).some(([key, value]) => there[key as keyof typeof there] !== value)) throw new OtherSale(`the sale ${sale.sku} is there already, on other terms`);
        return { kind: "open" };
      },
    },
    "/orders/sale": {
      schema: asked({ sku: text }),
      answer: ({ sku }) =>
        open(async (db) => {
          const sale = await saleOf(db, sku);
          return sale === undefined ? { kind: "unknown" } : { kind: "found", sale, counts: await countsOf(db, sku) };
        }),
    },
    "/orders/place": {
      schema: asked({ orderId: text, sku: text, buyer: text, requestId: text, quantity: count, chunk: { type: ["string", "null"], maxLength: 200 } }),
      answer: (placement) => placing.place(placement),
    },
    "/orders/settle": { schema: ofOrder, answer: ({ orderId }) => open(async (db) => ({ kind: (await settle(db, orderId)) ? "placed" : "never-placed" })) },
    "/orders/states": {
      schema: asked({ orderIds: { type: "array", minItems: 1, maxItems: 500, items: text } }),
      answer: async ({ orderIds }) => ({ states: await statesOf(alone, orderIds) }),
    },
    "/orders/show": { schema: ofOrder, answer: ({ orderId }) => show(open, part, orderId) },
    "/orders/cancel": { schema: ofOrder, answer: ({ orderId }) => cancel(open, part, orderId) },
    "/orders/accepted": { schema: asked({ sku: text, after: time }), answer: ({ sku, after }) => acceptedAfter(alone, sku, after) },
    "/orders/end-chunk": { schema: asked({ chunk: text }), answer: ({ chunk }) => open(async (db) => ({ open: await endChunk(db, chunk) })) },
    "/orders/payment-settled": {
      schema: asked({ orderId: text, outcome: { enum: ["authorised", "captured", "declined"] } }),
      answer: async (settled) => {
        await part.settled?.(settled);
        return { kind: "taken" };
      },
    },
  };
}

async function show(open: OpenTransaction, part: OrdersPart, orderId: string): Promise<{ readonly kind: "found"; readonly order: OrderView } | { readonly kind: "unknown" }> {
  const [order, own] = await open(async (db) => [await orderOf(db, orderId), await timelineOf(db, orderId)] as const);
  if (order === undefined) return { kind: "unknown" };
  const { sku, buyer, quantity, cents, state } = order;
  const timeline = [...own, ...((await part.timeline?.(orderId)) ?? [])].toSorted((a, b) => a.at - b.at);
  return { kind: "found", order: { orderId, sku, buyer, quantity, cents, state, timeline } };
}

/** The wish is written down first: whatever ends the order then, the buyer hears that it was he. */
async function cancel(open: OpenTransaction, part: OrdersPart, orderId: string): Promise<{ readonly kind: "found"; readonly state: OrderState } | { readonly kind: "unknown" }> {
  const stateNow = async (): Promise<OrderState | undefined> => (await open((db) => orderOf(db, orderId)))?.state;
  const state = await stateNow();
  if (state === undefined) return { kind: "unknown" };
  if (state === "placed") {
    await open((db) => because(db, orderId, "cancelled"));
    await part.cancel(orderId);
  } else if (state === "paid") {
    await part.refund(orderId);
  }
  return { kind: "found", state: (await stateNow()) ?? state };
}
