import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { memoryStore, saga, TripactError, type MemoryDatabase, type Store } from "tripact";
import { memoryLocalSql } from "../../testing/memory-sql.ts";
import type { LocalSql } from "../../stores/store.ts";
import { eventually, nodes } from "../../../test/memory/nodes.ts";

function withSql(database: MemoryDatabase, change: (sql: LocalSql) => Partial<LocalSql> = () => ({})): Store {
  const store = memoryStore(database);
  const sql = memoryLocalSql(store.journal, { execute: () => Promise.resolve({ rows: [], rowCount: 0 }) }, () => undefined);
  const localSql: LocalSql = { run: sql.run.bind(sql), startIn: sql.startIn.bind(sql) };
  return { ...store, features: { ...store.features, localSql: true }, localSql: { ...localSql, ...change(localSql) } };
}

describe("a local SQL step", () => {
  for (const timeoutMs of [20, undefined]) {
    it(`that never ends is given up after ${timeoutMs === undefined ? "the time of an op" : "its own time"}, and its signal says so`, async (t) => {
      const { node, database, journal } = nodes(t);
      let aborted = 0;
      const definition = saga("hanging", async (tx, _: null) => await tx.sql("order", async (_db, branch) => {
        branch.signal.addEventListener("abort", () => (aborted += 1));
        return await new Promise<number>(() => undefined);
      }, { undo: "nothing", ...(timeoutMs === undefined ? {} : { timeoutMs }) }));
      const tripact = await node({ store: withSql(database), definitions: [definition], opTimeoutMs: timeoutMs === undefined ? 20 : 60_000, retry: { maxAttempts: 2 } });
      const outcome = await tripact.run(definition, null, { gid: "g" });
      assert.equal(outcome.kind === "rolled-back" ? outcome.reason.kind : outcome.kind, "attempts-spent");
      assert.deepEqual(journal("g").filter((event) => event.kind === "attempted").map((event) => event.kind === "attempted" && event.code), ["timeout", "timeout"]);
      assert.equal(aborted, 2);
    });
  }

  it("that committed by itself parks: asked again, it would write once more", async (t) => {
    const { node, database } = nodes(t);
    let writes = 0;
    const definition = saga("misused", async (tx, _: null) => await tx.sql("order", () => {
      writes += 1;
      return 1;
    }, { undo: "nothing" }));
    const store = withSql(database, (sql) => ({
      run: async (owner, body, seal) => {
        await sql.run(owner, async (db) => {
          await body(db);
          throw new TripactError("barrier-misuse", "The local step ended its transaction itself.");
        }, seal);
        throw new Error("not reached");
      },
    }));
    const tripact = await node({ store, definitions: [definition] });
    await tripact.start(definition, null, { gid: "g" });
    await eventually(() => database.transactions.get("g")?.summary.parked?.startsWith("paused at order") === true, "it parks");
    await wait(20);
    assert.equal(writes, 1);
  });
});
