/** The platform's tables as evidence: one query a table, its columns under the names that the judges use. */
import type {
  AllowanceRow, ChunkRow, Evidence, HoldRow, ItemRow, MovementRow, OrderEventRow, OrderRow, PaymentRow, PostingRow, SaleTerms,
} from "../checkers/checker.ts";
import type { Snapshot } from "./snapshot.ts";

const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;

export async function readOrders(snapshot: Snapshot): Promise<Pick<Evidence, "sales" | "orders" | "events" | "allowances">> {
  return {
    sales: await snapshot.read<SaleTerms>("sale", `select sku, units, cents, limit_per_buyer as "limitPerBuyer" from sale order by sku`),
    orders: await snapshot.read<OrderRow>(
      "orders",
      `select order_id as "orderId", seq::float8 as seq, sku, buyer, request_id as "requestId", quantity, cents, chunk, state, because,
              ${ms("placed_at")} as "placedAtMs", ${ms("expires_at")} as "expiresAtMs", ${ms("ended_at")} as "endedAtMs"
         from orders order by seq`,
    ),
    events: await snapshot.read<OrderEventRow>("order_event", `select order_id as "orderId", ${ms("at")} as "atMs", what from order_event`),
    allowances: await snapshot.read<AllowanceRow>("allowance", `select sku, buyer, units from allowance`),
  };
}

/** @param gatewaysSinceMs when the gateways' present processes began */
export async function readStock(snapshot: Snapshot, gatewaysSinceMs = 0): Promise<Pick<Evidence, "items" | "chunks" | "holds" | "movements">> {
  return {
    items: await snapshot.read<ItemRow>("item", `select sku, initial, free from item order by sku`),
    chunks: await snapshot.read<ChunkRow>("chunk", `select id, sku, gateway || case when opened_at < to_timestamp(${gatewaysSinceMs}::float8 / 1000) then ', an earlier process' else '' end as gateway, leased, reserved, returned, state from chunk order by id`),
    holds: await snapshot.read<HoldRow>("hold", `select order_id as "orderId", sku, quantity, chunk, state from hold`),
    movements: await snapshot.read<MovementRow>("movement", `select id::float8 as id, sku, reference, source, target, units, ${ms("at")} as "atMs" from movement order by id`),
  };
}

export async function readPayment(snapshot: Snapshot): Promise<Pick<Evidence, "payments" | "postings">> {
  return {
    payments: await snapshot.read<PaymentRow>("payment", `select order_id as "orderId", buyer, cents, capture, state, errand, ${ms("changed_at")} as "changedAtMs" from payment`),
    postings: await snapshot.read<PostingRow>("posting", `select id::float8 as id, order_id as "orderId", entry, account, cents from posting order by id`),
  };
}
