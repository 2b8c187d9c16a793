import type { PostgresServer } from "../postgres/postgres.ts";
import type { Target, TcpProxy } from "../proxy/tcp-proxy.ts";
import { machineMs } from "./probe.ts";
import { Watchdog, within, type Remedy, type Watch, type WatchOptions } from "./watchdog.ts";

export interface RestartsOptions extends WatchOptions {
  readonly server: PostgresServer;
  /** What clients connect to; it leads to the server. */
  readonly endpoint: TcpProxy;
  /** Where the server is reached, where that is not its own port. */
  readonly serverAt?: Target;
  /** A server that dies more often than this stays dead; default 5. */
  readonly restartsMax?: number;
  /** How long the fence, and then the start with its crash recovery, may take; one that fails is tried again meanwhile. Default 60,000. */
  readonly stepCapMs?: number;
}

/** Watches a server that has no standby. When it is dead, what is left of it is killed and it is started again on its data. */
export async function startRestarts({ server, endpoint, serverAt, restartsMax = 5, stepCapMs = 60_000, ...options }: RestartsOptions): Promise<Watch> {
  const at = serverAt ?? server;
  let left = restartsMax;
  const remedy: Remedy = async (tell) => {
    if (left === 0) throw new Error(`it was restarted ${restartsMax} times, and is dead again`);
    left -= 1;
    await within(stepCapMs, "killing what is left of the server", server.crash());
    tell("fenced");
    await within(stepCapMs, "the server's start", started(server, machineMs() + stepCapMs));
    tell("restarted");
    // Connections to the dead process end by themselves, but those behind a black hole would never hear of it.
    endpoint.resetOpen();
    tell("repointed", `${at.host}:${at.port}`);
    return { server, at };
  };
  const watchdog = new Watchdog({ server, at }, endpoint, remedy, options);
  await watchdog.start();
  return watchdog;
}

const AGAIN_AFTER_MS = 200;

/** On a disk that is full, or has no power yet, a start fails; whoever supervises a server tries until it is not. */
async function started(server: PostgresServer, untilMs: number): Promise<void> {
  for (;;) {
    try {
      await server.start();
      return;
    } catch (error) {
      if (machineMs() > untilMs) throw error;
      await server.crash();
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
    }
  }
}
