/**
 * What the services of the flash sale say to each other: JSON over HTTP, one `POST` a question. Every question may be asked again; every
 * answer that matters is a row in the database of whoever gives it. Money is in cents, times are milliseconds, `At` is Unix time.
 */

/** The five ways to make the same purchase. */
export type ModeName = "naive" | "saga" | "choreography" | "tcc" | "outbox";
export const MODES: readonly ModeName[] = ["naive", "saga", "choreography", "tcc", "outbox"];

/** What is on offer, and under which rules. `sku` names the sale. */
export interface Sale {
  readonly sku: string;
  readonly units: number;
  /** For one unit. */
  readonly cents: number;
  readonly limitPerBuyer: number;
  /** An order that is not paid after this time gives its units back. */
  readonly paymentWindowMs: number;
  readonly opensAt: number;
  readonly closesAt: number;
}

/** A promise to one buyer. `orderId` is a hash of sale, buyer and request id, so the same request has the same order everywhere. */
export interface Order {
  readonly orderId: string;
  readonly sku: string;
  readonly buyer: string;
  readonly requestId: string;
  readonly quantity: number;
  readonly cents: number;
  /** The chunk of units that the gateway has promised this order from. */
  readonly chunk: string | null;
  readonly paymentWindowMs: number;
}

/** What a gateway asks of the orders. The price is not his to say. */
export type Placement = Pick<Order, "orderId" | "sku" | "buyer" | "requestId" | "quantity" | "chunk">;

/**
 * `placed` is a promise: the order's row is committed, and it will come to one final state. `conflict`: the same request id was used with
 * another quantity. `never-placed`: somebody was told that this order does not exist, so it never will.
 */
export type Placed = { readonly kind: "placed"; readonly orderId: string; readonly again: boolean } | { readonly kind: "limited" | "conflict" | "never-placed" | "closed" | "overloaded" };

/**
 * `placed`: the way is open. `paid`: the buyer has the units, the shop the money. Every other one: neither, in the end.
 * `refunding` and `refunded` follow `paid` when the buyer gives the units back. `never-placed` is a tombstone.
 */
export type OrderState = "placed" | "paid" | "sold-out" | "declined" | "expired" | "cancelled" | "failed" | "refunding" | "refunded" | "never-placed";
export const FINAL: ReadonlySet<OrderState> = new Set<OrderState>(["paid", "sold-out", "declined", "expired", "cancelled", "failed", "refunded", "never-placed"]);

export interface OrderView {
  readonly orderId: string;
  readonly sku: string;
  readonly buyer: string;
  readonly quantity: number;
  readonly cents: number;
  readonly state: OrderState;
  readonly timeline: readonly { readonly at: number; readonly what: string }[];
}

export interface SaleCounts {
  readonly placed: number;
  readonly paid: number;
  readonly unitsSold: number;
}

/** `/orders/…`, offered by every purchase worker. */
export interface OrdersDoor {
  "/orders/open-sale": { readonly asks: Sale; readonly answers: { readonly kind: "open" } };
  "/orders/sale": { readonly asks: { readonly sku: string }; readonly answers: { readonly kind: "found"; readonly sale: Sale; readonly counts: SaleCounts } | { readonly kind: "unknown" } };
  "/orders/place": { readonly asks: Placement; readonly answers: Placed };
  /** To be told `never-placed` makes it so: a gateway may give the unit back then. */
  "/orders/settle": { readonly asks: { readonly orderId: string }; readonly answers: { readonly kind: "placed" | "never-placed" } };
  "/orders/states": { readonly asks: { readonly orderIds: readonly string[] }; readonly answers: { readonly states: Readonly<Record<string, OrderState>> } };
  "/orders/show": { readonly asks: { readonly orderId: string }; readonly answers: { readonly kind: "found"; readonly order: OrderView } | { readonly kind: "unknown" } };
  /** Before it is paid: a roll back is asked for. Afterwards: a refund. The answer says where it stands by then. */
  "/orders/cancel": { readonly asks: { readonly orderId: string }; readonly answers: { readonly kind: "found"; readonly state: OrderState } | { readonly kind: "unknown" } };
  /** Orders of a sale in the order of their rows, so that a gateway that starts knows who has bought. At most 5,000 at a time. */
  "/orders/accepted": {
    readonly asks: { readonly sku: string; readonly after: number };
    readonly answers: { readonly orders: readonly Pick<Order, "orderId" | "buyer" | "quantity">[]; readonly after: number };
  };
  /**
   * Ends a chunk for placements: whatever is placed later with it goes to the free pool. Tells which orders of this chunk are still on
   * their way, so that their units are kept.
   */
  "/orders/end-chunk": { readonly asks: { readonly chunk: string }; readonly answers: { readonly open: readonly Pick<Order, "orderId" | "quantity">[] } };
  /** The provider has answered; the modes that are called, not told by messages, hear of it here. */
  "/orders/payment-settled": { readonly asks: PaymentSettled; readonly answers: { readonly kind: "taken" } };
}

