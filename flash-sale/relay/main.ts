/** Carries the messages of all three services. Any number of these may run: they share the keys, and take over from each other. */
import { once } from "node:events";
import { modeOf } from "../modes/index.ts";
import { errorsOf } from "../service/serve.ts";
import { addressesSetting, modeSetting, setting } from "../service/settings.ts";
import { openRelays, type Relays } from "./relays.ts";

/** A stop that hangs is a kill that comes late. */
const STOP_WITHIN_MS = 5_000;

const onError = errorsOf("relay");
const told = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);

let relays: Relays | undefined;
try {
  // Told to stop while it waits for tables: there is nothing to finish.
  const opened = await Promise.race([open(), told.then(() => undefined)]);
  if (opened === undefined) process.exit(0);
  relays = opened;
} catch (error) {
  onError(error);
  process.exit(1);
}
console.log("ready relay");
await told;
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(1));
const cap = setTimeout(() => process.exit(1), STOP_WITHIN_MS);
await relays.stop();
clearTimeout(cap);

function open(): Promise<Relays> {
  return openRelays({
    mode: modeOf(modeSetting()),
    databases: { orders: setting("ORDERS_DATABASE_URL"), stock: setting("STOCK_DATABASE_URL"), payment: setting("PAYMENT_DATABASE_URL") },
    addresses: addressesSetting(),
    secret: setting("TOKEN"),
    onNotice: (outbox, notice) => console.error(`relay of ${outbox}: ${JSON.stringify(notice)}`),
  });
}
