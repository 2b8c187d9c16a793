/** How a service of this shop delivers its outbox: to the mailer, as signed events over HTTP. `npx tripact relay` is the same as a process. */
import { httpSink } from "tripact/events";
import { createRelay, postgresOutboxLog, type Relay } from "tripact/relay";

export interface Address {
  readonly url: string;
  readonly secret: string;
}

/** `source` names the outbox: together with a message's id it says everywhere which message this is. */
export function relayTo(mailer: Address, databaseUrl: string, source: string): Promise<Relay> {
  return createRelay({
    log: postgresOutboxLog({ url: databaseUrl }),
    source,
    // The mailer answers after its commit, so what it has taken is safe.
    subscriptions: [{ name: "mailer", sink: httpSink({ ...mailer, persistent: true }) }],
  });
}
