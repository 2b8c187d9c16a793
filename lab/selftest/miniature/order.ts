/** What is sold, and to whom. One unit an order: what can go wrong with two can go wrong with one. */
export const SKU = "pen";
export const CENTS = 100;
export const LIMIT_PER_BUYER = 3;

export interface Order {
  readonly orderId: string;
  readonly buyer: string;
  readonly requestId: string;
}

export const orderNamed = (orderId: string): Order => ({ orderId, buyer: `buyer-of-${orderId}`, requestId: `request-${orderId}` });

export const ordersNamed = (count: number): readonly Order[] => Array.from({ length: count }, (_, index) => orderNamed(`o${index + 1}`));

/** What a participant says. A call may also come back `unknown`. */
export type Answer = "done" | "refused";
