/** The stock: its door, its part of the mode, and the reconciler that brings chunks home. Any number of them share one database. */
import { migrateBarrier, pgTransactions } from "tripact/barrier";
import { postgresWaker, waking } from "tripact/outbox";
import { migrate } from "tripact/postgres";
import type { OrdersDoor } from "../contracts.ts";
import { modeOf } from "../modes/index.ts";
import { askingAny } from "../service/ask.ts";
import { inTurn } from "../service/in-turn.ts";
import { makeTables, openPool, preparedStatements, preparing } from "../service/database.ts";
import { openDoor, serverOf } from "../service/door.ts";
import { errorsOf, serve } from "../service/serve.ts";
import { addressesSetting, modeSetting, numberSetting, setting } from "../service/settings.ts";
import { stockAnswers } from "./door.ts";
import { settle } from "./chunks.ts";
import { openReconciler } from "./reconciler.ts";

const LEASE_MS = 3_000;
/** The reconciler asks about one chunk at a time. */
const CONNECTIONS_TO_A_WORKER = 1;
/** For each worker: it must not hold up the beats, nor a stop. */
const ASK_TIMEOUT_MS = 1_000;

await serve("stock", async () => {
  const databaseUrl = setting("DATABASE_URL");
  const token = setting("TOKEN");
  const port = numberSetting("PORT", 0, { max: 65_535 });
  const leaseMs = numberSetting("LEASE_MS", LEASE_MS, { min: 100, max: 600_000 });
  const addresses = addressesSetting();
  const mode = modeOf(modeSetting());
  const onError = errorsOf("stock");

  const pool = openPool(databaseUrl, "stock");
  await makeTables(pool, new URL("schema.sql", import.meta.url));
  await pgTransactions(pool)(migrateBarrier);
  if (mode.messages !== undefined) await migrate(databaseUrl);
  const waker = mode.messages === undefined ? undefined : postgresWaker({ url: databaseUrl, onError });
  const open = waker === undefined ? preparing(pool) : waking(preparing(pool), waker);

  const db = preparedStatements(pool);
  const app = openDoor(stockAnswers(db, { leaseMs }), { token, onError });
  await app.ready();
  const part = mode.stock({ open, db, addresses, secret: token, onError });
  const orders = askingAny<OrdersDoor>(addresses.orders, token, { connections: CONNECTIONS_TO_A_WORKER });
  const reconciler = openReconciler({
    db,
    openOrdersOf: async (chunk) => (await orders.ask("/orders/end-chunk", { chunk }, { timeoutMs: ASK_TIMEOUT_MS })).open,
    // Chunk and item are two rows: a batch of messages may have them the other way round.
    ...(mode.messages === undefined ? {} : { settled: (chunk, listed) => inTurn(open)((own) => settle(own, chunk, listed)) }),
    leaseMs,
    onError,
  });
  reconciler.start();
  return {
    server: serverOf(app, part.at),
    port,
    stop: async () => {
      await reconciler.stop();
      await orders.close();
      await part.stop?.();
      await app.close();
      await waker?.close();
      await pool.end();
    },
  };
});