export interface PaymentSettled {
  readonly orderId: string;
  /** `authorised`: the money is set aside, `captured`: it is ours. */
  readonly outcome: "authorised" | "captured" | "declined";
}

export interface StockLevels {
  readonly initial: number;
  /** In nobody's hands. */
  readonly free: number;
  /** In chunks, promised by nobody yet, or not yet reserved. */
  readonly leased: number;
  readonly held: number;
  readonly sold: number;
}

/** `/stock/…` */
export interface StockDoor {
  "/stock/open-item": { readonly asks: { readonly sku: string; readonly units: number }; readonly answers: { readonly kind: "open" } };
  "/stock/levels": { readonly asks: { readonly sku: string }; readonly answers: { readonly kind: "found"; readonly levels: StockLevels } | { readonly kind: "unknown" } };
  /** Units for a gateway to sell from memory, for as long as its heartbeat is heard every `leaseMs`. `none`: nothing is free right now. */
  "/stock/lease-chunk": {
    readonly asks: { readonly gateway: string; readonly sku: string; readonly units: number };
    readonly answers: { readonly kind: "leased"; readonly chunk: string; readonly units: number; readonly leaseMs: number } | { readonly kind: "none" };
  };
  /** A heartbeat for these chunks. The answer names those that are still open; the gateway stops selling from the rest. */
  "/stock/renew-chunks": { readonly asks: { readonly gateway: string; readonly chunks: readonly string[] }; readonly answers: { readonly open: readonly string[] } };
  /** The gateway sells no more of these; their rest returns. */
  "/stock/end-chunks": { readonly asks: { readonly chunks: readonly string[] }; readonly answers: { readonly kind: "ending" } };
}

/** `/payment/…` */
export interface PaymentDoor {
  "/payment/state": { readonly asks: { readonly orderId: string }; readonly answers: { readonly kind: "found"; readonly state: PaymentState } | { readonly kind: "unknown" } };
}

/**
 * `requested` → `authorised` → `captured`, or `requested` → `captured`, or `declined`. `voided` was called off before money moved; money
 * that comes all the same is `refund-due` in the same commit, then `refunded`.
 */
export type PaymentState = "requested" | "authorised" | "captured" | "declined" | "voided" | "refund-due" | "refunded";

/** What stock and payment are asked for, by whichever mode. */
export type Reservation = Pick<Order, "sku" | "quantity" | "chunk">;
export type Bill = Pick<Order, "buyer" | "cents">;

/** The provider's own API: another company's, so its questions carry its own key. */
export interface ProviderDoor {
  /** Answered at once with `pending`, or with what is known under this key; the rest comes by callback. */
  "/charges/request": { readonly asks: ChargeRequest; readonly answers: Charge };
  "/charges/lookup": { readonly asks: { readonly key: string }; readonly answers: Charge | { readonly kind: "unknown" } };
  "/charges/capture": { readonly asks: { readonly key: string }; readonly answers: Charge };
  /** Frees an authorised charge; a pending one is refused when its time comes. To void a captured charge is to refund it. */
  "/charges/void": { readonly asks: { readonly key: string }; readonly answers: Charge };
  "/charges/refund": { readonly asks: { readonly key: string }; readonly answers: Charge };
  /** The provider's book, for audits. */
  "/charges/book": { readonly asks: { readonly after: number }; readonly answers: { readonly charges: readonly Charge[]; readonly after: number } };
}

export interface ChargeRequest {
  /** The caller's idempotency key. */
  readonly key: string;
  readonly buyer: string;
  readonly cents: number;
  readonly capture: "at-once" | "later";
  /** Where the answer is to be posted, signed. */
  readonly callbackUrl: string;
}

export interface Charge {
  readonly kind: "charge";
  readonly key: string;
  readonly cents: number;
  readonly state: "pending" | "authorised" | "captured" | "declined" | "voided" | "refunded";
}
