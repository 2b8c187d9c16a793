/** The saga of these tests: two steps in two services, one after the other or side by side, and the service that starts it. */
import { choreography, json, Refused, type Initiator } from "tripact/choreography";
import { note, service, type Service } from "./world.ts";

export interface Order {
  readonly sku: string;
  readonly refuse?: string;
}

const options = { input: json<Order>(), deadlineMs: 3_600_000 };

export const chain = choreography("purchase", options)
  .step("reserve", { payload: (order) => order.sku, result: json<{ hold: string }>() })
  .step("charge", { payload: (order, { reserve }) => `${order.sku} under ${reserve.hold}`, result: json<{ receipt: string }>() });

/** The second step is begun by the start, like the first. */
export const sideBySide = choreography("purchase", options)
  .step("reserve", { payload: (order) => order.sku, result: json<{ hold: string }>() })
  .step("charge", { after: [], payload: (order) => order.sku, result: json<{ receipt: string }>() });

export type Purchase = typeof chain | typeof sideBySide;

/** Where a saga begins and is decided. */
export interface Starter {
  readonly start: Initiator<Order, unknown>["start"];
  readonly cancel: (db: Parameters<Initiator<Order, unknown>["cancel"]>[0], gid: string) => Promise<unknown>;
  readonly sweep: Initiator<Order, unknown>["sweep"];
}

export interface Setup {
  readonly starter: Starter;
  readonly services: readonly Service[];
}

export function initiatorOf(purchase: Purchase) {
  return purchase.initiator({
    committed: (db, { gid, results }) => note(db, gid, "order", `placed ${results.reserve.hold} ${results.charge.receipt}`),
    rolledBack: (db, { gid }) => note(db, gid, "order", "cancelled"),
  });
}

export const reserve = {
  async action(db: Parameters<typeof note>[0], { gid, key, input }: { gid: string; key: string; input: Order }) {
    await note(db, gid, "reserve", "action");
    if (input.refuse === "reserve") throw new Refused("sold-out", { sku: input.sku });
    return { hold: key.replace(gid, "h") };
  },
  compensate: (db: Parameters<typeof note>[0], { gid, result }: { gid: string; result: { hold: string } }) => note(db, gid, "reserve", `undo ${result.hold}`),
};

export const charge = {
  async action(db: Parameters<typeof note>[0], { gid, input }: { gid: string; input: Order }) {
    await note(db, gid, "charge", "action");
    if (input.refuse === "charge") throw new Refused("no-funds");
    return { receipt: "r" };
  },
  compensate: (db: Parameters<typeof note>[0], { gid, result }: { gid: string; result: { receipt: string } }) => note(db, gid, "charge", `undo ${result.receipt}`),
};

export function setupOf(purchase: Purchase): Setup {
  const initiator = initiatorOf(purchase);
  return {
    starter: initiator,
    services: [
      service("orders", "orders", initiator.handle),
      service("stock", "stock", purchase.participant("reserve", reserve)),
      service("payment", "payment", purchase.participant("charge", charge)),
    ],
  };
}
