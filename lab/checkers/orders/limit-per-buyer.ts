import { checking } from "../findings.ts";

/**
 * For each sale and buyer: units of paid orders ≤ allowance ≤ limit; and an allowance is spent by nothing but orders that are placed, paid
 * or given back. Whether units that were given back count, is the sale's own business.
 */
export const limitPerBuyer = checking("limit-per-buyer", ["sales", "orders", "allowances"], ({ sales, orders, allowances }, findings) => {
  const limits = new Map(sales.map(({ sku, limitPerBuyer: limit }) => [sku, limit]));
  const buyers = new Map<string, Spent>();
  const spentBy = (sku: string, buyer: string): Spent => {
    const key = JSON.stringify([sku, buyer]);
    const spent = buyers.get(key) ?? { sku, buyer, paid: 0, live: 0, most: 0, allowed: 0 };
    buyers.set(key, spent);
    return spent;
  };
  for (const { sku, buyer, quantity, state } of orders) {
    if (sku === null || buyer === null || quantity === null) continue;
    const spent = spentBy(sku, buyer);
    if (state === "paid" || state === "refunding") spent.paid += quantity;
    if (state === "paid" || state === "refunding" || state === "placed") spent.live += quantity;
    if (state === "paid" || state === "refunding" || state === "placed" || state === "refunded") spent.most += quantity;
  }
  for (const { sku, buyer, units } of allowances) spentBy(sku, buyer).allowed += units;
  for (const [key, { sku, paid, live, most, allowed }] of buyers) {
    findings.looked();
    const limit = limits.get(sku);
    if (limit === undefined) findings.add({ kind: "no-sale", key, units: most, detail: "bought of a sale that nobody knows" });
    else if (paid > limit) findings.add({ kind: "over-limit", key, units: paid - limit, detail: `${paid} units paid, ${limit} allowed` });
    else if (allowed > limit) findings.add({ kind: "allowance-over-limit", key, units: allowed - limit, detail: `an allowance of ${allowed} is spent, ${limit} allowed` });
    if (allowed < live || allowed > most) findings.add({ kind: "allowance-disagrees", key, units: allowed < live ? live - allowed : allowed - most, detail: `an allowance of ${allowed} is spent, by orders of ${live} units` });
  }
});

interface Spent {
  readonly sku: string;
  readonly buyer: string;
  paid: number;
  live: number;
  most: number;
  allowed: number;
}
