/** Two at once, and connections that die at every statement, against a real Postgres. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { Refused } from "../../protocol/outcome.ts";
import { migrateBarrier } from "../migrate.ts";
import { pgTransactions } from "../transaction.ts";
import type { OpenTransaction, PgClient } from "../transaction.ts";
import type { BarrierAnswer } from "./answer.ts";
import { postgresBarrier } from "./barrier.ts";
import { violationsOf } from "./conformance/invariants.ts";
import type { Heard } from "./conformance/invariants.ts";
import { openLedger, toldBy } from "./conformance/ledger.ts";
import type { Ask, LedgerOp } from "./conformance/ledger.ts";

const database = await freshDatabase("barrier_faults");
const pool = new Pool({ connectionString: database.url, max: 4 });
// Connections die here on purpose, and a pool that nobody listens to ends the process.
pool.on("error", () => {});
after(async () => {
  await pool.end();
  await database.drop();
});
const open = pgTransactions(pool);
await open(migrateBarrier);
const ledger = await openLedger(open);
const barrier = postgresBarrier();

type Ending = "commits" | "refuses" | "fails";
interface Pair {
  readonly before: readonly LedgerOp[];
  readonly holder: LedgerOp;
  readonly ending: Ending;
  readonly waiter: LedgerOp;
  readonly holderGets: string;
  readonly waiterGets: string;
  readonly effects: readonly LedgerOp[];
}

// While the holder's transaction is open inside its business, the waiter is let in; then the holder ends.
const pairs: readonly Pair[] = [
  { before: [], holder: "action", ending: "commits", waiter: "action", holderGets: "done ran", waiterGets: "done repeated", effects: ["action"] },
  { before: [], holder: "action", ending: "fails", waiter: "action", holderGets: "threw", waiterGets: "done ran", effects: ["action"] },
  { before: [], holder: "action", ending: "refuses", waiter: "action", holderGets: "refused ran no-funds", waiterGets: "refused repeated no-funds", effects: [] },
  { before: [], holder: "action", ending: "commits", waiter: "compensate", holderGets: "done ran", waiterGets: "done ran", effects: ["action", "compensate"] },
  { before: [], holder: "action", ending: "fails", waiter: "compensate", holderGets: "threw", waiterGets: "done empty", effects: [] },
  { before: [], holder: "try", ending: "refuses", waiter: "cancel", holderGets: "refused ran no-funds", waiterGets: "done empty", effects: [] },
  { before: [], holder: "try", ending: "commits", waiter: "cancel", holderGets: "done ran", waiterGets: "done ran", effects: ["try", "cancel"] },
  { before: ["try"], holder: "confirm", ending: "commits", waiter: "cancel", holderGets: "done ran", waiterGets: "refused barred already-confirmed", effects: ["try", "confirm"] },
  { before: ["try"], holder: "cancel", ending: "commits", waiter: "confirm", holderGets: "done ran", waiterGets: "refused barred already-cancelled", effects: ["try", "cancel"] },
  { before: ["try"], holder: "cancel", ending: "fails", waiter: "confirm", holderGets: "threw", waiterGets: "done ran", effects: ["try", "confirm"] },
  { before: ["try"], holder: "confirm", ending: "commits", waiter: "confirm", holderGets: "done ran", waiterGets: "done repeated", effects: ["try", "confirm"] },
  { before: ["action"], holder: "compensate", ending: "commits", waiter: "compensate", holderGets: "done ran", waiterGets: "done repeated", effects: ["action", "compensate"] },
];

for (const [index, pair] of pairs.entries()) {
  const { before, holder, ending, waiter, effects } = pair;
  test(`two at once: ${waiter} while ${holder} is in flight, which then ${ending}`, async () => {
    const asked = (op: LedgerOp): Ask => ({ gid: `pair-${index}`, branch: "wallet", op, refuse: false });
    for (const op of before) await barrier.transact(open, asked(op), (db) => ledger.work(db, asked(op)));

    const inside = Promise.withResolvers<void>();
    const end = Promise.withResolvers<void>();
    const first = open((db) =>
      barrier.run(db, asked(holder), async () => {
        const result = await ledger.work(db, asked(holder));
        inside.resolve();
        await end.promise;
        if (ending === "refuses") throw new Refused("no-funds");
        if (ending === "fails") throw new Error("lost");
        return result;
      }),
    ).then(words, () => "threw");
    await inside.promise;
    const second = open((db) => barrier.run(db, asked(waiter), () => ledger.work(db, asked(waiter)))).then(words, String);
    await somebodyWaits();
    end.resolve();

    assert.deepEqual([await first, await second], [pair.holderGets, pair.waiterGets]);
    assert.deepEqual((await ledger.effectsOf(`pair-${index}`)).map(({ op }) => op), effects);
  });
}

function words(answer: BarrierAnswer<unknown>): string {
  return answer.kind === "done" ? `done ${answer.how}` : `refused ${answer.how} ${answer.code}`;
}

async function somebodyWaits(): Promise<void> {
  for (let tries = 0; tries < 2_000; tries += 1) {
    const { rows } = await pool.query("select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'");
    if (rows.length > 0) return;
  }
  assert.fail("nobody waits: the two did not meet");
}

interface Script {
  readonly name: string;
  readonly ops: readonly LedgerOp[];
  /** The first delivery of the forward op is refused; the business would agree later. */
  readonly refuseFirst: boolean;
  /** Statements of all deliveries, begin and commit included, where nothing dies; a death before and one after each is a point. */
  readonly statements: number;
}

