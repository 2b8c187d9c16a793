-- Lists by key. One row a list: whoever appends locks it, so that the order of a list is the order of its commits.
create table if not exists list (
  key integer primary key,
  elements integer[] not null default '{}'
);

-- What a try has set aside, seen by nobody until it is confirmed.
create table if not exists aside (
  key integer not null references list,
  element integer not null,
  primary key (key, element)
);
