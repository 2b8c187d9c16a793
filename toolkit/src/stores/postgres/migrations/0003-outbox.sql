-- Messages that left with a business transaction or with a decision: an insert-only log.

create table tripact.outbox (
  -- Cache 1: within a key, the order of ids is the order of locks.
  seq bigint generated always as identity (cache 1) primary key,
  id uuid not null,
  topic text not null,
  key text not null,
  payload text not null,
  headers text not null,
  recorded_at timestamptz(3) not null default clock_timestamp(),
  tx xid8 not null default pg_current_xact_id()
);
