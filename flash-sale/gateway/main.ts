/** The gateway as a process. */
import type { OrdersDoor, StockDoor } from "../contracts.ts";
import { openEscrow } from "../gates/escrow/escrow.ts";
import { asking, askingAny } from "../service/ask.ts";
import { errorsOf, serve } from "../service/serve.ts";
import { addressesSetting, numberSetting, setting } from "../service/settings.ts";
import { overloaded } from "./answers.ts";
import { openGateway } from "./app.ts";

const name = process.env["GATEWAY"] || "gateway-1";
/** To each worker. With as many in flight as are let in, a few wait for a connection; that costs less than thousands of sockets. */
const CONNECTIONS = 64;

await serve(name, async () => {
  const token = setting("TOKEN");
  const adminToken = setting("ADMIN_TOKEN");
  const port = numberSetting("PORT", 8_080, { min: 0, max: 65_535 });
  const ratePerSecond = numberSetting("RATE_PER_SECOND", 5, { min: 0.001 });
  const rateBurst = numberSetting("RATE_BURST", 10, { min: 1 });
  const chunkUnits = Math.floor(numberSetting("CHUNK_UNITS", 64, { min: 1, max: 1_000_000 }));
  const addresses = addressesSetting();
  const onError = errorsOf(name);

  const workers = addresses.orders.map((url) => asking<OrdersDoor>(url, token, { connections: CONNECTIONS }));
  const orders = askingAny<OrdersDoor>(addresses.orders, token);
  const stock = asking<StockDoor>(addresses.stock, token);
  const gate = openEscrow({ stock, gateway: name, chunkUnits, onError });
  const gateway = await openGateway({ gate, workers, orders, stock, adminToken, ratePerSecond, rateBurst, onError });
  return {
    server: gateway.app.server,
    port,
    refusal: overloaded().body,
    async stop() {
      await gateway.stop();
      await Promise.all([...workers, orders, stock].map((one) => one.close()));
    },
  };
});
