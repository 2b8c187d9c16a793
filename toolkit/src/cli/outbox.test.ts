import { freshDatabase } from "@tripact/testbed";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import pg from "pg";
import type { Envelope, Receipt, Sink } from "../brokers/broker.ts";
import { send } from "../participants/outbox.ts";
import { pgTransactions } from "../participants/transaction.ts";
import { createRelay, postgresOutboxLog, type Relay } from "../relay.ts";
import { migrate } from "../stores/postgres/migrate.ts";
import { EXIT } from "./command.ts";
import { run } from "./run.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const database = await freshDatabase("cli_outbox");
const pool = new pg.Pool({ connectionString: database.url, max: 2 });
await migrate(database.url);
const relays: Relay[] = [];
after(async () => {
  for (const relay of relays) await relay.stop();
  await pool.end();
  await database.drop();
});

interface Ended {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as a shell does. */
function shell(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [main, ...args], { env: { ...process.env, TRIPACT_URL: database.url }, timeout: 20_000 }, (_error, out, err) => {
      resolve({ exit: child.exitCode ?? -1, out, err });
    });
  });
}

async function tripact(...args: readonly string[]): Promise<Ended> {
  let out = "";
  let err = "";
  const exit = await run(args, { out: (text) => void (out += text), err: (text) => void (err += text), env: { TRIPACT_URL: database.url } });
  return { exit, out, err };
}

/** What it refuses is decided by `refuses`; what it took is in `taken`. */
const taken: string[] = [];
let refuses = (_: Envelope): boolean => true;
const sink: Sink = {
  features: { name: "picky", persistent: false, ordered: false, deduplicates: false, batchMax: 10 },
  deliver: async (messages) =>
    messages.map((message): Receipt => {
      if (refuses(message)) return { kind: "refused", code: "no-address", error: `${message.key} has no address` };
      taken.push(message.id);
      return { kind: "done" };
    }),
  close: async () => undefined,
};

/** Listens, and hardly looks by itself. */
async function startRelay(): Promise<Relay> {
  const started = await createRelay({ log: postgresOutboxLog({ url: database.url }), source: "shop", nodeName: "relay-1", subscriptions: [{ name: "mailer", sink }], syncEveryMs: 60_000 });
  relays.push(started);
  return started;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come to pass");
}

const stateOf = async (id: string): Promise<unknown> => (await pool.query("select state from tripact.outbox_retry where id = $1", [id])).rows[0]?.state;

function assertFailure(ended: Ended, exit: number, says: RegExp): void {
  assert.deepEqual({ exit: ended.exit, out: ended.out }, { exit, out: "" }, ended.err);
  assert.match(ended.err, says);
  assert.match(ended.err, /^tripact.*\n$/);
}

