import type { SqlExecutor } from "../../sql.ts";

/**
 * Debezium's outbox layout over our log: a view to write to. Its event router expects (id, aggregatetype, aggregateid, type, payload) and
 * takes more columns by configuration; an application that inserts such rows keeps its statement, and a relay delivers them.
 *
 * All columns are text (but id), since whatever an application binds there is cast to it: jsonb, varchar, bigint, timestamps. Messages of
 * one aggregate stay in order whatever their type, because the topic is made of the aggregate's type alone; `type` travels as a header.
 *
 * The view shows what this transaction has written and nothing else: many applications delete the row again in the same transaction,
 * which takes nothing back there, and must neither do so here nor look through the log for it.
 */
const statements = [
  // Replaced by whoever wants other topics, such as Debezium's default `outbox.event.…`: so it is made once, never again.
  `do $make$ begin
  if to_regprocedure('tripact.outbox_debezium_topic(text, text)') is null then
    create function tripact.outbox_debezium_topic(aggregatetype text, type text) returns text language sql immutable as 'select aggregatetype';
  end if;
end $make$`,
  `create or replace view tripact.outbox_debezium as
select o.id, o.topic::text as aggregatetype, o.key::text as aggregateid, substring(o.headers from '"eventtype": "([^"]*)"') as type, o.payload,
       o.headers, o.recorded_at::text as timestamp
  from tripact.outbox o where o.tx = pg_current_xact_id_if_assigned()`,
  `create or replace function tripact.outbox_debezium_insert() returns trigger language plpgsql as $insert$
declare
  its_topic text := tripact.outbox_debezium_topic(new.aggregatetype, new.type);
  more jsonb := coalesce(new.headers, '{}')::jsonb;
begin
  if current_setting('synchronous_commit') = 'off' then
    raise exception 'durability-refused: synchronous_commit is off in this transaction, its messages could be lost';
  end if;
  if coalesce(its_topic, '') = '' or length(its_topic) > 255 or its_topic ~ '[[:cntrl:]]' then
    raise exception 'invalid-input: the topic is text of 1 to 255 characters without control characters, not "%"', its_topic using errcode = 'check_violation';
  end if;
  if coalesce(new.aggregateid, '') = '' or length(new.aggregateid) > 512 or new.aggregateid ~ '[[:cntrl:]]' then
    raise exception 'invalid-input: aggregateid is text of 1 to 512 characters without control characters, not "%"', new.aggregateid using errcode = 'check_violation';
  end if;
  if jsonb_typeof(more) <> 'object' then
    raise exception 'invalid-input: headers are a JSON object, not %', new.headers using errcode = 'check_violation';
  end if;
  new.id := coalesce(new.id, gen_random_uuid());
  -- Without a payload Debezium makes a tombstone; ours is null. Text that is no JSON is refused here, by the cast.
  new.payload := coalesce(new.payload, 'null');
  perform new.payload::json;
  -- Headers are texts.
  select coalesce(jsonb_object_agg(name, value) filter (where value is not null), '{}') into more from jsonb_each_text(more) as given (name, value);
  more := more || jsonb_strip_nulls(jsonb_build_object('eventtype', new.type, 'eventtimestamp', new.timestamp));
  insert into tripact.outbox (id, topic, key, payload, headers) values (new.id, its_topic, new.aggregateid, new.payload, more::text);
  return new;
end $insert$`,
  `create or replace function tripact.outbox_debezium_delete() returns trigger language plpgsql as $delete$
begin
  return old;
end $delete$`,
  `create or replace function tripact.outbox_debezium_update() returns trigger language plpgsql as $update$
begin
  raise exception 'the outbox is a log: a message is not updated, insert another one';
end $update$`,
  `create or replace trigger outbox_debezium_insert instead of insert on tripact.outbox_debezium for each row execute function tripact.outbox_debezium_insert()`,
  `create or replace trigger outbox_debezium_delete instead of delete on tripact.outbox_debezium for each row execute function tripact.outbox_debezium_delete()`,
  `create or replace trigger outbox_debezium_update instead of update on tripact.outbox_debezium for each row execute function tripact.outbox_debezium_update()`,
];

/** Makes `tripact.outbox_debezium`, or brings it up to date, in the transaction that `db` stands for. The outbox itself has to be there. */
export async function makeDebeziumLayout(db: SqlExecutor): Promise<void> {
  await db.execute(`select pg_advisory_xact_lock(hashtextextended('tripact.migration', 0))`, []);
  for (const statement of statements) await db.execute(statement, []);
}
