/** The real stock service on a database of its own, and the wire between it and whoever asks. */
import { randomBytes } from "node:crypto";
import { startProxy, type TcpProxy } from "@tripact/testbed";
import type { Databases } from "../platform/databases.ts";
import { FLASH_SALE_FOLDER } from "../platform/platform.ts";
import { freePorts } from "../platform/network/port.ts";
import { PlatformProcess } from "../platform/process.ts";

export interface LadderStage {
  /** By way of the wire. */
  readonly origin: string;
  readonly wire: TcpProxy;
  readonly token: string;
  readonly sku: string;
  readonly units: number;
  /** Twice does no harm. */
  stop(): Promise<void>;
}

const SKU = "lamp";
const UNITS = 1_000;
const OPEN_CAP_MS = 5_000;

export async function openLadderStage(databases: Databases, servicesFolder: string = FLASH_SALE_FOLDER): Promise<LadderStage> {
  const sale = await databases.fresh();
  const [port = 0, nobody = 0] = await freePorts(2);
  const token = randomBytes(24).toString("hex");
  // Nobody buys here, so the services that it would turn to need not be there.
  const absent = `http://127.0.0.1:${nobody}`;
  const settings = { PORT: String(port), TOKEN: token, MODE: "saga", DATABASE_URL: sale.urls.stock, ORDERS_URLS: absent, STOCK_URL: `http://127.0.0.1:${port}`, PAYMENT_URL: absent, PROVIDER_URL: absent };
  const stock = new PlatformProcess({ name: "stock", entry: `${servicesFolder.replace(/\/$/, "")}/stock/main.ts`, settings });
  const wire = await startProxy({ target: { host: "127.0.0.1", port } });
  const stop = async (): Promise<void> => {
    await wire.close();
    await stock.stop();
    await sale.drop();
  };
  try {
    await stock.start();
    await openItem(`http://127.0.0.1:${port}`, token);
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  return { origin: `http://${wire.host}:${wire.port}`, wire, token, sku: SKU, units: UNITS, stop };
}

async function openItem(origin: string, token: string): Promise<void> {
  const response = await fetch(`${origin}/stock/open-item`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ sku: SKU, units: UNITS }),
    signal: AbortSignal.timeout(OPEN_CAP_MS),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the stock does not open ${SKU}: ${response.status} ${text.slice(0, 200)}`);
}
