import { Client } from "pg";
import { runEngine } from "../runner.ts";
import type { Engine, RunnerTask } from "../runner.ts";

/**
 * Measure (b): what a durable commit costs on this machine, as pgbench would measure it. One single-row
 * insert per commit, a connection per worker, a prepared statement. Everything that promises durability
 * through Postgres stands on this figure.
 */
async function start(task: RunnerTask): Promise<Engine> {
  const most = Math.max(...task.inFlight);
  const connections = Array.from({ length: most }, () => new Client({ connectionString: task.databaseUrl }));
  // One after the other: a hundred logins at once only queue for the two cores.
  for (const connection of connections) await connection.connect();
  await connections[0]?.query("create table commits (id bigint generated always as identity primary key, note text not null)");
  return {
    async once(worker) {
      await connections[worker]?.query({ name: "commit", text: "insert into commits (note) values ($1)", values: ["a plain commit"] });
    },
    async stop() {
      await Promise.all(connections.map((connection) => connection.end()));
    },
  };
}

await runEngine(start);
