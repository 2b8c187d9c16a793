-- The stock's database. Units are never made nor lost: initial = free + open chunks' rest + held + sold. Safe to run again.
create table if not exists item (
  sku text primary key,
  initial integer not null check (initial >= 0),
  free integer not null check (free >= 0)
);

-- Units in a gateway's hands. `closing`: no more is promised from it, and what orders on their way may still need is kept.
create table if not exists chunk (
  id text primary key,
  sku text not null references item,
  gateway text not null,
  leased integer not null check (leased > 0),
  reserved integer not null default 0 check (reserved >= 0),
  returned integer not null default 0 check (returned >= 0),
  beat bigint not null default 0,
  state text not null check (state in ('open', 'closing', 'closed')),
  opened_at timestamptz not null default clock_timestamp(),
  check (reserved + returned <= leased),
  check (state <> 'closed' or reserved + returned = leased)
);
create index if not exists chunk_not_closed on chunk (id) where state <> 'closed';

-- At most one an order.
create table if not exists hold (
  order_id text primary key,
  sku text not null references item,
  quantity integer not null check (quantity > 0),
  chunk text references chunk,
  state text not null check (state in ('held', 'sold', 'released', 'restocked'))
);
create index if not exists hold_of_chunk on hold (chunk);

-- Double entry: every unit that moves leaves one account for another. `outside` is where units come from.
create table if not exists movement (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  sku text not null,
  reference text not null,
  source text not null check (source in ('outside', 'free', 'chunk', 'held', 'sold')),
  target text not null check (target in ('outside', 'free', 'chunk', 'held', 'sold')),
  units integer not null check (units > 0),
  check (source <> target)
);
create index if not exists movement_of on movement (reference);
