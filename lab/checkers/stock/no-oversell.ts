import type { MovementRow, StockAccount } from "../checker.ts";
import { checking } from "../findings.ts";

/**
 * For each sale: units held + sold ≤ units of the sale, units of paid orders ≤ units of the sale, and in every prefix of the movements
 * no account but `outside` is below zero. The ids of movements are an order only because a movement is written after the guarded
 * update of its row, in that row's lock.
 */
export const noOversell = checking("no-oversell", ["items", "holds", "orders", "movements"], ({ sales, items, holds, orders, movements }, findings) => {
  const taken = new Map<string, number>();
  for (const { sku, quantity, state } of holds) if (state === "held" || state === "sold") add(taken, sku, quantity);
  const paid = new Map<string, number>();
  for (const { sku, quantity, state } of orders) if (sku !== null && (state === "paid" || state === "refunding")) add(paid, sku, quantity ?? 0);
  const lows = lowestOf(movements);
  for (const { sku, initial } of items) {
    findings.looked();
    const units = Math.min(initial, sales?.find((sale) => sale.sku === sku)?.units ?? initial);
    const [inStock, inOrders, once] = [(taken.get(sku) ?? 0) - units, (paid.get(sku) ?? 0) - units, -(lows.get(`${sku} promised`) ?? 0)];
    const oversold = Math.max(inStock, inOrders, once);
    if (oversold > 0) findings.add({ kind: "oversold", key: sku, units: oversold, detail: `of ${units} units: ${taken.get(sku) ?? 0} held or sold, ${paid.get(sku) ?? 0} paid, ${Math.max(once, 0)} too many at one time` });
    for (const account of ACCOUNTS) {
      const low = lows.get(`${sku} ${account}`) ?? 0;
      if (low < 0) findings.add({ kind: "below-zero", key: sku, units: -low, detail: `${account} went down to ${low}` });
    }
  }
});

const ACCOUNTS: readonly StockAccount[] = ["free", "chunk", "held", "sold"];

/** The lowest that each account of each sale ever was; `promised`: what was in the house less what was held or sold. */
function lowestOf(movements: readonly MovementRow[]): Map<string, number> {
  const now = new Map<string, number>();
  const lowest = new Map<string, number>();
  const move = (name: string, units: number): void => {
    const balance = add(now, name, units);
    if (balance < (lowest.get(name) ?? 0)) lowest.set(name, balance);
  };
  const unpromised = (account: StockAccount): boolean => account === "free" || account === "chunk";
  for (const { sku, source, target, units } of movements) {
    move(`${sku} ${target}`, units);
    move(`${sku} ${source}`, -units);
    const change = (unpromised(target) ? units : 0) - (unpromised(source) ? units : 0);
    if (change !== 0) move(`${sku} promised`, change);
  }
  return lowest;
}

function add(sums: Map<string, number>, name: string, amount: number): number {
  const sum = (sums.get(name) ?? 0) + amount;
  sums.set(name, sum);
  return sum;
}
