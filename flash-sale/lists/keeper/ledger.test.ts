import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { freshDatabase, type FreshDatabase } from "@tripact/testbed";
import type { SqlExecutor } from "tripact/barrier";
import { makeTables, openPool, preparing } from "../../service/database.ts";
import { append, dropAside, read, remove, setAside, showAside } from "./ledger.ts";

let database: FreshDatabase;
let pool: ReturnType<typeof openPool>;

before(async () => {
  database = await freshDatabase("keeper");
  pool = openPool(database.url, "keeper test");
  await makeTables(pool, new URL("schema.sql", import.meta.url));
});
after(async () => {
  await pool.end();
  await database.drop();
});

const within = <Result>(work: (db: SqlExecutor) => Promise<Result>): Promise<Result> => preparing(pool)(work);
const of = (key: number) => within((db) => read(db, { key }));

describe("a keeper's lists", () => {
  it("grow at the end until they are full, and lose what is taken out", async () => {
    assert.equal(await of(1), null);
    assert.deepEqual(await within(async (db) => [await append(db, { key: 1, element: 5 }, 2), await append(db, { key: 1, element: 3 }, 2), await append(db, { key: 1, element: 4 }, 2)]), ["appended", "appended", "full"]);
    assert.deepEqual(await of(1), [5, 3]);
    await within((db) => remove(db, { key: 1, element: 5 }));
    await within((db) => remove(db, { key: 1, element: 9 }));
    assert.deepEqual(await of(1), [3]);
  });

  it("show what was set aside when it is confirmed, and never what was dropped", async () => {
    assert.deepEqual(await within(async (db) => [await setAside(db, { key: 2, element: 1 }, 2), await setAside(db, { key: 2, element: 2 }, 2), await setAside(db, { key: 2, element: 3 }, 2)]), ["appended", "appended", "full"]);
    assert.deepEqual(await of(2), []);
    await within((db) => showAside(db, { key: 2, element: 2 }));
    await within((db) => dropAside(db, { key: 2, element: 1 }));
    await within((db) => showAside(db, { key: 2, element: 1 }));
    assert.deepEqual(await of(2), [2]);
  });

  it("keep the order of their commits: who comes second waits for the first", async () => {
    const inOrder: string[] = [];
    const both = await Promise.all(
      [1, 2, 3, 4].map((element) =>
        within(async (db) => {
          await append(db, { key: 3, element }, 9);
          inOrder.push(String(element));
        }),
      ),
    );
    assert.equal(both.length, 4);
    assert.deepEqual((await of(3))?.map(String), inOrder);
  });
});
