-- The payment's database. Safe to run again.
create table if not exists payment (
  order_id text primary key,
  buyer text not null,
  cents integer not null check (cents >= 0),
  capture text not null check (capture in ('at-once', 'later')),
  state text not null check (state in ('requested', 'authorised', 'captured', 'declined', 'voided', 'refund-due', 'refunded')),
  -- What the provider has yet to be told. Every one of these may be told twice.
  errand text check (errand in ('request', 'capture', 'void', 'refund')),
  changed_at timestamptz not null default clock_timestamp()
);
create index if not exists payment_errands on payment (changed_at) where errand is not null;
-- Told to the provider, who has said nothing since.
create index if not exists payment_unanswered on payment (changed_at) where state = 'requested' and errand is null;

-- Double entry: the cents of one entry add up to 0. A buyer's account is `buyer:<name>`.
create table if not exists posting (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  order_id text not null,
  entry text not null check (entry in ('capture', 'refund')),
  account text not null,
  cents integer not null,
  unique (order_id, entry, account)
);
