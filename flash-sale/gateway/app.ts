/** The gateway's door, put together: routes, limits and the words for whatever is not let in. */
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { OrdersDoor, StockDoor } from "../contracts.ts";
import type { Gate } from "../gates/gate.ts";
import type { Asking } from "../service/ask.ts";
import { send } from "./answers.ts";
import { Buckets } from "./buckets.ts";
import { claimedBuyer, type BuyerOf } from "./buyer.ts";
import { Placing } from "./desk/placing.ts";
import { Purchases } from "./desk/purchases.ts";
import { Sales } from "./desk/sales.ts";
import { Settler } from "./desk/settler.ts";
import { readPage } from "./page.ts";
import { purchaseRoutes } from "./purchase-routes.ts";
import { openReading } from "./reading.ts";
import { noSuchPath, notReadable, rawRefusal, refusalOf } from "./refusals.ts";
import { saleRoutes } from "./sale-routes.ts";

export interface GatewayOptions {
  readonly gate: Gate;
  /** Each purchase worker by itself, for placements: who was asked and did not answer matters. */
  readonly workers: readonly Asking<OrdersDoor>[];
  /** Any of them, for questions that may be asked twice. */
  readonly orders: Asking<OrdersDoor>;
  readonly stock: Asking<StockDoor>;
  readonly adminToken: string;
  readonly ratePerSecond: number;
  readonly rateBurst: number;
  readonly onError: (error: unknown) => void;
  /** Default: `claimedBuyer`. */
  readonly buyerOf?: BuyerOf;
  /** Milliseconds that never go back. */
  readonly clock?: () => number;
  readonly refreshMs?: number;
}

export interface Gateway {
  readonly app: FastifyInstance;
  /** Waits for placements under way, for a little while; then ends what runs in the background, and the gate. */
  stop(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 20_000;
/** Whoever watches his orders asks more often than he buys. */
const READS_PER_PURCHASE = 10;
/** After those that buyers wait for. */
const STOP_WITHIN_MS = 1_500;
const LOOK_AGAIN_MS = 20;

export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { gate, workers, orders, stock, adminToken, ratePerSecond: perSecond, rateBurst: burst, onError, buyerOf = claimedBuyer, clock = () => performance.now() } = options;
  const sales = new Sales({ orders, clock, onError, ...(options.refreshMs === undefined ? {} : { refreshMs: options.refreshMs }) });
  const settler = new Settler(orders);
  const placing = new Placing({ workers, clock, onError });
  const purchases = new Purchases({ gate, sales, placing, settler, clock, buyers: new Buckets({ perSecond, burst }) });
  const reading = openReading({ addresses: new Buckets({ perSecond: perSecond * READS_PER_PURCHASE, burst: burst * READS_PER_PURCHASE }), clock, onError });

  const app = newApp(onError);
  purchaseRoutes(app, { purchases, sales, orders, reading, addresses: new Buckets({ perSecond, burst }), buyerOf, clock, onError });
  saleRoutes(app, { sales, gate, orders, stock, reading, adminToken });
  const page = await readPage(new URL("page/", import.meta.url));
  app.get("/", (_request, reply) => void reply.headers(page.headers).send(page.html));
  await app.ready();
  return {
    app,
    async stop() {
      const until = performance.now() + STOP_WITHIN_MS;
      while (placing.inFlight > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      await Promise.all([settler.stop(), sales.stop(), gate.stop()]);
    },
  };
}

function newApp(onError: (error: unknown) => void): FastifyInstance {
  const app = fastify({
    logger: false,
    // The address is the socket's: a header that anybody can write is no address.
    trustProxy: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    bodyLimit: 8_192,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: false } },
    frameworkErrors: (_error, _request: FastifyRequest, reply: FastifyReply) => send(reply, notReadable),
    clientErrorHandler: (error, socket) => {
      if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
      else socket.end(rawRefusal());
    },
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  // Only JSON is read.
  app.removeContentTypeParser("text/plain");
  app.setErrorHandler((error, _request, reply) => send(reply, refusalOf(error as Parameters<typeof refusalOf>[0], onError)));
  app.setNotFoundHandler((_request, reply) => send(reply, noSuchPath));
  app.get("/health", (_request, reply) => send(reply, { status: 200, body: '{"kind":"ok"}' }));
  return app;
}
