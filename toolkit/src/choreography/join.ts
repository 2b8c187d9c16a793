import type { SqlExecutor } from "../stores/sql.ts";
import type { Facts } from "./event.ts";

/**
 * Notes that `from` is done for a step that waits for several, and answers with the facts of all of them once the last has come. The row's
 * lock makes two that arrive at once see each other: of two, at least one finds the set complete. A repeat changes nothing.
 */
export async function arrive(
  db: SqlExecutor,
  at: { readonly gid: string; readonly step: string; readonly after: readonly string[] },
  from: string,
  facts: Facts,
): Promise<Facts | undefined> {
  const { rows } = await db.execute(
    `insert into tripact.choreography_join as joined (gid, step, arrived, facts)
     values ($1, $2, array[$3::text], array[$4::text])
     on conflict (gid, step) do update
     set arrived = case when joined.arrived @> excluded.arrived then joined.arrived else joined.arrived || excluded.arrived end,
         facts = case when joined.arrived @> excluded.arrived then joined.facts else joined.facts || excluded.facts end
     returning arrived, facts`,
    [at.gid, at.step, from, JSON.stringify(facts)],
  );
  const row = rows[0] as { readonly arrived: readonly string[]; readonly facts: readonly string[] } | undefined;
  if (row === undefined || !at.after.every((name) => row.arrived.includes(name))) return undefined;
  // In the definition's order, not in that of arrival: a repeat must make the same call.
  const brought = at.after.map((name) => JSON.parse(row.facts[row.arrived.indexOf(name)] ?? "") as Facts);
  return { input: facts.input, results: Object.assign({}, ...brought.map(({ results }) => results)) as Facts["results"] };
}

/** By age alone: an event so old is not acted upon any more, so what it would complete cannot matter. */
export async function deleteJoins(db: SqlExecutor, olderThanMs: number, limit: number): Promise<number> {
  const { rowCount } = await db.execute(
    `delete from tripact.choreography_join
     where ctid = any (array(
       select ctid from tripact.choreography_join
       where recorded_at < clock_timestamp() - $1 * interval '1 millisecond'
       limit $2
       for update skip locked
     ))`,
    [olderThanMs, limit],
  );
  return rowCount ?? 0;
}
