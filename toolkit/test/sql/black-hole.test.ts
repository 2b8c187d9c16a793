import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, test } from "node:test";
import pg from "pg";
import { freshDatabase, startProxy, type TcpProxy } from "@tripact/testbed";
import { createTripact, participant, saga, type Notice, type Saga, type Tripact } from "tripact";
import { migrate, postgresStore } from "tripact/postgres";

/** The default, on which every bound here depends. */
const LEASE_MS = 3_000;
const CAP_MS = 30_000;
/** A timer that is due may come this late. */
const SLACK_MS = 100;
/** So many that, at the participant's limit, their calls would go out one after the other for some seconds beyond the lease. */
const HELD = 30;
const PARTICIPANT_LIMIT = 2;

interface Fault {
  readonly name: string;
  readonly begin: (proxy: TcpProxy) => Promise<void> | void;
  /** How long until it is healed. Undefined: what was open never moves again, new connections pass. */
  readonly lastsMs?: number;
}

const faults: readonly Fault[] = [
  { name: "a black hole that opens after 8 s", begin: (proxy) => proxy.blackHole(), lastsMs: 8_000 },
  { name: "a black hole that opens after 30 s", begin: (proxy) => proxy.blackHole(), lastsMs: 30_000 },
  { name: "requests are lost for 8 s, answers are not", begin: (proxy) => proxy.blackHole("to-server"), lastsMs: 8_000 },
  { name: "answers are lost for 8 s, requests are not", begin: (proxy) => proxy.blackHole("to-caller"), lastsMs: 8_000 },
  { name: "the open connections never move again, new ones pass", begin: (proxy) => proxy.strand() },
];

/** Waiting is most of it: all at once, each with a database of its own. */
describe("a coordinator behind a black hole", { concurrency: true }, () => {
  for (const fault of faults) {
    test(`${fault.name}: it is replaced, writes nothing stale, and works again without a restart`, async (t) => {
      await withNodes(async (nodes) => {
        const { healedAfterMs, readyAfterMs } = await suffer(nodes, fault);
        t.diagnostic(`ready again ${readyAfterMs.toFixed(0)} ms after ${healedAfterMs === undefined ? "the fault began" : "it was healed"}`);
      });
    });
  }
});

async function suffer({ proxy, stale, peer, pool }: Nodes, fault: Fault): Promise<{ healedAfterMs: number | undefined; readyAfterMs: number }> {
  const gids = Array.from({ length: HELD }, (_, n) => `held-${n}`);
  await Promise.all(gids.map((gid) => stale.tripact.start(stale.held, null, { gid })));
  await eventually("all are under way, and some wait at the gate", () => {
    const steps = stale.calls.map(({ step }) => step);
    return steps.filter((step) => step === "before").length >= HELD && steps.includes("gate");
  });
  const { incarnation } = await stale.tripact.health();

  const beganMs = performance.now();
  const healed = fault.lastsMs === undefined ? undefined : sleep(fault.lastsMs).then(() => proxy.pass());
  await fault.begin(proxy);
  await eventually("its peer ends what it had begun", () => ended(pool, gids));
  const written = await entriesBy(pool, incarnation);
  if (fault.lastsMs !== undefined) {
    await eventually("it knows that it knows nothing", () => !stale.tripact.ready(), beganMs + LEASE_MS + SLACK_MS - performance.now());
    const askedMs = performance.now();
    await assert.rejects(stale.tripact.start(stale.quick, null), { code: "overloaded" });
    assert.ok(performance.now() - askedMs < SLACK_MS, "new work is refused at once");
  }

  await healed;
  const fromMs = healed === undefined ? beganMs : performance.now();
  const withinMs = (healed === undefined ? 2 : 1) * LEASE_MS + 3_000;
  if (healed !== undefined) await stale.hears("node-fenced", withinMs);
  await eventually("it is ready again", () => stale.tripact.ready(), fromMs + withinMs - performance.now());
  const readyAfterMs = performance.now() - fromMs;
  const outcome = await capped(stale.tripact.run(stale.quick, null, { gid: "new" }), LEASE_MS, "new work");
  assert.equal(outcome.kind, "committed");

  if (fault.lastsMs !== undefined) {
    const late = stale.calls.filter(({ atMs, gid }) => gid !== "new" && atMs > beganMs + LEASE_MS + SLACK_MS && atMs < fromMs);
    assert.deepEqual(late, [], "it called while it was unsure");
    assert.notEqual((await stale.tripact.health()).incarnation, incarnation);
    assert.equal(await entriesBy(pool, incarnation), written, "it wrote under the stale epoch");
  }
  assert.deepEqual(await ofOlderEpochs(pool), []);
  assert.ok(peer.tripact.ready());
  assert.equal(await stateOf(pool, gids), HELD);
  return { healedAfterMs: fault.lastsMs, readyAfterMs };
}

