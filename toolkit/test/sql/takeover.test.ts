import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { freshDatabase } from "@tripact/testbed";
import { createTripact, participant, plan, saga, type Participant, type Tripact } from "tripact";
import { migrate, postgresStore } from "tripact/postgres";

const database = await freshDatabase("takeover");
const pool = new pg.Pool({ connectionString: database.url });
const nodes: Tripact[] = [];

before(() => migrate(database.url).then(() => undefined));
after(async () => {
  await Promise.all(nodes.map((it) => it.stop()));
  await pool.end();
  await database.drop();
});

const hangs = new Promise<number>(() => undefined);
const quick = saga("quick", async (tx, _: null) => await tx.step("a", () => 1, { undo: () => undefined }));
const hanging = saga("quick", async (tx, _: null) => await tx.step("a", () => hangs, { undo: () => undefined }));

async function node(definition: typeof quick, participants: readonly Participant[] = []): Promise<Tripact> {
  const tripact = await createTripact({ store: postgresStore({ url: database.url }), definitions: [definition], participants, pollEveryMs: 100, stopWithinMs: 10 });
  nodes.push(tripact);
  return tripact;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const untilMs = performance.now() + 10_000; !(await holds()); await wait(10)) if (performance.now() > untilMs) assert.fail(`never: ${what}`);
}

test("a transaction that cannot be read is parked in its header, and goes on at a node that can read it", async () => {
  const first = await node(hanging);
  for (const gid of ["good", "odd"]) await first.start(hanging, null, { gid });
  await first.stop();
  await pool.query(`update tripact.transaction set opening = 'x' || opening where gid = 'odd'`);
  const heir = await node(quick);
  await until("the good one ends", async () => (await heir.outcome("good")).kind === "committed");
  await until("the odd one is parked", async () => (await heir.list({ state: "parked" })).some(({ gid, summary }) => gid === "odd" && summary.parked?.startsWith("unreadable: ") === true));
  await heir.stop();
  await pool.query(`update tripact.transaction set opening = substr(opening, 2) where gid = 'odd'`);
  const able = await node(quick);
  assert.equal((await able.run(quick, null, { gid: "odd" })).kind, "committed");
  assert.deepEqual(await able.list({ state: "parked" }), []);
  await able.stop();
});

test("note 11: a plan whose participant is not here is handed back, and taken up by the node that has it", async () => {
  const stock = (action: (units: number) => number | Promise<number>) => participant({ name: "stock", action: (_call, units: number) => action(units), compensate: () => undefined });
  const hung = stock(() => hangs);
  const data = plan({ stock: hung }).step("reserve", "stock", 2).build();
  const first = await node(quick, [hung]);
  await first.startPlan(data, { gid: "planned" });
  await first.stop();
  const without = await node(quick);
  await until("it is unclaimed", async () => (await without.list({ state: "unclaimed" })).some(({ gid, owner }) => gid === "planned" && owner === null));
  await wait(300);
  const [header] = await without.list({ gid: "planned" });
  assert.deepEqual([header?.owner, header?.summary.parked], [null, undefined], "it leaves it alone");
  const able = await node(quick, [stock((units) => units)]);
  assert.deepEqual(await able.runPlan(data, { gid: "planned" }), { kind: "committed", gid: "planned", result: { reserve: 2 } });
});
