/** A start inside the caller's own SQL transaction, whose end the node is told: who owns the row when, and who drives it in the end. */
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import pg from "pg";
import { freshDatabase } from "@tripact/testbed";
import { createTripact, saga, TripactError, type Notice, type Tripact, type TripactOptions } from "tripact";
import { pgTransactions, type OpenTransaction } from "tripact/barrier";
import { waking } from "tripact/outbox";
import { migrate, postgresStore } from "tripact/postgres";
import { systemClock, type Clock } from "../../src/runtime/clock.ts";
import { LOOKS_MS } from "../../src/runtime/ownership/looks.ts";

/** Each effect is a row: one too many is seen, and who had it. */
const purchase = saga("purchase", async (tx, { id }: { readonly id: string }) => {
  await tx.sql("effect", async (db) => void (await db.execute("insert into effect (id) values ($1)", [id])), { undo: "nothing" });
  return id;
});

const database = await freshDatabase("start_inside");
const pool = new pg.Pool({ connectionString: database.url });
const open = pgTransactions(pool);
const HOUR_MS = 3_600_000;
/** No timer of this node ever leads to a look. */
const deaf: Clock = { ...systemClock, after: (ms, run) => (LOOKS_MS.includes(ms) ? () => undefined : systemClock.after(ms, run)) };

before(async () => {
  await migrate(database.url);
  await pool.query("create table effect (id text not null)");
});
after(async () => {
  await pool.end();
  await database.drop();
});

async function withNode<T>(options: Partial<TripactOptions>, use: (node: Tripact) => Promise<T>): Promise<T> {
  const node = await createTripact({ store: postgresStore({ url: database.url }), definitions: [purchase], ...options });
  try {
    return await use(node);
  } finally {
    await node.stop();
  }
}

const rows = async (text: string, ...values: unknown[]): Promise<Record<string, unknown>[]> => (await pool.query<Record<string, unknown>>(text, values)).rows;
const effectsOf = async (id: string): Promise<number> => (await rows("select from effect where id = $1", id)).length;
const headerOf = async (gid: string): Promise<Record<string, unknown> | undefined> => (await rows("select owner::text, epoch::int, seq from tripact.transaction where gid = $1", gid))[0];
const start = (node: Tripact, id: string) => (db: Parameters<Parameters<OpenTransaction>[0]>[0]) => node.start(db, purchase, { id }, { gid: id });

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const givesUpAtMs = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > givesUpAtMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("it is the node's own from its insert, and the commit is all it takes: no look, no claim, no second epoch", async () => {
  const notices: Notice["kind"][] = [];
  await withNode({ clock: deaf, pollEveryMs: HOUR_MS, onNotice: ({ kind }) => void notices.push(kind) }, async (node) => {
    const { incarnation } = await node.health();
    await waking(open, node)(async (db) => {
      await start(node, "own")(db);
      const { rows: inside } = await db.execute("select owner::text, epoch::int from tripact.transaction where gid = 'own'", []);
      assert.deepEqual(inside, [{ owner: incarnation, epoch: 1 }]);
    });
    assert.equal((await node.run(purchase, { id: "own" }, { gid: "own" })).kind, "committed");
    assert.equal((await headerOf("own"))?.["epoch"], 1);
    assert.deepEqual(await rows("select gid from tripact.entry where gid = 'own' and entry like '%recovered%'"), []);
    assert.equal(await effectsOf("own"), 1);
    assert.equal(notices.includes("took-over"), false);
  });
});

test("rolled back it leaves nothing, and the gid is free", async () => {
  await withNode({ clock: deaf, pollEveryMs: HOUR_MS }, async (node) => {
    const told = waking(open, node);
    await assert.rejects(
      told(async (db) => {
        await start(node, "undone")(db);
        throw new Error("changes its mind");
      }),
      /changes its mind/,
    );
    assert.equal(await headerOf("undone"), undefined);
    assert.equal((await node.health()).open, 0);
    await told(start(node, "undone"));
    assert.equal((await node.run(purchase, { id: "undone" }, { gid: "undone" })).kind, "committed");
    assert.equal(await effectsOf("undone"), 1);
  });
});

test("a commit whose reply was lost is found by a look, and driven once", async () => {
  const lost: OpenTransaction = async (work) => {
    await open(work);
    throw new Error("the reply was lost");
  };
  await withNode({ pollEveryMs: HOUR_MS }, async (node) => {
    await assert.rejects(waking(lost, node)(start(node, "lost")), /reply was lost/);
    await until("it is driven", async () => (await effectsOf("lost")) === 1);
    assert.equal((await node.run(purchase, { id: "lost" }, { gid: "lost" })).kind, "committed");
    assert.equal((await headerOf("lost"))?.["epoch"], 1);
  });
});

