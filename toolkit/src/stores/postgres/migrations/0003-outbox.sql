-- The outbox: an insert-only log of the messages that left with a business transaction or with a decision, who reads it and how far
-- he has come, and the few messages that failed.

create sequence tripact.outbox_seq;

-- Rows go to the partition of the moment, 16 of 10 minutes each, round and round; a partition whose time is over and whose rows are
-- all settled is truncated. So nothing is ever created, attached or dropped under a business insert, relay or no relay. Another rhythm
-- is another function: `create or replace` it, nothing else depends on it.
create function tripact.outbox_slot() returns smallint language sql volatile
  return (date_part('epoch', clock_timestamp())::bigint / 600 % 16)::smallint;

create table tripact.outbox (
  -- Cache 1, the default: within a key, the order of these numbers is the order of locks. Nothing else rests on them.
  seq bigint not null default nextval('tripact.outbox_seq'),
  -- What a reader's snapshot is compared with.
  tx xid8 not null default pg_current_xact_id(),
  id uuid not null,
  recorded_at timestamptz(3) not null default clock_timestamp(),
  slot smallint not null default tripact.outbox_slot() check (slot between 0 and 15),
  -- Fixed: a key must not change its lane while one of its messages is on its way.
  lane smallint not null generated always as ((hashtextextended(key, hashtextextended(topic, 0)) & 63)::smallint) stored,
  topic text collate "C" not null,
  key text collate "C" not null,
  -- JSON as text, like everything that jsonb might refuse.
  payload text not null,
  headers text not null default '{}'
) partition by list (slot);

create table tripact.outbox_00 partition of tripact.outbox for values in (0);
create table tripact.outbox_01 partition of tripact.outbox for values in (1);
create table tripact.outbox_02 partition of tripact.outbox for values in (2);
create table tripact.outbox_03 partition of tripact.outbox for values in (3);
create table tripact.outbox_04 partition of tripact.outbox for values in (4);
create table tripact.outbox_05 partition of tripact.outbox for values in (5);
create table tripact.outbox_06 partition of tripact.outbox for values in (6);
create table tripact.outbox_07 partition of tripact.outbox for values in (7);
create table tripact.outbox_08 partition of tripact.outbox for values in (8);
create table tripact.outbox_09 partition of tripact.outbox for values in (9);
create table tripact.outbox_10 partition of tripact.outbox for values in (10);
create table tripact.outbox_11 partition of tripact.outbox for values in (11);
create table tripact.outbox_12 partition of tripact.outbox for values in (12);
create table tripact.outbox_13 partition of tripact.outbox for values in (13);
create table tripact.outbox_14 partition of tripact.outbox for values in (14);
create table tripact.outbox_15 partition of tripact.outbox for values in (15);

-- What became visible since a snapshot is found by tx; a backlog is read page by page, by seq. Both grow at the right end: cheap.
create index outbox_tx on tripact.outbox (tx);
create index outbox_order on tripact.outbox (seq);

-- Who reads the log: one row a subscription and lane. Rarely updated: cursors move many times a second, and while somebody holds a
-- snapshot each update of a hot row makes every later one slower. So they are appended (`outbox_progress`), and folded in here every now
-- and then.
create table tripact.outbox_lane (
  subscription text collate "C" not null,
  lane smallint not null check (lane between 0 and 63),
  -- The incarnation of a node; nobody's when null.
  owner uuid,
  epoch bigint not null default 0,
  -- What is settled: everything that this snapshot sees ...
  seen text not null default '1:1:',
  -- ... and, in the middle of a backlog, what `upto` sees with a seq up to `after`.
  upto text,
  after bigint,
  -- The owner's progress up to this number is in here already.
  since bigint not null default 0,
  -- Whose transaction ids these are. A log that was moved to another cluster is read again from its oldest row.
  system_identifier text not null,
  primary key (subscription, lane),
  constraint a_page_has_both_ends check ((upto is null) = (after is null))
) with (fillfactor = 50);

create sequence tripact.outbox_progress_n;

-- How far an owner came with some of its lanes. Insert-only; what was folded in is deleted from the old end.
create table tripact.outbox_progress (
  n bigint not null default nextval('tripact.outbox_progress_n'),
  subscription text collate "C" not null,
  owner uuid not null,
  lanes smallint[] not null,
  seen text not null,
  upto text,
  after bigint,
  primary key (subscription, owner, n)
);

-- Where each lane stands, all told.
create view tripact.outbox_position as
  select l.subscription, l.lane, l.owner, l.epoch, l.system_identifier, coalesce(p.n, l.since) as n, coalesce(p.seen, l.seen) as seen,
         case when p.n is null then l.upto else p.upto end as upto, case when p.n is null then l.after else p.after end as after
    from tripact.outbox_lane l left join lateral (
      select p.n, p.seen, p.upto, p.after from tripact.outbox_progress p
       where p.subscription = l.subscription and p.owner = l.owner and p.n > l.since and l.lane = any (p.lanes)
       order by p.n desc limit 1
    ) p on true;

-- Copies of messages that failed, or wait behind one of their key that did. The log itself is never updated.
create table tripact.outbox_retry (
  subscription text collate "C" not null,
  seq bigint not null,
  id uuid not null,
  lane smallint not null,
  topic text collate "C" not null,
  key text collate "C" not null,
  payload text not null,
  headers text not null,
  recorded_at timestamptz(3) not null,
  -- waiting: to be tried, or behind one that is. late: still tried, past its usual tries. parked: waits for a person, and its key with
  -- it. skipped: waits for a person, its key goes on. discarded: a person's word, kept for the record.
  state text not null check (state in ('waiting', 'late', 'parked', 'skipped', 'discarded')),
  attempts integer not null check (attempts >= 0),
  error text,
  -- Who requeued or discarded it, and why.
  decided_by text,
  decided_reason text,
  copied_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(),
  primary key (subscription, seq, id),
  constraint a_discard_says_who check (state <> 'discarded' or decided_by is not null)
) with (fillfactor = 50);

create index outbox_retry_key on tripact.outbox_retry (subscription, lane, topic, key, seq) where state in ('waiting', 'late', 'parked');
create index outbox_retry_decided on tripact.outbox_retry (updated_at) where state = 'discarded';
