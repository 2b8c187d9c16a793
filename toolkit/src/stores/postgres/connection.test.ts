import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import test, { type TestContext } from "node:test";
import { Connection, type ConnectionOptions } from "./connection.ts";
import type { PgConfig, PgResult } from "./driver.ts";

const NONE: PgResult = { rows: [], rowCount: 0, command: "SELECT" };

/** A server by hand: who comes, and when it breaks down. */
function byHand(t: TestContext) {
  /** The roles whose sessions were opened, in this order. */
  const came: string[] = [];
  const open = new Set<EventEmitter>();
  let isDown = false;
  class Client extends EventEmitter {
    readonly #role: string;
    constructor({ application_name: role }: PgConfig) {
      super();
      this.#role = role;
    }
    connect = async (): Promise<void> => {
      if (isDown) throw new Error("connection refused");
      came.push(this.#role);
      open.add(this);
    };
    query = async ({ text }: { text: string }): Promise<PgResult> => {
      const greeting: unknown = [{ ...NONE, rows: [{ pid: 1, started_at: "1" }] }];
      return text.includes("pg_backend_pid") ? (greeting as PgResult) : NONE;
    };
    end = async (): Promise<void> => {
      open.delete(this);
      this.emit("end");
    };
  }
  return {
    came,
    open,
    up: () => {
      isDown = false;
    },
    breakDown: () => {
      isDown = true;
      for (const client of open) client.emit("error", new Error("terminated"));
      open.clear();
    },
    /** Closed after the test. */
    connection: (role: string, more: Partial<ConnectionOptions> = {}): Connection => {
      const connection = new Connection({ pg: async () => ({ Client }), url: "postgres://server", place: "server", applicationName: role, connectTimeoutMs: 5_000, statementTimeoutMs: 5_000, settings: [], commitLevel: () => "on", ...more });
      t.after(() => connection.close());
      return connection;
    },
  };
}

/** Longer than any test. */
const LONG_MS = 600_000;

test("after a loss those that others wait for come back first, the rest later, and what nobody asks for last", async (t) => {
  const server = byHand(t);
  const back = Promise.withResolvers<void>();
  const lock = server.connection("lock", { onBack: back.resolve });
  const first = (): Connection => lock;
  const heard = Promise.withResolvers<void>();
  const listen = server.connection("listen", { behind: { first, ms: 1 }, onBack: heard.resolve });
  const ops = server.connection("ops", { behind: { first, ms: LONG_MS, unlessAsked: true } });
  const watch = server.connection("watch", { behind: { first, ms: LONG_MS } });
  const all = [watch, ops, listen, lock];
  for (const connection of all) await connection.open();
  server.came.length = 0;

  server.breakDown();
  // An outage that is longer than the moment in which all hear of it, and than the shortest head start.
  await assert.rejects(lock.query({ text: "select" }), { code: "store-unreachable" });
  assert.deepEqual(server.came, []);
  server.up();
  await Promise.all([back.promise, heard.promise]);
  assert.deepEqual(server.came, ["lock", "listen"]);
  assert.deepEqual(all.map(({ letsOthersFirst }) => letsOthersFirst), [true, true, false, false]);

  await ops.query({ text: "select" });
  assert.deepEqual(server.came, ["lock", "listen", "ops"], "whoever is asked does not wait until its turn");
  // To ask for one that is never in a hurry does not make it come: after a second, that is said.
  await assert.rejects(watch.query({ text: "select" }), { code: "store-unreachable" });
  assert.deepEqual(server.came, ["lock", "listen", "ops"]);
});

test("the head start begins when the first is back, not when it was lost", async (t) => {
  const server = byHand(t);
  let backMs = 0;
  const lock = server.connection("lock", { onBack: () => (backMs = performance.now()) });
  const came = Promise.withResolvers<number>();
  const listen = server.connection("listen", { behind: { first: () => lock, ms: 300 }, onBack: () => came.resolve(performance.now()) });
  for (const connection of [listen, lock]) await connection.open();
  server.breakDown();
  await assert.rejects(lock.query({ text: "select" }), { code: "store-unreachable" });
  server.up();
  // A timer is never early by more than its own millisecond.
  assert.ok((await came.promise) - backMs >= 299);
});

test("what is replaced while the store begins anew leaves no session behind", async (t) => {
  const server = byHand(t);
  const lock = server.connection("lock");
  await lock.open();
  server.breakDown();
  // It has been refused once, and will try again.
  while (!lock.problem.includes("refused")) await new Promise((resolve) => setImmediate(resolve));
  await lock.reset();
  server.up();
  await lock.open();
  const { session } = lock;
  // The replacement of the first session would have come by now.
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(lock.session, session);
  assert.equal(server.open.size, 1);
  await lock.close();
  assert.equal(server.open.size, 0);
});
