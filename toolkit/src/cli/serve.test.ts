import { freshDatabase, spawnLeashed, type LeashedProcess } from "@tripact/testbed";
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { migrateBarrier } from "../participants/migrate.ts";
import { postgresBarrier } from "../participants/barrier/barrier.ts";
import { pgTransactions } from "../participants/transaction.ts";
import { Pending, Refused } from "../protocol/outcome.ts";
import { migrate } from "../stores/postgres/migrate.ts";
import { participantHandler, type ParticipantCall } from "../transports/http/index.ts";
import { EXIT } from "./command.ts";
import { run } from "./run.ts";

const TOKEN = "a token of some thirty characters";
const token = TOKEN.replaceAll(" ", "-");
const secret = "the-secret-of-both-participants";
const main = fileURLToPath(new URL("main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tripact-serve-"));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

const database = await freshDatabase("serve");
const pool = new pg.Pool({ connectionString: database.url, max: 8 });
await migrate(database.url);
await pgTransactions(pool)(migrateBarrier);
await pool.query("create table effect (gid text, branch text, op text)");

/** Two participants in one process: each op is one row, written behind the barrier. */
const barrier = postgresBarrier();
const effect = async (call: ParticipantCall): Promise<{ readonly id: string }> =>
  await barrier.transact(pool, call, async (db) => {
    await db.execute("insert into effect (gid, branch, op) values ($1, $2, $3)", [call.gid, call.branch, call.op]);
    return { id: `${call.branch}-1` };
  });
const refuse = async (call: ParticipantCall): Promise<unknown> =>
  await barrier.transact(pool, call, async () => {
    throw new Refused("sold-out");
  });
const later = (): never => {
  throw new Pending({ retryAfterMs: 60_000 });
};
let hanging = Promise.withResolvers<void>();
const hang = async (): Promise<void> => {
  hanging.resolve();
  await new Promise(() => undefined);
};
const participants = createServer(
  participantHandler({
    secrets: [secret],
    routes: {
      "/stock": { action: effect, compensate: effect },
      "/wallet": { try: effect, confirm: effect, cancel: effect },
      "/empty": { action: refuse, compensate: effect },
      "/bank": { action: later, compensate: effect },
      "/tar": { action: hang, compensate: effect },
    },
  }),
).listen(0, "127.0.0.1");
await once(participants, "listening");
const participantsPort = portOf(participants.address());
const at = (path: string): string => `http://127.0.0.1:${participantsPort}${path}`;

after(async () => {
  participants.closeAllConnections();
  participants.close();
  await pool.end();
  await database.drop();
  rmSync(folder, { recursive: true });
});

function portOf(address: ReturnType<typeof participants.address>): number {
  return typeof address === "object" && address !== null ? address.port : 0;
}

interface Server {
  readonly process: LeashedProcess;
  readonly origin: string;
  /** All that it has printed so far. */
  readonly printed: () => string;
}

async function serve(...args: readonly string[]): Promise<Server> {
  const files = ["--token-file", file("token", `${token}\n`), "--secret-file", file("secret", secret)];
  const child = await spawnLeashed({
    command: process.execPath,
    args: [main, "serve", "--port", "0", "--name", "serve-1", ...files, ...args],
    env: { ...process.env, TRIPACT_URL: database.url },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  const ready = Promise.withResolvers<string>();
  const hear = (chunk: Buffer): void => {
    printed += chunk.toString();
    const origin = /ready on (http:\/\/\S+), journal at/.exec(printed)?.[1];
    if (origin !== undefined) ready.resolve(origin);
  };
  child.stdout?.on("data", hear);
  child.stderr?.on("data", hear);
  void child.exited.then(() => ready.reject(new Error(`it ended: ${printed}`)));
  return { process: child, origin: await ready.promise, printed: () => printed };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a client in another language does: plain HTTP, JSON in and out. */
function ask(origin: string, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = httpRequest(`${origin}${path}`, { method, agent: false, headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers } }, (response) => {
    let text = "";
    response.on("data", (chunk: Buffer) => (text += chunk.toString()));
    response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) as Answer["body"] }));
  });
  sent.once("error", reject);
  sent.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
  return promise;
}