describe("an operator with messages that nobody takes", () => {
  let first: string;
  let second: string;
  let other: string;

  test("sees that nothing has read the outbox yet, and what has not failed", async () => {
    [first = "", second = "", other = ""] = await pgTransactions(pool)((db) =>
      send(db, [
        { topic: "order.placed", key: "order-7", payload: { cents: 500 }, headers: { tenant: "acme" } },
        { topic: "order.placed", key: "order-7", payload: { cents: 501 } },
        { topic: "order.placed", key: "order-8", payload: null },
      ]),
    );
    assert.equal((await shell("outbox", "status")).out, "no subscription has read this outbox yet\n");
    assert.equal((await tripact("outbox", "list")).out, "no messages have failed\n");
    assert.match((await tripact("outbox", "show", first)).out, /\npayload \{"cents":500\}\n\nno subscription has read this outbox yet\n$/);
  });

  test("finds what is parked and what waits behind it", async () => {
    await startRelay();
    await until(async () => (await stateOf(first)) === "parked" && (await stateOf(second)) === "waiting" && (await stateOf(other)) === "parked");
    const [listed, waiting, asJson, shown] = await Promise.all([shell("outbox", "list"), tripact("outbox", "list", "--state", "waiting"), tripact("outbox", "list", "--key", "order-7", "--json"), shell("outbox", "show", second)]);
    assert.match(listed.out, new RegExp(`^${first} +mailer +PARKED +order\\.placed +order-7 +[\\d.]+ m?s +1 try: no-address: order-7 has no address$`, "m"), listed.err);
    assert.match(listed.out, new RegExp(`^${second} +mailer +waiting .*waiting behind ${first}$`, "m"));
    assert.match(waiting.out, new RegExp(`^ID[^\\n]*\\n${second} .*waiting behind ${first}\\n$`));
    const rows = JSON.parse(asJson.out) as { message: { id: string }; behind?: string }[];
    assert.deepEqual(rows.map(({ message, behind }) => [message.id, behind]), [[first, undefined], [second, first]]);
    assert.match(shown.out, new RegExp(`\\n  mailer  waiting  waiting behind ${first}\\n$`), shown.err);
    const { out } = await tripact("outbox", "status");
    assert.match(out, /^mailer +\d+ +\S.* 1 +0 +2 +0 +relay-1\/[0-9a-f]{8} 64$/m);
  });

  test("finds out that a relay has died, although its row still says that it lives", async () => {
    const dead = "0199a1b2-0000-4000-8000-00000000dead";
    await pool.query("insert into tripact.node (incarnation, name, runs) values ($1, 'victim', '[]')", [dead]);
    await pool.query("insert into tripact.outbox_lane (subscription, lane, owner, system_identifier) values ('audit', 0, $1, '1')", [dead]);
    assert.match((await tripact("outbox", "status")).out, /^audit .* victim\/0199a1b2 \(gone\) 1$/m);
    await pool.query("delete from tripact.outbox_lane where subscription = 'audit'");
    await pool.query("delete from tripact.node where incarnation = $1", [dead]);
  });

  test("is told what cannot be decided, and changes nothing", async () => {
    const ghost = "0199a1b2-0000-7000-8000-000000000001";
    assertFailure(await shell("outbox", "requeue", first, ghost, "--reason", "x"), EXIT.notFound, /no message has the id 0199a1b2.*nothing was changed/);
    assertFailure(await tripact("outbox", "show", ghost), EXIT.notFound, /no message has the id/);
    assertFailure(await tripact("outbox", "show", "order-7"), EXIT.usage, /a message's id is a UUID, not order-7/);
    assertFailure(await tripact("outbox", "requeue", first), EXIT.usage, /needs its reason/);
    assertFailure(await tripact("outbox", "requeue", "--reason", "x"), EXIT.usage, /which\?/);
    assertFailure(await tripact("outbox", "requeue", first, "--all-parked", "--reason", "x"), EXIT.usage, /not both/);
    assertFailure(await tripact("outbox", "discard", "--all-parked", "--reason", "x"), EXIT.usage, /Unknown option '--all-parked'/);
    assertFailure(await tripact("outbox", "discard", first, "--subscription", "audit", "--reason", "x"), EXIT.refused, /is unknown to audit; nothing was changed/);
    assertFailure(await tripact("outbox"), EXIT.usage, /say which: outbox status, outbox list/);
    assertFailure(await tripact("outbox", "lst"), EXIT.usage, /instead of lst: outbox status/);
    assert.match((await tripact("outbox", "--help")).out, /^ {2}outbox requeue {2}try failed/m);
    assert.match((await tripact("help", "outbox", "show")).out, /^usage: tripact outbox show <id> \[--json\]$/m);
    assert.equal(await stateOf(first), "parked");
  });

  test("requeues one, and the relay takes it up at once, with those behind it in order", async () => {
    refuses = ({ key }) => key === "order-8";
    const requeued = await shell("outbox", "requeue", first, "--reason", "the address was added", "--who", "ana");
    assert.deepEqual(requeued, { exit: EXIT.ok, out: "requeued 1 delivery of 1 message\n", err: "" });
    await until(() => taken.length === 2);
    assert.deepEqual(taken, [first, second]);
    await until(async () => (await stateOf(second)) === undefined);
    assertFailure(await tripact("outbox", "requeue", first, "--reason", "again"), EXIT.refused, /nothing to requeue: \S+ is (settled|pending) in mailer/);
  });

  test("discards one for good, with who and why", async () => {
    assert.equal((await tripact("outbox", "discard", other, "--reason", "sent by hand", "--who", "ana")).out, "discarded 1 delivery of 1 message\n");
    assert.match((await tripact("outbox", "list", "--state", "discarded")).out, /discarded by ana: sent by hand$/m);
    assert.match((await tripact("outbox", "show", other)).out, / {2}mailer {2}discarded {2}1 try: .*; discarded by ana: sent by hand\n$/);
    assertFailure(await tripact("outbox", "requeue", other, "--reason", "no"), EXIT.refused, /is discarded in mailer/);
    assert.equal((await tripact("outbox", "requeue", "--all-parked", "--reason", "none left")).out, "requeued 0 deliveries\n");
    assert.equal((await tripact("outbox", "list")).out, "no messages have failed\n");
  });
});
