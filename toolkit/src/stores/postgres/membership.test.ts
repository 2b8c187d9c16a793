import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import pg from "pg";
import type { Heard, Store } from "../store.ts";
import { migrate, postgresStore } from "./store.ts";

const database = await freshDatabase("membership");
await migrate(database.url);
const client = new pg.Client({ connectionString: database.url });
await client.connect();
after(async () => {
  await client.end();
  await database.drop();
});

async function connected(name: string): Promise<Store> {
  const store = postgresStore({ url: database.url, applicationName: name });
  await store.connect();
  return store;
}

async function terminate(role: string): Promise<void> {
  const { rowCount } = await client.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like $1", [role]);
  assert.ok((rowCount ?? 0) > 0, `no session like ${role}`);
}

async function until<T>(what: string, look: () => Promise<T>, isReached: (seen: T) => boolean): Promise<T> {
  const deadlineMs = performance.now() + 20_000;
  while (performance.now() < deadlineMs) {
    const seen = await look();
    if (isReached(seen)) return seen;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return assert.fail(`not reached: ${what}`);
}

const nodeOf = (name: string) => ({ incarnation: randomUUID(), name, runs: [] });

test("note 9: nobody waits for a lock: no session of ours keeps a snapshot, and a waiting one is seen to", async () => {
  const holder = await connected("holder");
  const observer = await connected("observer");
  const node = nodeOf("held");
  await holder.membership.join(node);
  const waiter = new pg.Client({ connectionString: database.url, application_name: "waiter" });
  await waiter.connect();
  await client.query("select pg_advisory_lock(1)");
  const blocked = waiter.query("select pg_advisory_lock(1)");
  const eye = new pg.Client({ connectionString: database.url });
  await eye.connect();
  try {
    const keepers = async (): Promise<readonly string[]> =>
      (
        await eye.query<{ name: string }>(
          `select application_name as name from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid() and backend_xmin is not null and clock_timestamp() - query_start > interval '1 second'`,
        )
      ).rows.map(({ name }) => name);
    const seen = await until(
      "a second of waiting",
      async () => {
        assert.equal(await observer.membership.probe(node.incarnation), "held");
        return keepers();
      },
      (names) => names.length > 0,
    );
    assert.deepEqual(seen, ["waiter"], "only the control waits");
  } finally {
    await client.query("select pg_advisory_unlock(1)");
    await blocked;
    await waiter.end();
    await eye.end();
    await holder.close();
    await observer.close();
  }
});

test("note 10: a lock that fell with everybody's sessions proves nothing to an observer that came back as well", async () => {
  const owner = await connected("owner");
  const observer = await connected("observer");
  const node = nodeOf("failed over");
  await owner.membership.join(node);
  assert.equal(await observer.membership.probe(node.incarnation), "held");
  const watching = (): Promise<pg.QueryResult> => client.query("select pid from pg_stat_activity where datname = current_database() and application_name = 'observer watch'");
  const before = await watching();
  await terminate("o%"); // as a failover does: owner's and observer's
  await until("a new session that looks", watching, ({ rows }) => rows.length > 0 && rows[0].pid !== before.rows[0].pid);
  const probes = new Set<string>();
  for (let looks = 0; looks < 100; looks += 1) {
    probes.add(await observer.membership.probe(node.incarnation).catch(() => "no connection"));
  }
  assert.ok(!probes.has("free"), [...probes].join());
  assert.ok(probes.has("unsure"));
  await until("the owner's lock", () => owner.membership.join(node).catch(() => false), (joined) => joined);
  assert.equal(await until("held", () => observer.membership.probe(node.incarnation), (probe) => probe !== "unsure"), "held");
  await owner.membership.leave(node.incarnation);
  assert.equal(await observer.membership.probe(node.incarnation), "free", "now its session is older than the loss");
  await owner.close();
  await observer.close();
});

test("note 10: a lock that falls with its holder alone is seen at once by an observer that is older", async () => {
  const owner = await connected("owner");
  const observer = await connected("observer");
  const node = nodeOf("killed");
  await owner.membership.join(node);
  assert.equal(await observer.membership.probe(node.incarnation), "held");
  await owner.close(); // a process that dies leaves its row, and its connections close
  assert.equal(await until("free", () => observer.membership.probe(node.incarnation), (probe) => probe !== "held"), "free");
  await observer.close();
});

test("a store that has just started is unsure of a lock that it never saw held, until it stayed free for the grace", async () => {
  const owner = await connected("owner");
  const node = nodeOf("died before");
  await owner.membership.join(node);
  await owner.close();
  const observer = await connected("observer");
  assert.equal(await observer.membership.probe(node.incarnation), "unsure");
  assert.equal(await until("free", () => observer.membership.probe(node.incarnation), (probe) => probe !== "unsure"), "free");
  await observer.close();
});

test("an owner whose lock session is lost hears `lost`, then `back`, and takes its lock back under the same incarnation", async () => {
  const owner = await connected("owner");
  const observer = await connected("observer");
  const node = nodeOf("resumes");
  await owner.membership.join(node);
  const heard: Heard[] = [];
  owner.membership.listen((what) => heard.push(what));
  await terminate("owner lock");
  await until("back", async () => heard, (all) => all.includes("back"));
  assert.deepEqual(heard, ["lost", "back"]);
  assert.equal(await owner.membership.join(node), true);
  assert.equal(await observer.membership.probe(node.incarnation), "held");
  // Fenced while it was away: it learns so when it wants its lock back.
  await terminate("owner lock");
  await until("back", async () => heard, (all) => all.filter((what) => what === "back").length === 2);
  assert.equal(await observer.membership.fence(node.incarnation), true);
  assert.equal(await owner.membership.join(node), false);
  assert.equal(await observer.membership.probe(node.incarnation), "free", "and it holds no lock that it has no right to");
  await owner.close();
  await observer.close();
});

test("whoever did not listen for a while is told to look at everything", async () => {
  const store = await connected("listener");
  const heard: Heard[] = [];
  store.membership.listen((what) => heard.push(what));
  await terminate("listener listen");
  await until("all topics", async () => heard, (all) => all.length >= 6);
  assert.deepEqual(heard.toSorted(), ["desk", "ended", "mail", "nodes", "outbox", "work"]);
  await store.close();
});

test("announcements are coalesced, and not heard by their sender", async () => {
  const sender = await connected("sender");
  const hearer = await connected("hearer");
  const sent: Heard[] = [];
  const heard: Heard[] = [];
  sender.membership.listen((what) => sent.push(what));
  hearer.membership.listen((what) => heard.push(what));
  for (let times = 0; times < 1_000; times += 1) sender.membership.announce("work");
  sender.membership.announce("mail");
  await until("both", async () => heard, (all) => all.includes("mail"));
  assert.deepEqual(heard.toSorted(), ["mail", "work"]);
  assert.deepEqual(sent, []);
  await sender.close();
  await hearer.close();
});