async function effects(gid: string): Promise<readonly string[]> {
  const { rows } = await pool.query<{ branch: string; op: string }>("select branch, op from effect where gid = $1 order by branch, op", [gid]);
  return rows.map(({ branch, op }) => `${branch} ${op}`);
}

const hold = { kind: "step", name: "hold", participant: at("/stock"), payload: { sku: "a" }, undo: "compensate" };
const pay = { kind: "tcc", name: "pay", participant: at("/wallet"), payload: { hold: { $resultOf: "hold", at: "/id" } } };
const purchase = { groups: [[hold], [pay]] };

describe("tripact serve", () => {
  let server: Server;
  before(async () => {
    server = await serve("--allow-host", `127.0.0.1:${participantsPort}`);
  });
  after(async () => {
    await server.process.killWhole();
  });

  test("carries a saga with a TCC branch through, each effect once", async () => {
    const start = { gid: "order-1", plan: purchase, wait: true };
    const first = await ask(server.origin, "POST", "/v1/transactions", start);
    assert.deepEqual({ status: first.status, body: first.body }, { status: 200, body: { kind: "committed", gid: "order-1", result: { hold: { id: "hold-1" }, pay: { id: "pay-1" } } } });
    assert.deepEqual((await ask(server.origin, "POST", "/v1/transactions", start)).body, first.body);
    const attached = await ask(server.origin, "POST", "/v1/transactions", { gid: "order-1", plan: purchase });
    assert.deepEqual({ status: attached.status, body: attached.body }, { status: 202, body: { gid: "order-1", attached: true } });
    assert.deepEqual(await effects("order-1"), ["hold action", "pay confirm", "pay try"]);
  });

  test("rolls back what another branch refuses, and tells why", async () => {
    const plan = { groups: [[hold], [{ ...hold, name: "more", participant: at("/empty") }]] };
    const { status, body } = await ask(server.origin, "POST", "/v1/transactions", { gid: "order-2", plan, wait: true });
    assert.equal(status, 200);
    assert.deepEqual(body["reason"], { kind: "refused", branch: "more", code: "sold-out" });
    assert.deepEqual(await effects("order-2"), ["hold action", "hold compensate"]);
    const timeline = await ask(server.origin, "GET", "/v1/transactions/order-2/timeline");
    assert.match(JSON.stringify(timeline.body["lines"]), /DECIDED: roll back, more refused \(sold-out\)/);
  });

  test("is told the answer of a branch that waits, by callback or by a person", async () => {
    const plan = { groups: [[{ ...hold, name: "transfer", participant: at("/bank") }]] };
    for (const gid of ["order-3", "order-4"]) assert.equal((await ask(server.origin, "POST", "/v1/transactions", { gid, plan })).status, 202);
    const open = await ask(server.origin, "GET", "/v1/transactions?state=open");
    assert.deepEqual((open.body["transactions"] as { gid: string }[]).map(({ gid }) => gid).toSorted(), ["order-3", "order-4"]);

    const completed = await ask(server.origin, "POST", "/v1/transactions/order-3/branches/transfer/complete", { kind: "done", result: { booked: true } });
    assert.equal(completed.status, 202);
    assert.deepEqual((await ask(server.origin, "POST", "/v1/transactions", { gid: "order-3", plan, wait: true })).body["result"], { transfer: { booked: true } });

    const empty = await ask(server.origin, "POST", "/v1/transactions/order-4/decide", { branch: "nothing", verdict: "done", reason: "x" });
    assert.deepEqual([empty.status, empty.body["code"]], [409, "nothing-to-decide"]);
    const decided = await ask(server.origin, "POST", "/v1/transactions/order-4/decide", { branch: "transfer", verdict: "done", reason: "in the bank's book", result: 7 });
    assert.equal(decided.status, 202);
    assert.deepEqual((await ask(server.origin, "POST", "/v1/transactions", { gid: "order-4", plan, wait: true })).body["result"], { transfer: 7 });
  });

  test("cancels, and answers who won", async () => {
    const plan = { groups: [[{ ...hold, name: "transfer", participant: at("/bank") }]] };
    await ask(server.origin, "POST", "/v1/transactions", { gid: "order-5", plan });
    const cancelled = await ask(server.origin, "POST", "/v1/transactions/order-5/cancel", { by: "ana" });
    assert.equal(cancelled.status, 200);
    assert.ok(cancelled.body["kind"] === "rolled-back" || cancelled.body["phase"] === "rolling-back", JSON.stringify(cancelled.body));
    const tooLate = await ask(server.origin, "POST", "/v1/transactions/order-1/cancel");
    assert.deepEqual([tooLate.status, tooLate.body["kind"]], [200, "committed"]);
  });

  test("rolls back for a participant whose reservation expired, unless it is decided", async () => {
    const plan = { groups: [[{ ...pay, payload: null }], [{ ...hold, name: "transfer", participant: at("/bank") }]] };
    await ask(server.origin, "POST", "/v1/transactions", { gid: "order-6", plan });
    const expired = await ask(server.origin, "POST", "/v1/transactions/order-6/outcome", { expiredBranch: "pay" });
    assert.equal(expired.status, 200);
    assert.ok(expired.body["kind"] === "rolled-back" || expired.body["phase"] === "rolling-back", JSON.stringify(expired.body));
    assert.equal((await ask(server.origin, "POST", "/v1/transactions/order-1/outcome", { expiredBranch: "pay" })).body["kind"], "committed");
  });

  test("settles an unknown gid when it is asked, and only looks when it is told to", async () => {
    const peek = await ask(server.origin, "GET", "/v1/transactions/ghost?peek=1");
    assert.deepEqual([peek.status, peek.body["code"]], [404, "unknown-transaction"]);
    assert.deepEqual((await ask(server.origin, "GET", "/v1/transactions/ghost")).body, { kind: "never-started", gid: "ghost" });
    const late = await ask(server.origin, "POST", "/v1/transactions", { gid: "ghost", plan: purchase });
    assert.deepEqual([late.status, late.body["code"]], [410, "never-started"]);
    assert.deepEqual(await effects("ghost"), []);
  });

  test("refuses with a status, a stable code and a hint, and writes nothing", async () => {
    const post = (body: unknown, headers?: Record<string, string>): Promise<Answer> => ask(server.origin, "POST", "/v1/transactions", body, headers);
    const step = { ...hold, participant: "http://10.0.0.1:80/x" };
    const cases: readonly (readonly [string, number, string, Promise<Answer>])[] = [
      ["another plan under the same gid", 409, "conflicting-gid", post({ gid: "order-1", plan: { groups: [[hold]] } })],
      ["a plan without undo", 422, "invalid-plan", post({ gid: "bad", plan: { groups: [[{ ...hold, undo: undefined }]] } })],
      ["no plan", 422, "invalid-plan", post({ gid: "bad" })],
      ["a host that is not allowed", 422, "unknown-participant", post({ gid: "bad", plan: { groups: [[step]] } })],
      ["an allowed host, another port", 422, "unknown-participant", post({ gid: "bad", plan: { groups: [[{ ...hold, participant: "http://127.0.0.1:1/x" }]] } })],
      ["a gid with a control character", 422, "invalid-gid", post({ gid: "a\nb", plan: purchase })],
      ["a negative deadline", 422, "invalid-option", post({ gid: "bad", plan: purchase, deadlineMs: -1 })],
      ["a misspelt member", 422, "invalid-input", post({ gid: "bad", plan: purchase, deadlinems: 5 })],
      ["nesting without end", 422, "invalid-input", post(`{"gid":"bad","plan":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)],
      ["no JSON", 400, "malformed", post("{")],
      ["a list", 400, "malformed", post("[]")],
      ["a form", 415, "unsupported-media-type", post("a=1", { "content-type": "application/x-www-form-urlencoded" })],
      ["too much", 413, "too-large", post(`{"plan":"${"x".repeat(1_100_000)}"}`)],
      ["no such path", 404, "not-found", ask(server.origin, "GET", "/v1/nothing")],
      ["no such method", 405, "method-not-allowed", ask(server.origin, "DELETE", "/v1/transactions")],
      ["a broken path", 400, "malformed", ask(server.origin, "GET", "/v1/transactions/%E0%A4%A")],
      ["a misspelt question", 422, "invalid-input", ask(server.origin, "GET", "/v1/transactions?stat=parked")],
      ["a peek that would settle", 422, "invalid-input", ask(server.origin, "GET", "/v1/transactions/bad?peek=true")],
      ["nobody's wish", 422, "invalid-input", ask(server.origin, "POST", "/v1/transactions/order-1/cancel", { by: "" })],
      ["a state that there is not", 422, "invalid-input", ask(server.origin, "GET", "/v1/transactions?state=lost")],
    ];
    for (const [what, status, code, asked] of cases) {
      const { status: got, body } = await asked;
      assert.deepEqual({ what, status: got, code: body["code"] }, { what, status, code });
      assert.equal(typeof body["message"], "string");
    }
    const { rows } = await pool.query("select from tripact.transaction where gid = 'bad'");
    assert.equal(rows.length, 0);
  });

  test("opens to the token only, but for health and readiness", async () => {
    const paths = ["/v1/transactions", "/v1/transactions/order-1?peek=1", "/openapi.json", "/v1/nothing"];
    for (const authorization of ["", `Bearer ${token}x`, `Basic ${token}`, "Bearer "]) {
      for (const path of paths) {
        const { status, headers, body } = await ask(server.origin, "GET", path, undefined, { authorization });
        assert.deepEqual([path, status, body["code"], headers["www-authenticate"]], [path, 401, "unauthorized", "Bearer"]);
      }
    }
    const unsigned = await ask(server.origin, "POST", "/v1/transactions", { gid: "bad", plan: purchase }, { authorization: "" });
    assert.equal(unsigned.status, 401);
    const health = await ask(server.origin, "GET", "/v1/health", undefined, { authorization: "" });
    assert.deepEqual([health.status, health.body], [200, { store: { state: "up" }, ready: true }]);
    assert.deepEqual((await ask(server.origin, "GET", "/v1/ready", undefined, { authorization: "" })).body, { ready: true });
    assert.ok("journal" in (await ask(server.origin, "GET", "/v1/health")).body);
  });
});

describe("tripact serve, stopped by a signal", () => {
  test("answers who waits, hands over what is open, and ends with 0; the next one goes on", async () => {
    const plan = { groups: [[{ ...hold, name: "transfer", participant: at("/bank") }]] };
    const first = await serve();
    let second: Server | undefined;
    try {
      const waiting = ask(first.origin, "POST", "/v1/transactions", { gid: "order-8", plan, wait: true });
      await untilPending(first.origin, "order-8");
      first.process.kill("SIGTERM");
      const { status, body } = await waiting;
      assert.deepEqual({ status, body }, { status: 202, body: { gid: "order-8", attached: false } });
      assert.deepEqual(await first.process.waitForExit(), { code: EXIT.ok, signal: null });
      assert.match(first.printed(), /SIGTERM, stopping[^]*tripact serve: stopped\n$/);
      await assert.rejects(ask(first.origin, "GET", "/v1/ready"), { code: "ECONNREFUSED" });

      second = await serve();
      await ask(second.origin, "POST", "/v1/transactions/order-8/branches/transfer/complete", { kind: "done" });
      assert.equal((await ask(second.origin, "POST", "/v1/transactions", { gid: "order-8", plan, wait: true })).body["kind"], "committed");
    } finally {
      await first.process.killWhole();
      await second?.process.killWhole();
    }
  });

  test("says that it is not ready while calls in flight end, and exits at once at the second signal", async () => {
    hanging = Promise.withResolvers();
    const server = await serve();
    try {
      await ask(server.origin, "POST", "/v1/transactions", { gid: "order-9", plan: { groups: [[{ ...hold, participant: at("/tar") }]] } });
      await hanging.promise;
      server.process.kill("SIGTERM");
      await untilNotReady(server.origin);
      const late = await ask(server.origin, "POST", "/v1/transactions", { gid: "order-10", plan: purchase });
      assert.deepEqual([late.status, late.body["code"], late.headers["retry-after"]], [503, "stopped", "1"]);
      server.process.kill("SIGTERM");
      assert.deepEqual(await server.process.waitForExit(), { code: EXIT.failed, signal: null });
    } finally {
      await server.process.killWhole();
    }
  });

  test("does not wait for a store any longer", async () => {
    const child = await spawnLeashed({
      command: process.execPath,
      args: [main, "serve", "--url", "postgres://nobody@127.0.0.1:1/none", "--wait-for-store-ms", "600000"],
      env: { ...process.env, TRIPACT_TOKEN: token, TRIPACT_SECRET: secret },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let printed = "";
    const waits = Promise.withResolvers<void>();
    child.stderr?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.includes("ECONNREFUSED")) waits.resolve();
    });
    try {
      await waits.promise;
      child.kill("SIGTERM");
      assert.deepEqual(await child.waitForExit(), { code: EXIT.ok, signal: null });
      assert.match(printed, /SIGTERM before it was ready, stopped\n$/);
    } finally {
      await child.killWhole();
    }
  });

  async function untilNotReady(origin: string): Promise<void> {
    for (let tries = 0; tries < 500; tries += 1) {
      if ((await ask(origin, "GET", "/v1/ready")).status === 503) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error("it stayed ready");
  }

  /** The participant has said "not yet": no call is in flight. */
  async function untilPending(origin: string, gid: string): Promise<void> {
    for (let tries = 0; tries < 500; tries += 1) {
      const { body } = await ask(origin, "GET", `/v1/transactions/${gid}/timeline`);
      if (JSON.stringify(body["lines"] ?? "").includes('"pending"')) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${gid} never waited`);
  }
});

describe("tripact serve refuses to start", () => {
  const refused = async (says: RegExp, args: readonly string[], env: Record<string, string> = {}): Promise<void> => {
    let err = "";
    const exit = await run(["serve", ...args], { out: () => undefined, err: (text) => void (err += text), env: { TRIPACT_URL: database.url, ...env } });
    assert.equal(exit, EXIT.usage, err);
    assert.match(err, says);
    assert.doesNotMatch(err, /shortie/);
  };

  test("without a token and a secret of some length", async () => {
    await refused(/no token: say --token-file FILE, or set TRIPACT_TOKEN/, []);
    await refused(/no secret: say --secret-file FILE/, [], { TRIPACT_TOKEN: token });
    await refused(/holds 7 characters, a token has at least 16/, ["--token-file", file("short", "shortie\n")]);
    await refused(/holds 7 characters/, [], { TRIPACT_TOKEN: "shortie" });
    await refused(/more than one word/, [], { TRIPACT_TOKEN: TOKEN });
    await refused(/--token-file cannot be read/, ["--token-file", join(folder, "none")]);
  });

  test("with a host or a port that cannot be", async () => {
    const both = { TRIPACT_TOKEN: token, TRIPACT_SECRET: secret };
    await refused(/--port is a whole number from 0 to 65535/, ["--port", "70000"], both);
    for (const host of ["http://bank/", "bank:99999", "bank:0"]) await refused(/An allowed host is "name:port"/, ["--allow-host", host], both);
  });
});