const scripts: readonly Script[] = [
  { name: "try and confirm", ops: ["try", "confirm"], refuseFirst: false, statements: 10 },
  { name: "try and cancel", ops: ["try", "cancel"], refuseFirst: false, statements: 10 },
  { name: "action and compensate", ops: ["action", "compensate"], refuseFirst: false, statements: 10 },
  { name: "a refused action, repeated", ops: ["action", "action", "compensate"], refuseFirst: true, statements: 16 },
  { name: "an undo before its action", ops: ["compensate", "action", "compensate"], refuseFirst: false, statements: 11 },
];

type Participant = (through: OpenTransaction, ask: Ask) => Promise<{ readonly seq: number } | undefined>;

const guarded: Participant = (through, ask) => barrier.transact(through, ask, (db) => ledger.work(db, ask));

for (const script of scripts) {
  test(`the connection dies before or after every statement: ${script.name}`, async (t) => {
    const { points, violations } = await playAll("guarded", script, guarded);
    assert.deepEqual(violations, []);
    assert.equal(points, 2 * script.statements);
    t.diagnostic(`${points} points`);
  });
}

test("a barrier that commits before the effect's own transaction is caught by a death between the two", async () => {
  const apart: Participant = async (through, ask) => {
    const answer = await through((db) => barrier.run(db, ask, async () => {}));
    if (answer.kind === "refused") throw new Refused(answer.code);
    return answer.how === "ran" ? through((db) => ledger.work(db, ask)) : undefined;
  };
  for (const script of scripts.slice(0, 1)) {
    const { violations } = await playAll("apart", script, apart);
    assert.match(violations.join("\n"), /try was told done and has no effect/);
  }
});

async function playAll(as: string, { name, ops, refuseFirst }: Script, participant: Participant): Promise<{ points: number; violations: string[] }> {
  let points = 0;
  const violations: string[] = [];
  for (const [at] of ops.entries()) {
    for (const moment of ["before", "after"] as const) {
      for (let statement = 1; ; statement += 1) {
        const asks = ops.map((op, n): Ask => ({ gid: `${as} ${name} ${at} ${moment} ${statement}`, branch: "wallet", op, refuse: refuseFirst && n === 0 }));
        const { died, found } = await play(asks, { at, moment, statement }, participant);
        if (!died) break;
        points += 1;
        violations.push(...found.map((violation) => `${moment} statement ${statement} of ${ops[at]}: ${violation}`));
      }
    }
  }
  return { points, violations };
}

interface Death {
  /** Which delivery's connection dies. */
  readonly at: number;
  readonly moment: "before" | "after";
  /** 1 is `begin`, the last is `commit`. */
  readonly statement: number;
}

/** Delivers all, one of them over a connection that dies; then that one again. It does not die if there are fewer statements. */
async function play(asks: readonly Ask[], death: Death, participant: Participant): Promise<{ died: boolean; found: readonly string[] }> {
  const heard: Heard[] = [];
  let died = false;
  const deliver = async (through: OpenTransaction, ask: Ask): Promise<void> => {
    heard.push({ op: ask.op, told: await toldBy(() => participant(through, ask)) });
  };
  for (const [at, ask] of asks.entries()) {
    if (at === death.at) await deliver(dying(death, () => (died = true)), ask);
    await deliver(open, ask);
  }
  const unknown = heard.filter(({ told }) => told.kind === "unknown").length;
  const wrong = unknown === (died ? 1 : 0) ? [] : [`${unknown} unknown answers`];
  return { died, found: [...wrong, ...violationsOf(heard, await ledger.effectsOf(asks[0]?.gid ?? ""))] };
}

/** A pool whose connection is ended before it gets the n-th statement, or before we get its reply; a refused delivery takes two of them. */
function dying({ moment, statement }: Death, died: () => void): OpenTransaction {
  let count = 0;
  return pgTransactions({
    async connect() {
      const client = await pool.connect();
      const { rows } = await client.query("select pg_backend_pid() as pid");
      const mortal: PgClient = {
        on: (event, hear) => client.on(event, hear),
        removeListener: (event, hear) => client.removeListener(event, hear),
        release: (destroy) => client.release(destroy),
        async query(text, values) {
          // A roll back that does not get through leaves nothing behind that could be in doubt.
          const last = text !== "rollback" && (count += 1) === statement;
          if (!last) return client.query(text, [...values]);
          died();
          if (moment === "before") await kill(rows[0]?.pid);
          const reply = await client.query(text, [...values]);
          await kill(rows[0]?.pid);
          throw new Error(`connection lost after ${reply.command}`);
        },
      };
      return mortal;
    },
  });
}

async function kill(pid: unknown): Promise<void> {
  await pool.query("select pg_terminate_backend($1)", [pid]);
}
