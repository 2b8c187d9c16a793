import { createTripact, saga } from "tripact";
import { migrate, postgresStore } from "tripact/postgres";
import { runEngine } from "../runner.ts";
import { commitPerTransition } from "./commit-per-transition.ts";
import type { Engine, RunnerTask } from "../runner.ts";

const noop = saga("noop", async (tx, _input: { worker: number }) => {
  await tx.step("one", () => null, { undo: "nothing" });
  await tx.step("two", () => null, { undo: "nothing" });
  await tx.step("three", () => null, { undo: "nothing" });
});

/** Our coordinator with its defaults. The variant `commit-per-transition` is measure (a): the same without group commit. */
async function start({ databaseUrl, variant }: RunnerTask): Promise<Engine> {
  await migrate(databaseUrl);
  const { store, tuning } = variant === "commit-per-transition" ? commitPerTransition(databaseUrl) : { store: postgresStore({ url: databaseUrl }), tuning: {} };
  const tripact = await createTripact({ store, definitions: [noop], ...tuning });
  return {
    async once(worker) {
      const outcome = await tripact.run(noop, { worker });
      if (outcome.kind !== "committed") throw new Error(`a no-op saga ended ${outcome.kind}`);
    },
    stop: () => tripact.stop(),
  };
}

await runEngine(start);
