/** The order service: it embeds the coordinator and a relay. Journal and outbox live in its database. */
import pg from "pg";
import { createTripact, type Saga, type Tripact } from "tripact";
import { httpParticipant } from "tripact/http";
import { migrate, postgresStore } from "tripact/postgres";
import type { Charge, Hold, Order, Receipt, Reservation } from "../contracts.ts";
import { relayTo, type Address } from "../events.ts";
import { ordersTable, purchaseWith } from "./purchase.ts";

export interface OrderService {
  readonly tripact: Tripact;
  readonly purchase: Saga<Order, Receipt>;
  stop(): Promise<void>;
}

export async function openOrders(databaseUrl: string, addresses: { readonly stock: Address; readonly payment: Address; readonly mailer: Address }): Promise<OrderService> {
  await migrate(databaseUrl);
  await createTable(databaseUrl);

  const stock = httpParticipant<Reservation, Hold>({ kind: "saga", name: "stock", ...addresses.stock });
  const wallet = httpParticipant<Charge>({ kind: "tcc", name: "wallet", ...addresses.payment });
  const purchase = purchaseWith({ stock, wallet });
  const tripact = await createTripact({
    store: postgresStore({ url: databaseUrl }),
    definitions: [purchase],
    participants: [stock, wallet],
    // The default of 5 gives up within a second or so. A service that is restarted takes longer, and is worth waiting for here.
    retry: { maxAttempts: 20 },
  });
  const relay = await relayTo(addresses.mailer, databaseUrl, "shop/orders");
  const stop = async (): Promise<void> => {
    await tripact.stop();
    await relay.stop();
  };
  return { tripact, purchase, stop };
}

async function createTable(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(ordersTable);
  } finally {
    await client.end();
  }
}