test("a commit that nobody ever tells of is found by the poll", async () => {
  const { promise: never } = Promise.withResolvers<never>();
  const silent: OpenTransaction = async (work) => {
    await open(work);
    return never;
  };
  await withNode({ clock: deaf, pollEveryMs: 150 }, async (node) => {
    void waking(silent, node)(start(node, "silent"));
    await until("it is driven", async () => (await effectsOf("silent")) === 1);
    assert.equal((await node.run(purchase, { id: "silent" }, { gid: "silent" })).kind, "committed");
  });
});

/** Its commit is there before anybody is told of it. */
function lateToTell(): { readonly slow: OpenTransaction; readonly committed: Promise<void>; readonly goOn: () => void } {
  const { promise: mayReturn, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: committed, resolve: hasCommitted } = Promise.withResolvers<void>();
  const slow: OpenTransaction = async (work) => {
    const result = await open(work);
    hasCommitted();
    await mayReturn;
    return result;
  };
  return { slow, committed, goOn };
}

test("a letter that comes before the node is told of the commit is read at once", async () => {
  const { slow, committed, goOn } = lateToTell();
  await withNode({ clock: deaf, pollEveryMs: HOUR_MS }, async (node) => {
    const begun = waking(slow, node)(start(node, "letter"));
    await committed;
    assert.equal((await node.cancel("letter")).kind, "rolled-back");
    goOn();
    await begun;
    assert.equal((await node.health()).open, 0);
    assert.equal(await effectsOf("letter"), 0);
  });
});

test("a commit that was only part of a larger one is driven once that commits", async () => {
  await withNode({ pollEveryMs: 100 }, async (node) => {
    await open(async (outer) => {
      await waking((work) => work(outer), node)(start(node, "nested"));
      // What it was told is not so yet: its first entry finds no row, and nothing is called.
      await until("it has given up", async () => (await node.health()).open === 0);
      assert.equal(await effectsOf("nested"), 0);
    });
    await until("it is driven", async () => (await effectsOf("nested")) === 1);
    assert.equal((await node.run(purchase, { id: "nested" }, { gid: "nested" })).kind, "committed");
  });
});

test("a plain start of the same gid that waits for the SQL transaction attaches to it, and it is driven", async () => {
  await withNode({ clock: deaf, pollEveryMs: HOUR_MS }, async (node) => {
    const plain = await waking(open, node)(async (db) => {
      await start(node, "both")(db);
      const run = node.run(purchase, { id: "both" }, { gid: "both" });
      await until("it waits for this one", async () => (await rows("select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%tripact.transaction%'")).length > 0);
      return { run };
    });
    assert.equal((await plain.run).kind, "committed");
    assert.equal(await effectsOf("both"), 1);
    assert.equal((await headerOf("both"))?.["epoch"], 1);
  });
});

test("a plain start after a commit whose reply was lost attaches to what is there, and that is driven", async () => {
  const lost: OpenTransaction = async (work) => {
    await open(work);
    throw new Error("the reply was lost");
  };
  for (const clock of [deaf, systemClock]) {
    await withNode({ clock, pollEveryMs: HOUR_MS }, async (node) => {
      const id = `lost, again${clock === deaf ? ", deaf" : ""}`;
      await assert.rejects(waking(lost, node)(start(node, id)), /reply was lost/);
      assert.equal((await node.run(purchase, { id }, { gid: id })).kind, "committed");
      assert.equal(await effectsOf(id), 1);
    });
  }
});

test("a start whose insert seemed to fail, in a transaction that commits all the same, is found and driven", async () => {
  const losing: OpenTransaction = (work) =>
    open((db) =>
      work({
        execute: async (text, values) => {
          const result = await db.execute(text, values);
          if (text.includes("insert into tripact.transaction")) throw new Error("no answer in time");
          return result;
        },
      }),
    );
  await withNode({ pollEveryMs: HOUR_MS }, async (node) => {
    await waking(losing, node)(async (db) => {
      await assert.rejects(start(node, "unheard")(db), /no answer in time/);
    });
    await until("it is driven", async () => (await effectsOf("unheard")) === 1);
  });
});

