import { PgBoss } from "pg-boss";
import type { Db, Job } from "pg-boss";
import { runOutboxSystem } from "../outbox/runner.ts";
import { applyEffects } from "../outbox/shop.ts";
import type { OutboxSystem, Query, ShopMessage, SystemTask } from "../outbox/system.ts";

const queue = "handle";

/**
 * `documented`: what its documents offer for throughput, the sizes found by trying. Batches, several workers, fetching again at once
 * after a full batch, the shortest poll, and the effect in the transaction that completes the jobs. For the latency at half load its
 * workers are woken by notifications besides; with more load these only slow down the producers' commits.
 * `defaults`: one job every two seconds.
 */
const documented = { batchSize: 500, localConcurrency: 4, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true, transactional: true } as const;

const notifies = ({ variant, measured }: SystemTask): boolean => variant === "documented" && measured.load === "open";

async function openBoss({ url, ...task }: SystemTask, consumes: boolean): Promise<PgBoss> {
  const boss = new PgBoss({ connectionString: url, supervise: consumes, schedule: false, useListenNotify: consumes && notifies({ url, ...task }) });
  boss.on("error", (error) => {
    throw error;
  });
  await boss.start();
  if ((await boss.getQueue(queue)) === null) await boss.createQueue(queue, { notify: notifies({ url, ...task }) });
  return boss;
}

const dbOf = (query: Query): Db => ({
  async executeSql(text, values) {
    const { rows } = await query(text, values ?? []);
    return { rows: [...rows] };
  },
});
const queryOf = (db: Db): Query => async (text, values) => {
  const { rows } = await db.executeSql(text, [...values]);
  return { rows, rowCount: null };
};

/** pg-boss commits by itself after the handler has returned, and tells nobody: what is put in this map is called then. */
function commitsOf(db: Db): WeakMap<Db, () => void> {
  const onCommit = new WeakMap<Db, () => void>();
  const begin = db.beginTransaction?.bind(db);
  if (begin === undefined) throw new Error("this pg-boss opens no transactions");
  db.beginTransaction = async () => {
    const transaction = await begin();
    return {
      ...transaction,
      async commit() {
        await transaction.commit();
        onCommit.get(transaction.db)?.();
      },
    };
  };
  return onCommit;
}

const pgBoss: OutboxSystem = {
  async install(url) {
    const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false });
    await boss.start();
    await boss.stop();
  },
  async openSender(task) {
    const boss = await openBoss(task, false);
    return {
      async send(query, messages) {
        const db = dbOf(query);
        const [only] = messages;
        if (only !== undefined && messages.length === 1) await boss.send(queue, only, { db });
        else await boss.insert(queue, messages.map((data) => ({ data })), { db });
      },
    };
  },
  async consume(task, applied) {
    const boss = await openBoss(task, true);
    if (task.variant === "defaults") {
      const db = queryOf(boss.getDb());
      await boss.work<ShopMessage>(queue, async (jobs) => {
        const messages = jobs.map(({ data }) => data);
        await applyEffects(db, messages);
        applied(messages);
      });
      return;
    }
    const onCommit = commitsOf(boss.getDb());
    await boss.work(queue, documented, async (jobs: Job<ShopMessage>[], tx: Db) => {
      const messages = jobs.map(({ data }) => data);
      await applyEffects(queryOf(tx), messages);
      onCommit.set(tx, () => applied(messages));
    });
  },
};

await runOutboxSystem(import.meta.url, pgBoss);
