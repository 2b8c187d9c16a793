import { once } from "node:events";
import { createServer } from "node:http";
import pg from "pg";
import { migrateBarrier, pgTransactions, postgresBarrier, type Barrier } from "tripact/barrier";
import { participantHandler, type ParticipantOp, type ParticipantRoute } from "tripact/http";

export interface Service {
  /** Safe to repeat: a service that comes back finds its tables. */
  readonly tables: string;
  /** The participant's path, and its ops. */
  readonly path: string;
  readonly ops: (pool: pg.Pool, barrier: Barrier) => ParticipantRoute;
}

/** Runs one service in this process: its tables and the barrier's, its participant over HTTP. Prints `ready` when it takes calls. */
export async function serve({ tables, path, ops }: Service): Promise<void> {
  const pool = new pg.Pool({ connectionString: setting("DATABASE_URL") });
  pool.on("error", (error) => console.error(error.message)); // an idle connection that breaks; the next call opens another
  await pool.query(tables);
  await pgTransactions(pool)(migrateBarrier);

  const barrier = postgresBarrier();
  // Now and then the coordinator tells which transactions have ended. Their rows may go two days later: `barrier.prune`, in a nightly job.
  const forget: ParticipantOp = (call) => {
    const { gids } = call.payload as { readonly gids: readonly string[] };
    return pgTransactions(pool)((db) => barrier.forget(db, gids));
  };
  const handler = participantHandler({
    secrets: [setting("SECRET")],
    routes: { [path]: { ...ops(pool, barrier), forget } },
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