test("a start that attaches to one inside the same transaction leaves that one to be driven", async () => {
  await withNode({ clock: deaf, pollEveryMs: HOUR_MS }, async (node) => {
    await waking(open, node)(async (db) => {
      assert.deepEqual([(await start(node, "twice")(db)).attached, (await start(node, "twice")(db)).attached], [false, true]);
    });
    assert.equal((await node.run(purchase, { id: "twice" }, { gid: "twice" })).kind, "committed");
    assert.equal(await effectsOf("twice"), 1);
  });
});

test("a second transaction that starts the same gid and fails takes nothing from the first, which is driven from its commit on", async () => {
  for (const order of ["it fails before the commit", "it finds the commit"] as const) {
    const id = `second: ${order}`;
    await withNode({ clock: deaf, pollEveryMs: HOUR_MS }, async (node) => {
      const transaction = waking(open, node);
      let second: Promise<unknown> | undefined;
      await transaction(async (db) => {
        await start(node, id)(db);
        second = transaction(async (other) => {
          await other.execute(`set local lock_timeout = ${order === "it finds the commit" ? 0 : 50}`, []);
          await start(node, id)(other);
        });
        second.catch(() => undefined);
        if (order === "it finds the commit") await until("the second one waits", async () => (await rows("select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%tripact.transaction%'")).length > 0);
        else await assert.rejects(second, /lock timeout|lock_not_available|55P03/);
      });
      await until("it is driven", async () => (await effectsOf(id)) === 1);
      if (order === "it finds the commit") await second;
      assert.equal((await headerOf(id))?.["epoch"], 1);
    });
  }
});

test("a letter to what is only said to be committed is kept for whoever it turns out to be", async () => {
  const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
  const slow = saga("slow", async (tx, { id }: { readonly id: string }) => {
    await mayGoOn;
    await tx.sql("effect", async (db) => void (await db.execute("insert into effect (id) values ($1)", [id])), { undo: "nothing" });
    return id;
  });
  await withNode({ definitions: [slow], pollEveryMs: HOUR_MS }, async (node) => {
    await waking(open, node)(async (db) => void (await node.start(db, slow, { id: "slow" }, { gid: "slow" })));
    await node.nudge("slow");
    goOn();
    assert.equal((await node.run(slow, { id: "slow" }, { gid: "slow" })).kind, "committed");
  });
});

test("nobody attaches to what is only said to be committed: the larger transaction may still roll back", async () => {
  await withNode({ pollEveryMs: HOUR_MS }, async (node) => {
    const changesItsMind = open(async (outer) => {
      await waking((work) => work(outer), node)(start(node, "ghost"));
      await assert.rejects(node.start(purchase, { id: "ghost" }, { gid: "ghost" }), { code: "store-unknown" });
      throw new Error("changes its mind");
    });
    await assert.rejects(changesItsMind, /changes its mind/);
    assert.equal(await headerOf("ghost"), undefined);
    // The node may not have found out yet.
    const again = (): Promise<boolean> => node.start(purchase, { id: "ghost" }, { gid: "ghost" }).then(() => true, (error: unknown) => (error instanceof TripactError && error.code === "store-unknown" ? false : Promise.reject(error)));
    await until("it starts", again);
    await until("it is driven", async () => (await effectsOf("ghost")) === 1);
  });
});

test("the owner is dead before it is told: another node takes over, and the one that wakes up writes nothing", async () => {
  const { slow, committed, goOn } = lateToTell();
  const fenced: string[] = [];
  // Beats, looks and polls that come too late for this test: the first node learns of its end by its own write.
  const late = { beatEveryMs: HOUR_MS, leaseMs: 2 * HOUR_MS, probeEveryMs: HOUR_MS, pollEveryMs: HOUR_MS, clock: deaf };
  await withNode({ ...late, onNotice: (notice) => void (notice.kind === "fenced" && fenced.push(notice.gid)) }, async (first) => {
    const begun = waking(slow, first)(start(first, "heir"));
    await committed;
    await pool.query("update tripact.node set fenced_at = clock_timestamp() where incarnation = $1", [(await first.health()).incarnation]);
    await withNode({ pollEveryMs: 100 }, async (second) => {
      await until("the other one has driven it", async () => (await effectsOf("heir")) === 1);
      goOn();
      await begun;
      await until("the first one is told no", () => Promise.resolve(fenced.includes("heir")));
      assert.equal((await second.run(purchase, { id: "heir" }, { gid: "heir" })).kind, "committed");
      assert.equal(await effectsOf("heir"), 1);
      assert.equal((await headerOf("heir"))?.["epoch"], 2);
    });
  });
});
