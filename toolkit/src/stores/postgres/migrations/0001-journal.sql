-- The journal: one header per transaction, its entries, and mail for whoever drives it.
-- Payloads and errors are text, never jsonb: JSON that Node accepts (an escaped NUL, a lone surrogate) is refused by jsonb, and one
-- such row would wedge the whole batch.

create table tripact.transaction (
  gid text collate "C" primary key,
  definition text not null,
  version text not null,
  input_hash text not null,
  input text not null,
  -- Entry 1. It lives here so that a start is one row; null once pruned, and for a tombstone.
  opening text,
  opening_owner uuid,
  owner uuid,
  epoch bigint not null check (epoch >= 0),
  seq integer not null check (seq >= 0),
  -- The last flush that wrote this row: how an owner recognises its own write when the reply was lost.
  flush_id uuid,
  status text not null,
  parked text,
  late boolean not null,
  outcome text,
  mail integer not null default 0,
  mail_seen integer not null default 0,
  pruned boolean not null default false,
  -- Milliseconds, so that the cursor of a listing names a row exactly.
  started_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  ended_at timestamptz(3),
  constraint mail_is_posted_before_it_is_seen check (mail_seen between 0 and mail),
  -- The statuses that there are, and which of them are final. One check, the usual status first: each costs the flush some microseconds a row.
  constraint a_final_status_has_an_end check (
    case
      when status in ('forward', 'committing', 'rolling-back') then ended_at is null
      when status in ('committed', 'rolled-back', 'mixed', 'never-started') then ended_at is not null
      else false
    end
  )
)
-- Half of each page stays free: every entry updates the header, and in place (HOT) it touches no index.
with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1);

-- Who drives what. Ended transactions are not in it.
create index transaction_open on tripact.transaction (owner) where ended_at is null;
create index transaction_unread on tripact.transaction (owner) where ended_at is null and mail > mail_seen;
-- One index by age serves listing and pruning. Without gid: the plan for a lookup by gid must have one index to choose.
create index transaction_age on tripact.transaction (pruned, started_at);

create table tripact.entry (
  gid text collate "C" not null,
  seq integer not null check (seq >= 2),
  epoch bigint not null,
  owner uuid,
  entry text not null,
  recorded_at timestamptz(3) not null default clock_timestamp(),
  primary key (gid, seq)
);

create table tripact.mail (
  gid text collate "C" not null,
  n integer not null check (n >= 1),
  body text not null,
  posted_at timestamptz(3) not null default clock_timestamp(),
  primary key (gid, n)
);
