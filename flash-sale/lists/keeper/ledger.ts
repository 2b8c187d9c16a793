/** What a keeper does with its lists: each function is what has to happen in one transaction of somebody else's. */
import type { SqlExecutor } from "tripact/barrier";
import type { Append, OfKey } from "../contracts.ts";

/** A list has a longest length, so that there is a business no: the reason why anything is ever undone. */
export type Appended = "appended" | "full";

export async function read(db: SqlExecutor, { key }: OfKey): Promise<readonly number[] | null> {
  const { rows } = await db.execute("select elements from list where key = $1::integer", [key]);
  return (rows[0]?.elements as readonly number[] | undefined) ?? null;
}

/** The barrier is what makes it count once; the list itself takes an element as often as it is given one. */
export async function append(db: SqlExecutor, { key, element }: Append, elementsMax: number): Promise<Appended> {
  const { rowCount } = await db.execute(
    `insert into list (key, elements) values ($1::integer, array[$2::integer])
     on conflict (key) do update set elements = list.elements || excluded.elements where cardinality(list.elements) < $3::integer`,
    [key, element, elementsMax],
  );
  return rowCount === 1 ? "appended" : "full";
}

/** Undoes an append, of which others may have read, and after which others may have appended. */
export async function remove(db: SqlExecutor, { key, element }: Append): Promise<void> {
  await db.execute("update list set elements = array_remove(elements, $2::integer) where key = $1::integer", [key, element]);
}

export async function setAside(db: SqlExecutor, { key, element }: Append, elementsMax: number): Promise<Appended> {
  await db.execute("insert into list (key) values ($1::integer) on conflict (key) do nothing", [key]);
  await db.execute("select from list where key = $1::integer for update", [key]);
  const { rowCount } = await db.execute(
    `insert into aside (key, element) select $1::integer, $2::integer
      where (select cardinality(elements) from list where key = $1::integer) + (select count(*) from aside where key = $1::integer) < $3::integer`,
    [key, element, elementsMax],
  );
  return rowCount === 1 ? "appended" : "full";
}

export async function showAside(db: SqlExecutor, { key, element }: Append): Promise<void> {
  await db.execute(
    `with shown as (delete from aside where key = $1::integer and element = $2::integer returning element)
     update list set elements = list.elements || shown.element from shown where list.key = $1::integer`,
    [key, element],
  );
}

export async function dropAside(db: SqlExecutor, { key, element }: Append): Promise<void> {
  await db.execute("delete from aside where key = $1::integer and element = $2::integer", [key, element]);
}
