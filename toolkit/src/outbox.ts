/** The door `tripact/outbox`: messages in your own transaction, and the wake-up after its commit. */
export { send } from "./participants/outbox.ts";
export type { Message, SendOptions, SqlExecutor, SqlResult } from "./participants/outbox.ts";
export { waking } from "./participants/waking.ts";
export type { Waker } from "./participants/waking.ts";
export { postgresWaker } from "./stores/postgres/outbox/waker.ts";
export type { PostgresWaker, PostgresWakerOptions } from "./stores/postgres/outbox/waker.ts";