interface Nodes {
  readonly proxy: TcpProxy;
  /** Reaches its journal through the proxy. */
  readonly stale: Node;
  readonly peer: Node;
  readonly pool: pg.Pool;
}

async function withNodes(work: (nodes: Nodes) => Promise<void>): Promise<void> {
  const database = await freshDatabase("black_hole");
  await migrate(database.url);
  const url = new URL(database.url);
  const proxy = await startProxy({ target: { host: url.hostname, port: Number(url.port) } });
  url.port = String(proxy.port);
  const pool = new pg.Pool({ connectionString: database.url, max: 2 });
  const stale = await Node.join("stale", url.href, false);
  const peer = await Node.join("peer", database.url, true);
  try {
    await eventually("they know each other", async () => (await pool.query("select from tripact.node where beat > 1")).rowCount === 2);
    await work({ proxy, stale, peer, pool });
  } finally {
    await proxy.pass();
    await Promise.all([stale.tripact.stop(), peer.tripact.stop()]);
    await proxy.close();
    await pool.end();
    await database.drop();
  }
}

interface Call {
  readonly gid: string;
  readonly step: string;
  readonly atMs: number;
}

class Node {
  readonly calls: Call[] = [];
  readonly held: Saga<null, string>;
  readonly quick: Saga<null, string>;
  readonly #notices: Notice[] = [];
  #heard = Promise.withResolvers<void>();
  #tripact: Tripact | undefined;

  private constructor(gateIsOpen: boolean) {
    const party = participant<null, string>({
      name: "party",
      // Asked again and again while it does not answer: a node that may not call is seen to be silent.
      timeoutMs: 400,
      action: async (call) => {
        this.calls.push({ gid: call.gid, step: call.branch, atMs: performance.now() });
        if (call.branch === "gate" && !gateIsOpen) await new Promise(() => undefined);
        return "done";
      },
      compensate: () => Promise.resolve("undone"),
    });
    this.held = saga("held", async (tx) => {
      await tx.step("before", party, null);
      await tx.step("gate", party, null);
      return await tx.step("after", party, null);
    });
    this.quick = saga("quick", async (tx) => await tx.step("only", party, null));
  }

  static async join(nodeName: string, url: string, gateIsOpen: boolean): Promise<Node> {
    const node = new Node(gateIsOpen);
    node.#tripact = await createTripact({
      store: postgresStore({ url, applicationName: nodeName }),
      definitions: [node.held, node.quick],
      nodeName,
      retry: { capMs: 100, maxAttempts: 10_000 },
      participantLimit: PARTICIPANT_LIMIT,
      breakerAfter: 10_000,
      onNotice: (notice) => {
        node.#notices.push(notice);
        node.#heard.resolve();
        node.#heard = Promise.withResolvers();
      },
    });
    return node;
  }

  get tripact(): Tripact {
    assert.ok(this.#tripact !== undefined);
    return this.#tripact;
  }

  async hears(kind: Notice["kind"], capMs: number): Promise<void> {
    const find = async (): Promise<void> => {
      while (!this.#notices.some((notice) => notice.kind === kind)) await this.#heard.promise;
    };
    await capped(find(), capMs, kind);
  }
}

async function capped<T>(waited: Promise<T>, capMs: number, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not within ${capMs} ms: ${what}`)), capMs);
  try {
    return await Promise.race([waited, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>, capMs = CAP_MS): Promise<void> {
  const untilMs = performance.now() + capMs;
  do {
    if (await holds()) return;
    await sleep(10);
  } while (performance.now() < untilMs);
  assert.fail(`not within ${capMs.toFixed(0)} ms: ${what}`);
}

async function ended(pool: pg.Pool, gids: readonly string[]): Promise<boolean> {
  return (await pool.query("select from tripact.transaction where gid = any ($1) and ended_at is not null", [gids])).rowCount === gids.length;
}

async function stateOf(pool: pg.Pool, gids: readonly string[]): Promise<number> {
  return (await pool.query("select from tripact.transaction where gid = any ($1) and status = 'committed'", [gids])).rowCount ?? 0;
}

async function entriesBy(pool: pg.Pool, incarnation: string): Promise<number> {
  const { rows } = await pool.query<{ written: number }>("select count(*)::int as written from tripact.entry where owner = $1", [incarnation]);
  return rows[0]?.written ?? 0;
}

/** Entries behind one of a newer epoch. */
async function ofOlderEpochs(pool: pg.Pool): Promise<unknown[]> {
  return (await pool.query("select gid, seq from tripact.entry e where exists (select from tripact.entry n where n.gid = e.gid and n.seq < e.seq and n.epoch > e.epoch)")).rows;
}
