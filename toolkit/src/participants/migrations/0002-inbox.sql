-- One row per delivery and consumer, written in the consumer's own transaction.

create table tripact.inbox (
  consumer    text collate "C" not null,
  source      text collate "C" not null,
  id          text collate "C" not null,
  recorded_at timestamptz      not null default clock_timestamp(),
  primary key (consumer, source, id)
);

create index inbox_age on tripact.inbox using brin (recorded_at);
