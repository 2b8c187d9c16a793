-- Choreographed sagas: one table for who starts them, one for a step that waits for several, one for whoever watches.

-- The initiator's row: the one decision, and how far its undoing has come. Every change is made under this row's lock.
create table tripact.choreography (
  gid         text collate "C" primary key,
  definition  text collate "C" not null,
  state       text             not null check (state in ('forward', 'committed', 'rolling-back', 'rolled-back', 'never-started')),
  -- JSON as text: jsonb refuses some of what JSON.stringify makes.
  input       text,
  input_hash  text,
  -- The steps with what is known of each; a saga ends with the steps that it began with, whatever later releases define.
  steps       text,
  reason      text,
  -- By this database's clock. It only ever asks for a roll back, so a clock that jumps can end a saga early and do no other harm.
  deadline_at timestamptz,
  started_at  timestamptz      not null default clock_timestamp(),
  decided_at  timestamptz,
  ended_at    timestamptz,
  constraint choreography_started_is_whole check (
    (state = 'never-started') = (input is null)
    and (input is null) = (input_hash is null) and (input is null) = (steps is null) and (input is null) = (deadline_at is null)
  ),
  constraint choreography_undecided_has_no_time check ((state = 'forward') = (decided_at is null)),
  constraint choreography_ended_has_time check ((state in ('forward', 'rolling-back')) = (ended_at is null)),
  constraint choreography_roll_back_says_why check ((state in ('rolling-back', 'rolled-back')) = (reason is not null))
);

create index choreography_deadline on tripact.choreography (definition, deadline_at) where state = 'forward';
create index choreography_ended on tripact.choreography (ended_at) where ended_at is not null;

-- What has arrived for a step that waits for several events. The last one to arrive finds the others here.
create table tripact.choreography_join (
  gid         text collate "C" not null,
  step        text collate "C" not null,
  -- The steps whose `done` has come, and what each of them brought, in the same order.
  arrived     text[]           not null,
  facts       text[]           not null,
  recorded_at timestamptz      not null default clock_timestamp(),
  primary key (gid, step),
  constraint choreography_join_pairs check (cardinality(arrived) = cardinality(facts))
);

create index choreography_join_age on tripact.choreography_join using brin (recorded_at);

-- What a tracker has seen: each event of a saga once. Evidence for people; nothing is decided by it.
create table tripact.choreography_seen (
  definition    text collate "C" not null,
  gid           text collate "C" not null,
  topic         text collate "C" not null,
  payload       text             not null,
  source        text             not null,
  -- Unix milliseconds by the sender's clock.
  recorded_at_ms bigint          not null,
  seen_at       timestamptz      not null default clock_timestamp(),
  primary key (gid, topic)
);

create index choreography_seen_age on tripact.choreography_seen using brin (seen_at);
