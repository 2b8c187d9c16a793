-- One row per (gid, branch, op) that a participant was asked for: `op` follows from the phase and what the branch is, and because
-- confirm and cancel compete for the same key (phase 2), one of them at most can ever be recorded.

-- Always empty. A claim refers to it, and the reference is checked at commit: so no claim can be committed before it was settled,
-- be it that there was no transaction around it, that the business ended it, or that somebody caught an error and went on.
create table tripact.barrier_unsettled (
  claim boolean primary key,
  constraint barrier_unsettled_is_empty check (false)
);

create table tripact.barrier (
  gid          text collate "C" not null,
  branch       text collate "C" not null,
  -- 1: the forward op. 2: what followed the decision.
  phase        smallint         not null,
  op           text             not null,
  -- claimed: its business is running, seen by its own transaction only. done: the effect stands, in this row's own commit. refused: the
  -- business said no. tombstone: undone before it came, must not run any more. empty: an undo that found nothing to undo.
  state        text             not null,
  unsettled    boolean generated always as (case state when 'claimed' then true end) stored,
  -- SHA-256 of the payload; null where the caller gave none, and in a tombstone.
  fingerprint  text,
  -- JSON as text: jsonb refuses some of what JSON.stringify makes.
  result       text,
  code         text,
  details      text,
  -- The journal's epoch of the coordinator whose call came first; recorded for people, never compared.
  epoch        bigint,
  recorded_at  timestamptz      not null default clock_timestamp(),
  forgotten_at timestamptz,
  primary key (gid, branch, phase),
  constraint barrier_is_settled_at_commit foreign key (unsettled) references tripact.barrier_unsettled deferrable initially deferred,
  constraint barrier_phase_fits_op check (
    (phase = 1 and op in ('action', 'try')) or (phase = 2 and op in ('compensate', 'confirm', 'cancel'))
  ),
  constraint barrier_state_fits_op check (
    state in ('claimed', 'done')
    or (state in ('refused', 'tombstone') and phase = 1)
    or (state = 'empty' and op in ('compensate', 'cancel'))
  ),
  constraint barrier_only_done_has_result check (result is null or state = 'done'),
  constraint barrier_refused_says_why check ((state = 'refused') = (code is not null)),
  constraint barrier_only_refused_has_details check (details is null or state = 'refused')
);

-- Pruning walks the forgotten rows, oldest first; the living ones cost this index nothing.
create index barrier_forgotten on tripact.barrier (forgotten_at) where forgotten_at is not null;
