/** A purchase worker: the orders' door, and in the modes that have one the coordinator beside it. Any number of them share one database. */
import { postgresWaker, waking } from "tripact/outbox";
import { migrateBarrier, pgTransactions } from "tripact/barrier";
import { migrate } from "tripact/postgres";
import { modeOf } from "../modes/index.ts";
import type { Mode, OrdersPart } from "../modes/mode.ts";
import { makeTables, openPool, preparedStatements, preparing } from "../service/database.ts";
import { openDoor, serverOf } from "../service/door.ts";
import { errorsOf, serve } from "../service/serve.ts";
import { addressesSetting, durabilitySetting, modeSetting, numberSetting, setting } from "../service/settings.ts";
import { ordersAnswers } from "./answers.ts";
import { placing } from "./place.ts";

const SWEEP_EVERY_MS = 500;
const CONNECTIONS = 10;
const OPEN_MAX = 2_000;

const worker = process.env["WORKER"] ?? "worker";

await serve(worker, async () => {
  const databaseUrl = setting("DATABASE_URL");
  const token = setting("TOKEN");
  const port = numberSetting("PORT", 0, { max: 65_535 });
  const openMax = numberSetting("OPEN_MAX", OPEN_MAX, { min: 1 });
  const mode = modeOf(modeSetting());
  const onError = errorsOf(worker);
  const pool = openPool(databaseUrl, worker, { connections: CONNECTIONS });
  await migrate(databaseUrl);
  await makeTables(pool, new URL("./schema.sql", import.meta.url));
  await pgTransactions(pool)(migrateBarrier);
  const waker = mode.messages === undefined ? undefined : postgresWaker({ url: databaseUrl, onError });
  const open = waker === undefined ? preparing(pool) : waking(preparing(pool), waker);

  const db = preparedStatements(pool);
  const part = await mode.orders({ open, db, databaseUrl, worker, secret: token, addresses: addressesSetting(), durability: durabilitySetting(), onError });
  const orders = placing({ open, db }, part, { openMax, onError });
  const app = openDoor(ordersAnswers({ open, db }, part, orders), { token, onError });
  await app.ready();
  const stopSweeping = sweeping(mode, part, onError);
  return {
    server: serverOf(app, part.at),
    port,
    stop: async () => {
      orders.stop();
      stopSweeping();
      await part.stop?.();
      await app.close();
      await waker?.close();
      await pool.end();
    },
  };
});

/** One round at a time; a round that fails is told, and comes again. */
function sweeping(mode: Mode, part: OrdersPart, onError: (error: unknown) => void): () => void {
  if (part.sweep === undefined) return () => undefined;
  let running = false;
  const timer = setInterval(() => {
    if (running) return;
    running = true;
    part.sweep?.()
      .catch((error: unknown) => onError(new Error(`the sweep of ${mode.name} failed`, { cause: error })))
      .finally(() => void (running = false));
  }, SWEEP_EVERY_MS);
  return () => clearInterval(timer);
}
