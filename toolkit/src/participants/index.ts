/** The door `tripact/barrier`: what a participant needs in its own database. */
export { postgresBarrier } from "./barrier/barrier.ts";
export type { Barrier, BarrierOptions } from "./barrier/barrier.ts";
export { resultOf } from "./barrier/answer.ts";
export type { BarrierAnswer, EmptyOf } from "./barrier/answer.ts";
export type { Effect, EffectSql } from "./barrier/in-one.ts";
export { callOf } from "./barrier/call.ts";
export type { BarrierCall, CallHeaders } from "./barrier/call.ts";
export { consume } from "./consume.ts";
export type { ConsumeEvent } from "./consume.ts";
export { postgresInbox } from "./inbox.ts";
export type { Delivery, Inbox, InboxOptions, Received } from "./inbox.ts";
export { migrateBarrier } from "./migrate.ts";
export { pgTransactions } from "./transaction.ts";
export type { OpenTransaction, PgClient, PgPool, PgResult } from "./transaction.ts";
export type { SqlExecutor, SqlResult } from "../stores/sql.ts";
