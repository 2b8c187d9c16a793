import { once } from "node:events";
import { createServer } from "node:http";
import pg from "pg";
import { migrateBarrier, pgTransactions } from "tripact/barrier";
import { participantHandler, type ParticipantRoute } from "tripact/http";

export interface Service {
  /** Safe to repeat: a service that comes back finds its tables. */
  readonly tables: string;
  readonly routes: (pool: pg.Pool) => Readonly<Record<string, ParticipantRoute>>;
}

/** Runs one service in this process: its tables and the barrier's, its participants over HTTP. Prints `ready` when it takes calls. */
export async function serve({ tables, routes }: Service): Promise<void> {
  const pool = new pg.Pool({ connectionString: setting("DATABASE_URL") });
  pool.on("error", (error) => console.error(error.message)); // an idle connection that breaks; the next call opens another
  await pool.query(tables);
  await pgTransactions(pool)(migrateBarrier);

  const handler = participantHandler({
    secrets: [setting("SECRET")],
    routes: routes(pool),
    onError: (error) => console.error(error),
  });
  const server = createServer(handler).listen(Number(setting("PORT")), "127.0.0.1");
  await once(server, "listening");
  console.log("ready");

  await once(process, "SIGTERM");
  const closed = once(server, "close");
  server.close();
  await closed;
  await pool.end();
}

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}
