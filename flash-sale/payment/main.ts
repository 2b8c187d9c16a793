import { migrateBarrier } from "tripact/barrier";
import { postgresWaker, waking } from "tripact/outbox";
import { migrate } from "tripact/postgres";
import { modeOf } from "../modes/index.ts";
import { makeTables, openPool, preparedStatements, preparing } from "../service/database.ts";
import { errorsOf, serve } from "../service/serve.ts";
import { addressesSetting, modeSetting, numberSetting, setting } from "../service/settings.ts";
import { openPayment } from "./payment.ts";

await serve("payment", async () => {
  const onError = errorsOf("payment");
  const mode = modeOf(modeSetting());
  const databaseUrl = setting("DATABASE_URL");
  const secrets = { token: setting("TOKEN"), providerKey: setting("PROVIDER_KEY"), callbackSecret: setting("CALLBACK_SECRET") };
  const callbackOrigin = setting("CALLBACK_URL");
  const addresses = addressesSetting();
  const port = numberSetting("PORT", 0, { max: 65_535 });

  const pool = openPool(databaseUrl, "payment");
  await makeTables(pool, new URL("./schema.sql", import.meta.url));
  const transactions = preparing(pool);
  await transactions(migrateBarrier);
  if (mode.messages !== undefined) await migrate(databaseUrl);
  const waker = mode.messages === undefined ? undefined : postgresWaker({ url: databaseUrl, onError });
  const open = waker === undefined ? transactions : waking(transactions, waker);

  const payment = await openPayment({
    db: preparedStatements(pool),
    open,
    mode,
    addresses,
    ...secrets,
    callbackOrigin,
    onError,
  });
  return {
    server: payment.server,
    port,
    stop: async () => {
      await payment.stop();
      await waker?.close();
      await pool.end();
    },
  };
});
