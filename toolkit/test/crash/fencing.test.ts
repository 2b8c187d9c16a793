import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test, { after, before } from "node:test";
import { startProxy } from "@tripact/testbed";
import { eventually, JournalDatabase } from "./journal.ts";
import { entriesOf, judge, staleEntries, type Ran } from "./judge.ts";
import { hostParticipants, type Participants } from "./participants.ts";
import { WarmPool, type CoordinatorProcess } from "./process.ts";
import { atFlushReply } from "./replies.ts";
import type { ShapeName } from "./shapes.ts";

const pool = new WarmPool(1);
let participants: Participants;
let journal: JournalDatabase;
before(async () => {
  participants = await hostParticipants();
  journal = await JournalDatabase.open("fencing");
});
after(async () => {
  await pool.close();
  await journal.close();
  await participants.close();
});

const cases = [
  { where: "in the forward phase", held: ["action", "try"], shapes: ["saga", "saga, refused", "tcc", "tcc, refused", "mixed", "plan"], tuning: { leaseMs: 1_500, beatEveryMs: 300 } },
  { where: "in the second phase, with the lease that is the default", held: ["confirm", "cancel", "compensate"], shapes: ["saga, refused", "tcc", "tcc, refused", "mixed", "mixed, refused"], tuning: {} },
] as const satisfies readonly { readonly where: string; readonly held: readonly string[]; readonly shapes: readonly ShapeName[]; readonly tuning: object }[];

for (const { where, held, shapes, tuning } of cases) {
  test(`a coordinator that was stopped for longer than its lease, ${where}, wakes up and writes nothing`, async (t) => {
    const join = async (): Promise<{ readonly process: CoordinatorProcess; readonly incarnation: string }> => {
      const process = await pool.take();
      return { process, incarnation: await process.join({ journalUrl: journal.url, participantsUrl: participants.url, tuning }) };
    };
    const stale = await join();
    const peer = await join();
    participants.hold(held);
    const ran = [0, 1, 2, 3].flatMap((n) => shapes.map((shape): Ran => ({ gid: randomUUID(), shape, title: `${shape} ${n}` })));
    for (const { gid, shape } of ran) stale.process.order({ do: "start", shape, gid });
    assert.ok(await eventually(() => participants.waiting() === ran.length), `only ${participants.waiting()} wait`);
    stale.process.kill("SIGSTOP");
    // The answers to the stopped process lie in its sockets; the same calls by its heir wait, so that it wakes up in the midst of it.
    participants.admit();
    assert.ok(await eventually(() => participants.waiting() === ran.length), `its peer took over ${participants.waiting()}`);
    const written = await entriesBy(stale.incarnation);

    stale.process.kill("SIGCONT");
    const noticed = await stale.process.hears((it) => it.said === "notice" && it.notice.kind === "node-fenced");
    assert.ok(noticed !== undefined, "it did not learn of its fate");
    participants.release();
    assert.ok(await eventually(async () => (await journal.countOpen()) === 0), "its peer did not finish everything");
    // It is somebody else now, and works: what it begins is its own, from the first epoch on.
    const again: Ran = { gid: randomUUID(), shape: "mixed", title: "after it woke up" };
    await stale.process.start(again.shape, again.gid);
    assert.ok(await eventually(() => journal.hasEnded(again.gid)));

    assert.equal(await entriesBy(stale.incarnation), written, "it wrote after it woke up");
    assert.deepEqual(await judge([...ran, again], journal.pool, participants.pool), []);
    for (const { gid, title } of ran) {
      const entries = await entriesOf(journal.pool, gid);
      const newer = entries.filter(({ epoch }) => epoch > 1);
      assert.ok(newer.length > 0 && newer.every(({ owner }) => owner === peer.incarnation), `${title}: the peer alone wrote from the second epoch on`);
    }
    t.diagnostic(`${ran.length} transactions taken over from a stopped process; 0 writes by the stale epoch`);
    await Promise.all([stale.process.end(), peer.process.end()]);
  });
}

test("a coordinator cut off from its journal between a local step's entry and the commit: its heir does not wait for its row locks", async () => {
  const target = new URL(journal.url);
  const proxy = await startProxy({ target: { host: target.hostname, port: Number(target.port) } });
  const behind = new URL(journal.url);
  behind.port = String(proxy.port);
  const tuning = { leaseMs: 1_500, beatEveryMs: 300 };
  const lost = await pool.take();
  const peer = await pool.take();
  try {
    await lost.join({ journalUrl: behind.href, participantsUrl: participants.url, tuning });
    const ran: Ran = { gid: randomUUID(), shape: "mixed", title: "cut off" };
    // The start, two answers, and then the entry of the local step: four replies that say what was applied.
    let replies = 0;
    void proxy.cutAfter(
      atFlushReply(() => {
        replies += 1;
        if (replies === 4) void proxy.blackHole();
        return false;
      }),
    );
    await lost.start(ran.shape, ran.gid);
    assert.ok(await eventually(async () => (await idleInTransaction()) === 1), "nobody stands between entry and commit");
    await peer.join({ journalUrl: journal.url, participantsUrl: participants.url, tuning });
    assert.ok(await eventually(() => journal.hasEnded(ran.gid), 10, 15_000), "it waits for a coordinator that is cut off");
    assert.deepEqual(await judge([ran], journal.pool, participants.pool), []);
  } finally {
    await Promise.all([lost.end(), peer.end()]);
    await proxy.close();
  }
});

test("the alarm rings: an entry of an older epoch behind a newer one is found", () => {
  const entry = (seq: number, epoch: number, owner: string) => ({ seq, epoch, owner, entry: "[]" });
  assert.deepEqual(staleEntries([entry(1, 1, "a"), entry(2, 2, "b"), entry(3, 2, "b")]), []);
  assert.deepEqual(staleEntries([entry(1, 1, "a"), entry(2, 2, "b"), entry(3, 1, "a")]), [entry(3, 1, "a")]);
  assert.deepEqual(staleEntries([entry(1, 1, "a"), entry(2, 1, "b")]), [entry(2, 1, "b")]);
});

async function entriesBy(incarnation: string): Promise<number> {
  const { rows } = await journal.pool.query("select count(*)::int as written from tripact.entry where owner = $1", [incarnation]);
  return (rows as readonly { written: number }[])[0]?.written ?? 0;
}

async function idleInTransaction(): Promise<number> {
  const { rows } = await journal.pool.query("select count(*)::int as idle from pg_stat_activity where datname = current_database() and state = 'idle in transaction'");
  return (rows as readonly { idle: number }[])[0]?.idle ?? 0;
}
