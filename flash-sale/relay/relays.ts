/** A relay for each of the three outboxes, in the modes that talk in messages. */
import { setTimeout as sleep } from "node:timers/promises";
import { TripactError } from "tripact";
import { createRelay, postgresOutboxLog, type Notice, type Relay, type SubscriptionOptions } from "tripact/relay";
import type { Mode, Outbox } from "../modes/mode.ts";
import { SettingError, type Addresses } from "../service/settings.ts";

export interface RelaysOptions {
  readonly mode: Mode;
  readonly databases: Readonly<Record<Outbox, string>>;
  readonly addresses: Addresses;
  readonly secret: string;
  readonly onNotice: (outbox: Outbox, notice: Notice) => void;
  /** For services that make their tables only now, and for databases that are not up yet. */
  readonly waitMs?: number;
}

export interface Relays {
  /** Ends deliveries under way, and hands over. Twice without harm. */
  stop(): Promise<void>;
}

export const OUTBOXES: readonly Outbox[] = ["orders", "stock", "payment"];
const WAIT_MS = 30_000;
const TRY_AGAIN_MS = 200;
/**
 * While there is something, an outbox is looked at this often, and progress is stored that often: the usual 2 and 50 ms are for a relay that has a database to
 * itself. Both in between would find less than one message each. What a relay that dies has not stored comes again, and finds its row in the inbox.
 * In silence a cursor still passes over what was written to others, and whoever waits for the end of a sale should not wait for the usual five seconds.
 */
const PACE = { pollMinMs: 40, gatherMs: 40, saveEveryMs: 500, idleSaveMs: 1_000 } as const;
/** A relay that dies is missed after this long; the usual 25 ms, in two processes at three outboxes, are 240 statements a second. */
const PROBE_EVERY_MS = 100;
/** Below what a service is given to stop. */
const STOP_WITHIN_MS = 3_000;

/** Throws `SettingError` for a mode without messages, and what the last try met if an outbox is not there in time. None of them runs then. */
export async function openRelays({ mode, databases, addresses, secret, onNotice, waitMs = WAIT_MS }: RelaysOptions): Promise<Relays> {
  const { messages } = mode;
  if (messages === undefined) throw new SettingError("MODE", `is ${mode.name}, which sends no messages: there is nothing for a relay to do`);
  const untilMs = performance.now() + waitMs;
  const opened = await Promise.allSettled(
    OUTBOXES.map((outbox) =>
      untilThere(untilMs, () => {
        // Sinks of their own for each try: a relay that could not start has closed what it was given.
        const subscriptions: readonly SubscriptionOptions[] = messages(addresses, secret)[outbox];
        return createRelay({ log: postgresOutboxLog({ url: databases[outbox] }), source: outbox, subscriptions, stopWithinMs: STOP_WITHIN_MS, ...PACE, probeEveryMs: PROBE_EVERY_MS, onNotice: (notice) => onNotice(outbox, notice) });
      }),
    ),
  );
  const relays = opened.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const stop = async (): Promise<void> => void (await Promise.all(relays.map((relay) => relay.stop())));
  const failed = opened.find((one) => one.status === "rejected");
  if (failed === undefined) return { stop };
  await stop();
  throw failed.reason;
}

/** Only what time can heal is tried again: no server yet, no database, no tables. */
async function untilThere(untilMs: number, open: () => Promise<Relay>): Promise<Relay> {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (error instanceof TripactError && error.code === "invalid-option") throw error;
      if (performance.now() + TRY_AGAIN_MS >= untilMs) throw error;
    }
    await sleep(TRY_AGAIN_MS);
  }
}
