import { freshDatabase } from "@tripact/testbed";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { Refused } from "../protocol/outcome.ts";
import { postgresStore } from "../stores/postgres/store.ts";
import { participant } from "../transports/in-process/participant.ts";
import { createTripact, type Tripact } from "../tripact.ts";
import { EXIT } from "./command.ts";
import { run } from "./run.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const database = await freshDatabase("cli");
const pool = new pg.Pool({ connectionString: database.url, max: 2 });
const started: Tripact[] = [];
after(async () => {
  for (const node of started) await node.stop();
  await pool.end();
  await database.drop();
});

interface Ended {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

const here = { TRIPACT_URL: database.url };

/** Runs the command as a shell does. */
function shell(args: readonly string[], env: Record<string, string> = here): Promise<Ended> {
  const { TRIPACT_URL: _, ...inherited } = process.env;
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [main, ...args], { env: { ...inherited, ...env }, timeout: 20_000 }, (_error, out, err) => {
      resolve({ exit: child.exitCode ?? -1, out, err });
    });
  });
}

/** The same without a process of its own, which takes most of a command's time. */
async function tripact(args: readonly string[], env: Record<string, string> = here): Promise<Ended> {
  let out = "";
  let err = "";
  const exit = await run(args, { out: (text) => void (out += text), err: (text) => void (err += text), env });
  return { exit, out, err };
}

/** A bank that books, but then refuses to confirm: what it says cannot be followed, and a person has to look. */
const bank = participant<{ cents: number }, { id: number }>({
  name: "bank",
  try: () => ({ id: 7 }),
  confirm: () => {
    throw new Refused("closed");
  },
  cancel: () => undefined,
});

/** It hardly polls: what it takes up in time was announced. */
async function coordinator(name: string): Promise<Tripact> {
  const node = await createTripact({ store: postgresStore({ url: database.url }), participants: [bank], nodeName: name, pollEveryMs: 60_000 });
  started.push(node);
  return node;
}

/** Starts a transaction that parks, and waits until it has. */
async function park(node: Tripact, gid: string): Promise<void> {
  await node.startPlan({ groups: [[{ kind: "tcc", name: "pay", participant: "bank", payload: { cents: 5 } }]] }, { gid });
  await until(async () => (await node.list({ state: "parked" })).some((header) => header.gid === gid));
}

/** Starts a transaction and vanishes as a killed process does: the node's row stays, its lock falls. */
async function abandon(gid: string): Promise<void> {
  const store = postgresStore({ url: database.url });
  await store.connect();
  const owner = randomUUID();
  await store.membership.join({ incarnation: owner, name: "victim", runs: [{ definition: "plan", version: "1" }] });
  const entry = JSON.stringify([{ kind: "started", plan: { groups: [[{ kind: "sleep", name: "nap", ms: 3_600_000 }]] } }]);
  const summary = { status: "forward" as const, ended: false, late: false };
  const write = { kind: "start" as const, gid, definition: "plan", version: "1", inputHash: "", input: "null", entry, summary, messages: [] };
  assert.deepEqual(await store.journal.write({ flushId: randomUUID(), owner, writes: [write] }), ["applied"]);
  await store.close();
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come to pass");
}

async function rowsOf(gid: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>("select count(*)::int as n from tripact.transaction where gid = $1", [gid]);
  return rows[0]?.n ?? -1;
}

/** One line on stderr, nothing on stdout, no stack. */
function assertFailure(ended: Ended, exit: number, says: RegExp): void {
  assert.deepEqual({ exit: ended.exit, out: ended.out }, { exit, out: "" }, ended.err);
  assert.match(ended.err, says);
  assert.match(ended.err, /^tripact.*\n$/);
}

