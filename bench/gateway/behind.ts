/** Orders and stock for a gateway that has nothing left to sell: one sale, no orders, no units. In a process of its own, so that its time is not the gateway's. */
import { once } from "node:events";
import type { OrdersDoor, Sale, StockDoor } from "../../flash-sale/contracts.ts";
import { openDoor, serverOf, type Answers } from "../../flash-sale/service/door.ts";

const token = process.env["TOKEN"] ?? "";
const schema = { type: "object" };
const sale: Sale = { sku: "lamp", units: 1_000, cents: 2_500, limitPerBuyer: 1, paymentWindowMs: 60_000, opensAt: 0, closesAt: 4_000_000_000_000 };
const never = async (): Promise<never> => {
  throw new Error("nobody asks that here");
};
type Behind = Pick<OrdersDoor, "/orders/sale" | "/orders/accepted" | "/orders/place" | "/orders/settle"> & Pick<StockDoor, "/stock/lease-chunk" | "/stock/renew-chunks" | "/stock/end-chunks">;
const answers: Answers<Behind> = {
  "/orders/sale": { schema, answer: async () => ({ kind: "found", sale, counts: { placed: 0, paid: 0, unitsSold: 0 } }) },
  "/orders/accepted": { schema, answer: async ({ after }) => ({ orders: [], after }) },
  "/orders/place": { schema, answer: never },
  "/orders/settle": { schema, answer: never },
  "/stock/lease-chunk": { schema, answer: async () => ({ kind: "none" }) },
  "/stock/renew-chunks": { schema, answer: async () => ({ open: [] }) },
  "/stock/end-chunks": { schema, answer: async () => ({ kind: "ending" }) },
};
const app = openDoor<Behind>(answers, { token, onError: console.error });
await app.ready();
const server = serverOf(app, {}).listen(Number(process.env["PORT"]), "127.0.0.1");
await once(server, "listening");
console.log("ready behind");
