-- What the miniature keeps beside the platform's own tables, in each of its databases.
create table inbox (message_id bigint primary key);

-- One row a call: what was answered, for whoever calls again. `canceled` before any try is a tombstone.
create table barrier (
  order_id text not null,
  op text not null,
  outcome text not null check (outcome in ('done', 'refused', 'canceled')),
  primary key (order_id, op)
);

create table outbox (
  id bigint generated always as identity primary key,
  order_id text not null,
  acked boolean not null default false
);

create table journal (
  order_id text primary key,
  owner text not null,
  epoch integer not null default 1,
  seq integer not null default 0,
  flush_id text,
  decision text check (decision in ('commit', 'roll back')),
  ended boolean not null default false
);
