import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { runOutboxSystem } from "../outbox/runner.ts";
import { applyEffects, preparedOn } from "../outbox/shop.ts";
import type { OutboxSystem, ShopMessage } from "../outbox/system.ts";

const silent = new Logger(() => () => undefined);

/**
 * `documented`: the preset with which its page on performance got its best figures. `defaults`: one job at a time, no batching.
 * The pool is what it recommends for that many jobs.
 */
const presets = {
  documented: { concurrentJobs: 24, maxPoolSize: 26, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
  defaults: {},
} as const;

/**
 * graphile-worker. A job is added in the producer's own transaction by its SQL function; a task runs one job, so each effect is a commit
 * of its own, guarded by its row's key: a job is completed afterwards, and runs again if that is lost.
 */
const graphileWorker: OutboxSystem = {
  async install(url) {
    const utils = await makeWorkerUtils({ connectionString: url, logger: silent });
    await utils.migrate();
    await utils.release();
  },
  async openSender({ measured }) {
    if (measured.batch === 1) {
      return {
        async send(db, messages) {
          await db("select graphile_worker.add_job('handle', $1::json)", [JSON.stringify(messages[0])]);
        },
      };
    }
    return {
      async send(db, messages) {
        const specs = messages.map((payload) => ({ identifier: "handle", payload }));
        await db(
          "select count(*) from graphile_worker.add_jobs(array(select json_populate_recordset(null::graphile_worker.job_spec, $1::json)))",
          [JSON.stringify(specs)],
        );
      },
    };
  },
  async consume({ url, variant }, applied) {
    const preset = variant === "defaults" ? presets.defaults : presets.documented;
    const runner = await run({
      preset: { worker: { connectionString: url, logger: silent, ...preset } },
      noHandleSignals: true,
      parsedCronItems: [],
      taskList: {
        async handle(payload, { withPgClient }) {
          const message = payload as ShopMessage;
          await withPgClient((client) => applyEffects(preparedOn(client), [message]));
          applied([message]);
        },
      },
    });
    // It ends with its process only; a failure must not go unseen.
    runner.promise.catch((error: unknown) => {
      throw error;
    });
  },
};

await runOutboxSystem(import.meta.url, graphileWorker);
