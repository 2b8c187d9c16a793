import type { StockAccount } from "../checker.ts";
import { checking } from "../findings.ts";

/**
 * For each sale: free + what is left of chunks that are not closed + held + sold = initial = units of the sale; and the movements into
 * an account less those out of it come to the same as its rows.
 */
export const stockConserved = checking("stock-conserved", ["items", "chunks", "holds", "movements"], ({ sales, items, chunks, holds, movements }, findings) => {
  const rows = new Map<string, Balances>(items.map(({ sku, initial, free }) => [sku, { outside: -initial, free, chunk: 0, held: 0, sold: 0 }]));
  const moved = new Map<string, Balances>(items.map(({ sku }) => [sku, { outside: 0, free: 0, chunk: 0, held: 0, sold: 0 }]));
  const strays = new Set<string>();
  const put = (balances: Map<string, Balances>, sku: string, account: StockAccount, units: number): void => {
    const found = balances.get(sku);
    if (found === undefined) strays.add(sku);
    else found[account] += units;
  };
  for (const { sku, leased, reserved, returned, state } of chunks) if (state !== "closed") put(rows, sku, "chunk", leased - reserved - returned);
  for (const { sku, quantity, state } of holds) if (state === "held" || state === "sold") put(rows, sku, state, quantity);
  for (const { sku, source, target, units } of movements) {
    put(moved, sku, source, -units);
    put(moved, sku, target, units);
  }
  for (const sku of strays) findings.add({ kind: "no-item", key: sku, detail: "chunks, holds or movements of what was never on offer" });
  for (const { sku, initial } of items) {
    findings.looked();
    const [have, say] = [rows.get(sku), moved.get(sku)];
    if (have === undefined || say === undefined) continue;
    const there = have.free + have.chunk + have.held + have.sold;
    if (there !== initial) findings.add({ kind: there < initial ? "units-lost" : "units-made", key: sku, units: Math.abs(there - initial), detail: `${have.free} free + ${have.chunk} in chunks + ${have.held} held + ${have.sold} sold = ${there}, not ${initial}` });
    const terms = sales?.find((sale) => sale.sku === sku);
    if (terms !== undefined && terms.units !== initial) findings.add({ kind: "another-amount", key: sku, units: Math.abs(terms.units - initial), detail: `${terms.units} units were put on sale, the stock began with ${initial}` });
    for (const account of ACCOUNTS) {
      if (say[account] !== have[account]) findings.add({ kind: "movements-disagree", key: sku, units: Math.abs(say[account] - have[account]), detail: `${account}: ${say[account]} by movements, ${have[account]} by rows` });
    }
  }
});

type Balances = Record<StockAccount, number>;
const ACCOUNTS: readonly StockAccount[] = ["outside", "free", "chunk", "held", "sold"];
