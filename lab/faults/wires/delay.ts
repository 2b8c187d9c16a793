import { carriersTo, EVERY_WIRE, wireFault } from "./wire.ts";

const DELAY_MS = 200;
const HOLD_MS = 6_000;

/** Every service is far from every other. Databases, buyers and the payment company are as near as before. */
export const delay = wireFault({
  name: "delay",
  // As netem on a loopback interface: each packet crosses it once on its way there and once on its way back.
  mechanism: `TCP proxies: ${DELAY_MS} ms in each direction between all services, ${2 * DELAY_MS} ms a round trip, as tc netem on the one interface that they share; connecting itself takes no longer`,
  wires: [
    ...carriersTo("stock", "payment", "orders").filter(({ from, to }) => from !== to),
    { from: "gateway", to: "orders" },
    { from: "gateway", to: "stock" },
    { from: "stock", to: "orders" },
    { from: "payment", to: "orders" },
  ],
  victims: [EVERY_WIRE],
  // Nothing is down.
  dependency: "database",
  holdMs: HOLD_MS,
  breaking: () => (proxy) => proxy.delay(DELAY_MS),
});
