/** Who hears what: a relay's subscriptions, and how they reach the services. */
import { httpSink, type Sink } from "tripact/events";
import type { SubscriptionOptions } from "tripact/relay";
import type { Addresses } from "../../service/settings.ts";
import { eitherOf } from "./either-of.ts";
import { EVENTS } from "./receiving.ts";

/** Two of these, one after the other, fit into a subscription's `lockMs`: the second worker is asked in the same delivery. */
const TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 500;
/** A payment window may be seconds: a message that waits for longer between two tries comes when its order has expired. */
const RETRY_CAP_MS = 1_000;
/**
 * What waits goes together, in one request, one transaction and one commit of the receiver's: the busier it is, the more of them. One such
 * delivery at a time, so that two do not wait for each other's rows. So few that they are through before `TIMEOUT_MS` on a machine that has other
 * work, also one by one: 64 of them were not, came again while they were at it, and waited for themselves.
 */
const BATCH_MAX = 16;
const WORKERS = 1;

export interface Hearing {
  orders(topics: readonly string[]): SubscriptionOptions;
  stock(topics: readonly string[]): SubscriptionOptions;
  payment(topics: readonly string[]): SubscriptionOptions;
}

/** Each call makes a sink of its own; the relay that gets it closes it. */
export function hearing(addresses: Addresses, secret: string): Hearing {
  const sinkTo = (origin: string): Sink =>
    httpSink({
      url: `${origin}${EVENTS}`,
      allowHosts: [new URL(origin).host],
      secret,
      timeoutMs: TIMEOUT_MS,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      // `receiving` answers after its commit.
      persistent: true,
      batches: true,
      batchMax: BATCH_MAX,
    });
  const subscription = (name: string, sink: Sink, topics: readonly string[]): SubscriptionOptions => ({ name, sink, topics, retry: { capMs: RETRY_CAP_MS }, workers: WORKERS, undivided: true });
  return {
    orders: (topics) => subscription("orders", eitherOf(addresses.orders.map(sinkTo)), topics),
    stock: (topics) => subscription("stock", sinkTo(addresses.stock), topics),
    payment: (topics) => subscription("payment", sinkTo(addresses.payment), topics),
  };
}
