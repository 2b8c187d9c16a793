-- Who is alive. Beside each row its node holds a session-level advisory lock, which falls when the process dies.

create table tripact.node (
  incarnation uuid primary key,
  name text not null,
  -- A counter, not a time: an observer watches it stand still on its own monotonic clock.
  beat bigint not null default 0,
  -- JSON text: [{ "definition", "version" }, ...].
  runs text not null,
  joined_at timestamptz(3) not null default clock_timestamp(),
  fenced_at timestamptz(3)
)
with (fillfactor = 50);
