import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { freePort, spawnLeashed, type LeashedProcess } from "@tripact/testbed";

export const CONTESTANTS = ["empty", "soldOutEscrow"] as const;
export type Contestant = (typeof CONTESTANTS)[number];

export interface Running {
  readonly origin: string;
  /** Of the server that is measured. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts what is to be measured; the gateway with what stands behind it. */
export async function start(contestant: Contestant): Promise<Running> {
  const port = await freePort();
  if (contestant === "empty") {
    const empty = await run("./empty.ts", { PORT: String(port) });
    return { origin: originAt(port), pid: empty.pid, stop: () => empty.killWhole() };
  }
  const behindPort = await freePort();
  const token = "a-token-for-the-bench";
  const behind = await run("./behind.ts", { PORT: String(behindPort), TOKEN: token });
  const there = originAt(behindPort);
  // With the limits that a sale has: they are part of what a sold-out answer costs.
  const settings = { PORT: String(port), TOKEN: token, ADMIN_TOKEN: token, MODE: "saga", ORDERS_URLS: there, STOCK_URL: there, PAYMENT_URL: there, PROVIDER_URL: there };
  const gateway = await run("../../flash-sale/gateway/main.ts", settings);
  return {
    origin: originAt(port),
    pid: gateway.pid,
    stop: async () => void (await Promise.all([gateway.killWhole(), behind.killWhole()])),
  };
}

function originAt(port: number): string {
  return `http://127.0.0.1:${port}`;
}

async function run(file: string, settings: Readonly<Record<string, string>>): Promise<LeashedProcess> {
  const running = await spawnLeashed({
    command: process.execPath,
    args: [...process.execArgv, fileURLToPath(new URL(file, import.meta.url))],
    env: { ...process.env, ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = running.exited.then(({ code, signal }) => {
    throw new Error(`${file} ended with ${signal ?? code} before it was ready`);
  });
  ended.catch(() => undefined);
  if (running.stdout !== null) await Promise.race([once(running.stdout, "data"), ended]);
  return running;
}
