-- The orders' database, beside the journal and the outbox of tripact. Safe to run again.
create table if not exists sale (
  sku text primary key,
  units integer not null check (units > 0),
  cents integer not null check (cents >= 0),
  limit_per_buyer integer not null check (limit_per_buyer > 0),
  payment_window_ms integer not null check (payment_window_ms > 0),
  opens_at bigint not null,
  closes_at bigint not null check (closes_at > opens_at)
);

-- One row a promise. A `never-placed` row is a tombstone and knows nothing but its id.
create table if not exists orders (
  order_id text primary key,
  seq bigint generated always as identity unique,
  sku text references sale,
  buyer text,
  request_id text,
  quantity integer check (quantity > 0),
  cents integer check (cents >= 0),
  chunk text,
  state text not null check (state in ('placed', 'paid', 'sold-out', 'declined', 'expired', 'cancelled', 'failed', 'refunding', 'refunded', 'never-placed')),
  -- Why it will close, where that is known before it does: a refusal's code.
  because text check (because in ('sold-out', 'declined', 'cancelled', 'expired', 'failed')),
  placed_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  ended_at timestamptz,
  unique (sku, buyer, request_id),
  check (state = 'never-placed' or (sku is not null and buyer is not null and request_id is not null and quantity is not null and cents is not null and expires_at is not null)),
  check ((ended_at is null) = (state in ('placed', 'refunding')))
);
create index if not exists orders_open on orders (expires_at) where state = 'placed';
create index if not exists orders_lingering on orders (order_id) where state = 'placed';
create index if not exists orders_of_chunk on orders (chunk) where state = 'placed';
create index if not exists orders_of_sale on orders (sku, seq);

-- What a buyer has spent of the limit. A guard of one statement: it cannot be outrun.
create table if not exists allowance (
  sku text not null references sale,
  buyer text not null,
  units integer not null check (units >= 0),
  primary key (sku, buyer)
);

-- No order is placed with one of these any more.
create table if not exists ended_chunk (chunk text primary key);

create table if not exists order_event (
  order_id text not null,
  at timestamptz not null default clock_timestamp(),
  what text not null
);
create index if not exists order_event_of on order_event (order_id, at);
