/** What the services of this shop say to each other. In real life each owner publishes these as part of his API. */

/** To the stock, a saga participant at `/stock`. */
export type Reservation = { readonly sku: string; readonly quantity: number };
export type Hold = { readonly hold: string };

/** To the payment, a TCC participant at `/wallet`. */
export type Charge = { readonly buyer: string; readonly cents: number };

/** To the order service. */
export type Order = { readonly buyer: string; readonly sku: string; readonly quantity: number; readonly cents: number };
export type Receipt = { readonly orderId: string };

/** Events, to whoever wants to know: `order.placed`, and `stock.low` when few are left. */
export type OrderPlaced = { readonly orderId: string; readonly buyer: string; readonly sku: string; readonly quantity: number };
export type StockLow = { readonly sku: string; readonly free: number };
