/** The door `tripact/relay`: delivers what was committed to an outbox. */
export { createRelay, type Relay, type RelayHealth, type RelayOptions } from "./runtime/relay/relay.ts";
export { RELAY_DEFAULTS, SUBSCRIPTION_DEFAULTS, type SubscriptionOptions } from "./runtime/relay/options.ts";
export { postgresOutboxLog, type PostgresOutboxLogOptions } from "./stores/postgres/outbox/log.ts";
export { postgresConsumer, type ConsumerOptions, type Received } from "./brokers/postgres/consumer.ts";
export { postgresBroker, type PostgresBrokerOptions } from "./brokers/postgres/broker.ts";
export { memoryBroker } from "./brokers/memory/broker.ts";
export { memoryOutboxLog } from "./stores/memory/outbox-log.ts";
export type { Broker, Envelope, Receipt, Sink, SinkFeatures } from "./brokers/broker.ts";
export type { Desk, DeskDecision, DeskQuery, LoggedMessage, OutboxLog, RetryRow, RetryState, Standing, SubscriptionStanding } from "./stores/outbox-log.ts";
export type { Notice } from "./runtime/notices.ts";
