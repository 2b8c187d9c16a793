import { DBOS } from "@dbos-inc/dbos-sdk";
import { runEngine } from "../runner.ts";
import type { Engine, RunnerTask } from "../runner.ts";

const queueName = "noop-queue";

const workflow = DBOS.registerWorkflow(
  async () => {
    await DBOS.runStep(async () => null, { name: "one" });
    await DBOS.runStep(async () => null, { name: "two" });
    await DBOS.runStep(async () => null, { name: "three" });
  },
  { name: "noop" },
);

/**
 * DBOS, configured by default but for its log. The variant says how a workflow is started: called in the process
 * that will run it, the fastest way that its documents show, or through a `queue`, which is polled once a second.
 */
async function start({ databaseUrl, variant }: RunnerTask): Promise<Engine> {
  DBOS.setConfig({ name: "bench", systemDatabaseUrl: databaseUrl, logLevel: "error" });
  await DBOS.launch();
  if (variant === "queue") await DBOS.registerQueue(queueName);
  return {
    once: variant === "queue" ? throughQueue : workflow,
    stop: () => DBOS.shutdown(),
  };
}

async function throughQueue(): Promise<void> {
  const handle = await DBOS.startWorkflow(workflow, { queueName })();
  await handle.getResult();
}

await runEngine(start);
