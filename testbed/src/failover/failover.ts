import type { PostgresPair } from "../postgres/standby.ts";
import type { Target, TcpProxy } from "../proxy/tcp-proxy.ts";
import { Watchdog, within, type Remedy, type Watch, type WatchOptions } from "./watchdog.ts";

export interface FailoverOptions extends WatchOptions {
  readonly pair: PostgresPair;
  /** What clients connect to; it leads to the primary. */
  readonly endpoint: TcpProxy;
  /** Where the primary is reached, where that is not its own port: a proxy that stands for the network. */
  readonly primaryAt?: Target;
  /** The same of the standby, once it is promoted. */
  readonly standbyAt?: Target;
  /** How long the fence, and then the promotion, may take; default 30,000. */
  readonly stepCapMs?: number;
}

/**
 * Watches a pair's primary. When it is dead: fences it (kills it whole, for silent is not gone), promotes the standby, and sends the
 * endpoint there. Then it watches the promoted one, for which no standby is left: a second death is said, and nothing is done.
 * Resolves when the primary has answered once.
 */
export async function startFailover({ pair, endpoint, primaryAt, standbyAt, stepCapMs = 30_000, ...options }: FailoverOptions): Promise<Watch> {
  const promoted = { server: pair.standby, at: standbyAt ?? pair.standby };
  let standbyLeft = true;
  const remedy: Remedy = async (tell) => {
    if (!standbyLeft) throw new Error("no standby is left");
    standbyLeft = false;
    await within(stepCapMs, "fencing the old primary", pair.primary.crash());
    tell("fenced");
    await within(stepCapMs, "promoting the standby", pair.promote());
    tell("promoted");
    endpoint.retarget(promoted.at);
    endpoint.resetOpen();
    tell("repointed", `${promoted.at.host}:${promoted.at.port}`);
    return promoted;
  };
  const watchdog = new Watchdog({ server: pair.primary, at: primaryAt ?? pair.primary }, endpoint, remedy, options);
  await watchdog.start();
  return watchdog;
}
