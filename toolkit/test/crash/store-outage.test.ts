import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test, { after, before } from "node:test";
import { startPostgres, startProxy, type ReplyWatcher } from "@tripact/testbed";
import { eventually, JournalDatabase } from "./journal.ts";
import { judge, type Ran } from "./judge.ts";
import { hostParticipants, type Participants } from "./participants.ts";
import { WarmPool } from "./process.ts";
import { atFlushReply } from "./replies.ts";
import type { ShapeName } from "./shapes.ts";

const pool = new WarmPool(1);
let participants: Participants;
before(async () => {
  participants = await hostParticipants();
});
after(async () => {
  await pool.close();
  await participants.close();
});

function one(shape: ShapeName, title: string): Ran {
  return { gid: randomUUID(), shape, title };
}

test("a commit whose reply is lost, at every flush of a transaction: it goes on under its gid, exactly once", async (t) => {
  const journal = await JournalDatabase.open("lost_reply");
  const target = new URL(journal.url);
  const proxy = await startProxy({ target: { host: target.hostname, port: Number(target.port) } });
  const behind = new URL(journal.url);
  behind.port = String(proxy.port);
  const coordinator = await pool.take();
  try {
    await coordinator.join({ journalUrl: behind.href, participantsUrl: participants.url, tuning: {} });
    const ran: Ran[] = [];
    let cuts = 0;
    for (const shape of ["saga", "mixed, refused", "plan"] as const) {
      for (let nth = 1; ; nth += 1) {
        let wasCut = false;
        const cut = proxy.cutAfter(nthFlush(nth)).then(() => {
          wasCut = true;
        });
        const it = one(shape, `${shape}, reply ${nth} lost`);
        ran.push(it);
        await coordinator.start(it.shape, it.gid);
        assert.ok(await eventually(() => journal.hasEnded(it.gid)), `${it.title}: stuck`);
        if (!wasCut) break;
        await cut;
        cuts += 1;
      }
      // The last watcher met no flush: another one in its place.
      void proxy.cutAfter(() => () => false);
    }
    assert.ok(cuts >= 15, `only ${cuts} replies were lost`);
    assert.deepEqual(await judge(ran, journal.pool, participants.pool), []);
    t.diagnostic(`${cuts} replies lost, 0 violations`);
  } finally {
    await coordinator.end();
    await proxy.close();
    await journal.close();
  }
});

/** Picks the nth reply that says how many writes of a flush were applied: they are committed by then. */
function nthFlush(nth: number): ReplyWatcher {
  let seen = 0;
  return atFlushReply(() => (seen += 1) >= nth);
}

test("Postgres crashes and comes back while transactions are open: work resumes by itself, nothing is lost", async () => {
  const server = await startPostgres();
  const coordinators = [await pool.take(), await pool.take()];
  let journal: JournalDatabase | undefined;
  try {
    await server.createDatabase("journal");
    journal = await JournalDatabase.at(server.url("journal"), async () => undefined);
    for (const coordinator of coordinators) await coordinator.join({ journalUrl: journal.url, participantsUrl: participants.url, tuning: {} });
    const ran: Ran[] = [];
    for (const held of [["action", "try"], ["confirm", "cancel", "compensate"]]) {
      participants.hold(held);
      const batch = coordinators.flatMap((coordinator) =>
        (["saga, refused", "tcc", "mixed", "mixed, refused", "plan"] as const).map((shape) => ({ coordinator, it: one(shape, `${shape}, crash at ${held.join()}`) })),
      );
      for (const { coordinator, it } of batch) {
        ran.push(it);
        coordinator.order({ do: "start", shape: it.shape, gid: it.gid });
      }
      assert.ok(await eventually(() => participants.waiting() === batch.length));
      await server.crash();
      participants.release();
      await server.start();
      const database: JournalDatabase["pool"] = journal.pool;
      assert.ok(await eventually(async () => (await openIn(database)) === 0), `${await openIn(database)} transactions are stuck`);
    }
    assert.deepEqual(await judge(ran, journal.pool, participants.pool), []);
  } finally {
    for (const coordinator of coordinators) await coordinator.end();
    await journal?.close();
    await server.remove();
  }
});

test("a store that is down at start: the error names host and port; told to wait, a coordinator waits", async () => {
  const server = await startPostgres();
  const patient = await pool.take();
  const hasty = await pool.take();
  try {
    await server.createDatabase("journal");
    const journal = await JournalDatabase.at(server.url("journal"), async () => undefined);
    await journal.close();
    await server.stop("fast");
    const order = { journalUrl: journal.url, participantsUrl: participants.url, tuning: {} };
    hasty.order({ do: "join", ...order });
    const refusal = await hasty.hears((it) => it.said === "failed");
    assert.ok(refusal?.said === "failed");
    assert.equal(refusal.code, "store-unreachable");
    assert.match(refusal.error, new RegExp(`127\\.0\\.0\\.1:${server.port}`));

    const joined = patient.join({ ...order, waitForStoreMs: 30_000 });
    await patient.hears((it) => it.said === "notice" && it.notice.kind === "store");
    await server.start();
    await joined;
    assert.ok(!patient.reports.some((it) => it.said === "failed"));
  } finally {
    await patient.end();
    await hasty.end();
    await server.remove();
  }
});

async function openIn(database: JournalDatabase["pool"]): Promise<number> {
  try {
    const { rows } = await database.query("select count(*)::int as open from tripact.transaction where ended_at is null");
    return (rows as readonly { open: number }[])[0]?.open ?? -1;
  } catch {
    return -1;
  }
}
