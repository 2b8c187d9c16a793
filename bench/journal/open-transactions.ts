import { createTripact, Pending, saga } from "tripact";
import { migrate, postgresStore } from "tripact/postgres";
import { say, taskOfProcess } from "../runner.ts";

/**
 * How much memory open transactions take: as many as asked for, each with one step done and one that waits for a
 * callback. No garbage collection is forced; what the system sees is what an operator would see.
 */
const task = taskOfProcess();
const wanted = Math.max(...task.inFlight);
const startersAtOnce = 100;
const capMs = 120_000;

let waiting = 0;
const allWait = Promise.withResolvers<void>();

const patient = saga("patient", async (tx, _input: { n: number }) => {
  await tx.step("done", () => ({ note: "an ordinary small result" }), { undo: "nothing" });
  await tx.step(
    "waits",
    () => {
      waiting += 1;
      if (waiting === wanted) allWait.resolve();
      throw new Pending({ retryAfterMs: 600_000 });
    },
    { undo: "nothing" },
  );
});

await migrate(task.databaseUrl);
const tripact = await createTripact({ store: postgresStore({ url: task.databaseUrl }), definitions: [patient] });
let next = 0;
await Promise.all(
  Array.from({ length: startersAtOnce }, async () => {
    while (next < wanted) {
      next += 1;
      await tripact.start(patient, { n: next });
    }
  }),
);
const overdue = setTimeout(() => allWait.reject(new Error(`only ${waiting} of ${wanted} open after ${capMs} ms`)), capMs);
await allWait.promise;
clearTimeout(overdue);
say({ kind: "figure", name: "rssMb10000", value: process.memoryUsage.rss() / 2 ** 20 });
// Not stopped politely: 10,000 open transactions would be handed over, and the database goes with this turn.
process.exit(0);
