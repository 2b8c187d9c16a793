import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { freshDatabase, spawnLeashed } from "@tripact/testbed";
import { createTripact, MessageAborted, MessageSubmitted, NeverStarted, type Tripact } from "tripact";
import { migrate, postgresStore } from "tripact/postgres";
import { LOCAL_TABLE, pointsOn, work } from "./points.ts";

const AFTER_MS = 2_000;
const CAP_MS = 20_000;
const database = await freshDatabase("two_phase");
const pool = new pg.Pool({ connectionString: database.url });
const asks: string[] = [];
const points = pointsOn(pool, AFTER_MS, asks);
const nodes: Tripact[] = [];

before(async () => {
  await migrate(database.url);
  await pool.query(LOCAL_TABLE);
  for (const nodeName of ["a", "b"]) nodes.push(await createTripact({ store: postgresStore({ url: database.url }), definitions: [points], nodeName }));
});
after(async () => {
  for (const tripact of nodes) await tripact.stop();
  await pool.end();
  await database.drop();
});

/** What is in the outbox for one buyer; each test has its own. */
async function sent(buyer: string): Promise<unknown[]> {
  const { rows } = await pool.query("select topic, payload, headers from tripact.outbox where key = $1 order by seq", [buyer]);
  return rows;
}
const wanted = (buyer: string) => ["points.added", "mail.wanted"].map((topic) => ({ topic, payload: JSON.stringify({ buyer, points: 5 }), headers: '{"source":"points"}' }));
const order = (buyer: string) => ({ buyer, points: 5 });

function node(index: number): Tripact {
  const found = nodes[index];
  assert.ok(found);
  return found;
}

test("submitted: the outbox has it when submit resolves, whichever node is told, and never twice", async () => {
  for (const [index, gid] of ["s0", "s1"].entries()) {
    const prepared = await points.prepare(node(0), order(gid), { gid });
    assert.deepEqual(await sent(gid), []);
    assert.equal(await work(pool, gid), true);
    assert.equal((await points.submit(node(index), gid)).kind, "committed");
    assert.deepEqual(await sent(gid), wanted(gid));
    await prepared.submit();
    await assert.rejects(points.abort(node(1), gid), MessageSubmitted);
    assert.deepEqual(await sent(gid), wanted(gid));
  }
  assert.ok(!asks.some((gid) => gid.startsWith("s")));
});

test("aborted, or never prepared: nothing is in the outbox, and a late submit is told", async () => {
  await points.prepare(node(0), order("aborted"), { gid: "aborted" });
  assert.equal((await points.abort(node(1), "aborted", "changed my mind")).kind, "rolled-back");
  await assert.rejects(points.submit(node(0), "aborted"), MessageAborted);
  await assert.rejects(points.submit(node(0), "nobody"), NeverStarted);
  assert.equal((await points.abort(node(1), "nobody")).kind, "never-started");
  await assert.rejects(points.prepare(node(1), order("nobody"), { gid: "nobody" }), NeverStarted);
  assert.deepEqual([await sent("aborted"), await sent("nobody")], [[], []]);
});

test("note 6: check-back refused: the later local work finds the tombstone, and nothing is sent", async () => {
  const prepared = await points.prepare(node(0), order("late"), { gid: "late" });
  assert.equal((await node(1).decided("late")).kind, "rolled-back");
  assert.equal(await work(pool, "late"), false);
  await assert.rejects(prepared.submit(), MessageAborted);
  assert.deepEqual(await sent("late"), []);
});

for (const [until, is] of [["begun", "never-started"], ["prepared", "rolled-back"], ["worked", "committed"], ["submitted", "committed"]] as const) {
  test(`the caller's process is killed when it has ${until}: the transaction is ${is}, within seconds`, async () => {
    const gid = `killed-${until}`;
    await callUntil(gid, until);
    const killedMs = performance.now();
    if (until === "begun") await assert.rejects(points.submit(node(0), gid), NeverStarted);
    const outcome = await node(1).decided(gid);
    const tookMs = performance.now() - killedMs;
    assert.equal(outcome.kind, is);
    assert.ok(tookMs < AFTER_MS + 10_000, `${tookMs} ms`);
    assert.deepEqual(await sent(gid), is === "committed" ? wanted(gid) : []);
    assert.equal(await work(pool, gid), until !== "prepared", "a tombstone is there where the check-back said refused, and only there");
  });
}

/** Runs a caller of its own as far as `until`, and kills it there. */
async function callUntil(gid: string, until: string): Promise<void> {
  const file = fileURLToPath(import.meta.resolve("./points-caller.ts"));
  const caller = await spawnLeashed({ command: process.execPath, args: ["--conditions=tripact-source", file, database.url, gid, until], stdio: ["ignore", "pipe", "inherit"] });
  assert.ok(caller.stdout);
  const capped = setTimeout(() => caller.kill("SIGKILL"), CAP_MS);
  const heard: string[] = [];
  for await (const line of createInterface({ input: caller.stdout })) {
    heard.push(line);
    if (line === until) caller.kill("SIGKILL");
  }
  clearTimeout(capped);
  assert.equal(heard.at(-1), until, heard.join());
}