describe("the command line", () => {
  test("shows its commands, its version, and a command's options", async () => {
    const [help, version, ofShow, nothing] = await Promise.all([shell(["--help"]), tripact(["--version"]), tripact(["show", "--help"]), tripact([])]);
    assert.equal(help.exit, EXIT.ok);
    for (const name of ["migrate", "list", "show", "outcome", "decide", "cancel", "prune", "serve", "relay", "outbox status", "outbox list", "outbox show", "outbox requeue", "outbox discard"]) assert.match(help.out, new RegExp(`^  ${name} `, "m"));
    const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
    assert.deepEqual(version, { exit: EXIT.ok, out: `${manifest.version}\n`, err: "" });
    assert.match(ofShow.out, /^usage: tripact show <gid> \[--json\]$/m);
    assert.deepEqual({ exit: nothing.exit, err: nothing.err }, { exit: EXIT.usage, err: help.out });
    assert.deepEqual(await tripact(["help", "show"]), ofShow);
    for (const code of Object.values(EXIT)) assert.match(help.out, new RegExp(`^  ${code}  `, "m"));
  });

  test("refuses what it does not understand, in one line", async () => {
    const [command, option, missing, extra, verdict, reason, state, limit] = await Promise.all([
      shell(["lst"]),
      tripact(["list", "--jsn"]),
      tripact(["show"]),
      tripact(["show", "a", "b"]),
      tripact(["decide", "a", "perhaps", "--reason", "x"]),
      tripact(["decide", "a", "done"]),
      tripact(["list", "--state", "lost"]),
      tripact(["list", "--limit", "-1"]),
    ]);
    assertFailure(command, EXIT.usage, /there is no command lst; there are migrate, list/);
    assertFailure(option, EXIT.usage, /--jsn'; there are --url, --state/);
    assertFailure(missing, EXIT.usage, /something is missing: tripact show <gid>/);
    assertFailure(extra, EXIT.usage, /b is too much/);
    assertFailure(verdict, EXIT.usage, /one of done, refused, retry, skip/);
    assertFailure(reason, EXIT.usage, /needs its reason/);
    assertFailure(state, EXIT.usage, /--state is one of open, parked/);
    assertFailure(limit, EXIT.usage, /--limit has no value; one that begins with a dash is written --limit=-/);
    assertFailure(await tripact(["--json", "list"]), EXIT.usage, /options come after the command/);
    assertFailure(await tripact(["cancel", "a", "--who", " "]), EXIT.usage, /--who is a name/);
  });

  test("never repeats a password, whatever is wrong with the URL", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await new Promise((resolve) => taken.close(resolve));
    const [none, unreadable, scheme, unreachable, environment] = await Promise.all([
      shell(["list"], {}),
      tripact(["list", "--url", "postgres://u:hunter2@:x:y"], {}),
      tripact(["list", "--url", "mysql://u:hunter2@h/x"], {}),
      shell(["list", "--url", `postgres://u:hunter2@127.0.0.1:${port}/shop`], {}),
      tripact(["list"], { TRIPACT_URL: `postgres://u:hunter2@127.0.0.1:${port}/shop` }),
    ]);
    assertFailure(none, EXIT.usage, /no store: say --url/);
    assertFailure(unreadable, EXIT.usage, /--url cannot be read as a URL/);
    assertFailure(scheme, EXIT.usage, /--url begins with postgres:\/\//);
    assertFailure(unreachable, EXIT.unreachable, new RegExp(`127\\.0\\.0\\.1:${port}/shop`));
    assertFailure(environment, EXIT.unreachable, /ECONNREFUSED/);
    for (const { err } of [none, unreadable, scheme, unreachable, environment]) assert.doesNotMatch(err, /hunter2/);
  });

  test("says where there is no schema, and makes it", async () => {
    assertFailure(await shell(["list"]), EXIT.unfit, /schema tripact is missing.*Run `npx tripact migrate`/);
    const first = await shell(["migrate"]);
    assert.equal(first.exit, EXIT.ok, first.err);
    assert.match(first.out, /^applied 0001-journal\n[^]*is up to date\n$/);
    const again = await tripact(["migrate"]);
    assert.match(again.out, /^[^\n]* is up to date\n$/);
    const barrier = await tripact(["migrate", "--participant"]);
    assert.match(barrier.out, /^applied 0001-barrier\n/);
    assert.deepEqual(await tripact(["list"]), { exit: EXIT.ok, out: "no transactions\n", err: "" });
    assert.equal((await tripact(["list", "--state", "parked"])).out, "no transactions are parked\n");
  });

  test("says whose rights are missing, and where", async () => {
    const role = `stranger_to_${database.name}`;
    await pool.query(`create role ${role} login password 'hunter2'`);
    try {
      const url = new URL(database.url);
      url.username = role;
      url.password = "hunter2";
      const env = { TRIPACT_URL: url.href, TRIPACT_TOKEN: "t".repeat(16), TRIPACT_SECRET: "s".repeat(16) };
      const says = new RegExp(`permission denied .*${database.name}\\] The role in the URL`);
      for (const denied of await Promise.all([tripact(["list"], env), tripact(["migrate"], env), shell(["serve"], env)])) assertFailure(denied, EXIT.unfit, says);
    } finally {
      await pool.query(`drop role ${role}`);
    }
  });

  test("finds out that an owner has died, although its row still says that it lives", async () => {
    await abandon("orphan");
    assert.match((await tripact(["show", "orphan"])).out, /driven by victim\//);
    // A free lock proves death only after half a second of looking.
    const cancelled = await tripact(["cancel", "orphan", "--wait-ms", "4000"]);
    assert.equal(cancelled.exit, EXIT.waiting, cancelled.err);
    assert.match(cancelled.out, /not taken up yet: nobody alive owns it/);
    const next = await coordinator("worker-0");
    await until(async () => (await next.outcome("orphan")).kind === "rolled-back");
    await next.stop();
  });
});

describe("an operator with a parked transaction", () => {
  let node: Tripact;
  before(async () => {
    await tripact(["migrate"]);
    node = await coordinator("worker-1");
    await park(node, "order-1");
  });

  test("finds it, with its reason and its owner", async () => {
    const [listed, asJson, shown] = await Promise.all([shell(["list", "--state", "parked"]), tripact(["list", "--state", "parked", "--json"]), tripact(["show", "order-1"])]);
    assert.match(listed.out, /^order-1 +plan@1 +committing +[\d.]+ m?s +worker-1\/[0-9a-f]{8} +PARKED: second-phase-refused at pay: closed$/m);
    const rows = JSON.parse(asJson.out) as { gid: string; parked: string }[];
    assert.deepEqual(rows.map(({ gid, parked }) => ({ gid, parked })), [{ gid: "order-1", parked: "second-phase-refused at pay: closed" }]);
    assert.match(shown.out, /pay {2}try done \{"id":7\}\n[^]*DECIDED: commit\n[^]*confirm refused: closed\n/);
  });

  test("is told what cannot be decided, and changes nothing", async () => {
    const [branch, unknown, open] = await Promise.all([
      tripact(["decide", "order-1", "done", "--branch", "post", "--reason", "x"]),
      tripact(["decide", "order-0", "done", "--branch", "pay", "--reason", "x"]),
      tripact(["decide", "order-1", "refused", "--reason", "x"]),
    ]);
    assertFailure(branch, EXIT.refused, /nothing to decide in order-1: it has no branch post; it has pay/);
    assertFailure(unknown, EXIT.notFound, /no transaction has the gid order-0/);
    assertFailure(open, EXIT.refused, /it is decided already/);
    assert.equal(await rowsOf("order-0"), 0);
    const dry = await tripact(["decide", "order-1", "done", "--branch", "pay", "--reason", "x", "--dry-run"]);
    assert.equal(dry.exit, EXIT.ok);
    assert.equal(dry.out, "done for order-1/pay\n  now    pay parked; open (committing), PARKED: second-phase-refused at pay: closed\n  then   committed with {\"pay\":{\"id\":7}}\n");
    assert.equal((await node.outcome("order-1")).kind, "open");
  });

  test("decides, and sees the owner take it up", async () => {
    const decided = await shell(["decide", "order-1", "done", "--branch", "pay", "--reason", "the bank's book has it", "--who", "ana"]);
    assert.equal(decided.exit, EXIT.ok, decided.err);
    assert.match(decided.out, /taken up by worker-1\/[0-9a-f]{8}: committed with \{"pay":\{"id":7\}\}\n$/);
    assert.equal((await node.outcome("order-1")).kind, "committed");
    assert.match((await tripact(["show", "order-1"])).out, /ana decided done: the bank's book has it\n/);
    assertFailure(await tripact(["decide", "order-1", "done", "--branch", "pay", "--reason", "again"]), EXIT.refused, /it has ended: committed/);
    assertFailure(await tripact(["cancel", "order-1"]).then((it) => ({ ...it, err: `tripact ${it.out}`, out: "" })), EXIT.refused, /order-1: committed/);
  });

  test("leaves a decision for later when nobody is alive", async () => {
    await park(node, "order-2");
    await node.stop();
    const waiting = await tripact(["decide", "order-2", "skip", "--branch", "pay", "--reason", "written off", "--wait-ms", "100"]);
    assert.equal(waiting.exit, EXIT.waiting, waiting.err);
    assert.match(waiting.out, /not taken up yet: nobody alive owns it; it is taken up when a node that runs plan@1 starts\n$/);
    assert.match((await tripact(["show", "order-2"])).out, /driven by nobody[^]*1 request waits to be taken up/);
    const next = await coordinator("worker-2");
    await until(async () => (await next.outcome("order-2")).kind === "committed");
  });
});

describe("a gid that nobody knows", () => {
  before(async () => {
    await tripact(["migrate"]);
  });

  test("is only looked for by show and outcome, and settled when asked to", async () => {
    const [shown, looked] = await Promise.all([shell(["show", "ghost"]), tripact(["outcome", "ghost"])]);
    assertFailure(shown, EXIT.notFound, /no transaction has the gid ghost/);
    assertFailure(looked, EXIT.notFound, /it may still start/);
    assert.equal(await rowsOf("ghost"), 0);
    assert.deepEqual(await tripact(["outcome", "ghost", "--settle"]), { exit: EXIT.ok, out: "ghost: never started, and never will\n", err: "" });
    assert.equal(await rowsOf("ghost"), 1);
  });

  test("never starts once it was cancelled", async () => {
    assert.deepEqual(await tripact(["cancel", "phantom"]), { exit: EXIT.ok, out: "phantom: never started, and never will\n", err: "" });
    const node = await coordinator("worker-3");
    await assert.rejects(node.startPlan({ groups: [[{ kind: "sleep", name: "nap", ms: 0 }]] }, { gid: "phantom" }), { code: "never-started" });
  });

  test("is forgotten by prune, and open transactions are not", async () => {
    const node = await coordinator("worker-4");
    await park(node, "order-3");
    assertFailure(await tripact(["prune", "--entries-days", "9", "--headers-days", "1"]), EXIT.usage, /at least --entries-days/);
    const pruned = await tripact(["prune", "--entries-days", "0", "--headers-days", "0"]);
    assert.match(pruned.out, /^deleted ([1-9]\d*) stor(?:y|ies), forgot \1 gids?\n$/);
    assert.equal(await rowsOf("ghost"), 0);
    assert.equal(await rowsOf("order-3"), 1);
  });
});
