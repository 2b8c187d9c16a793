/** Asks a process the same trivial thing again and again: when it was down, apart from everything that depends on it. */
import { setTimeout as wait } from "node:timers/promises";
import { machineMs } from "@tripact/testbed";
import { request } from "undici";
import type { Probed } from "../../measures/outage.ts";

const EVERY_MS = 100;
const TIMEOUT_MS = 500;
/** Half an hour of them. */
const PROBES_MAX = 20_000;

export interface Probing {
  /** By the machine's monotonic clock, oldest first. */
  readonly probes: readonly Probed[];
  /** Twice does no harm. */
  stop(): Promise<void>;
}

/** @param origin like http://127.0.0.1:4000; `/health` is asked there */
export function probeHealth(origin: string): Probing {
  const stopping = new AbortController();
  const probes: Probed[] = [];
  const ask = async (): Promise<Probed> => {
    const fromMs = machineMs();
    let ok = false;
    try {
      const { statusCode, body } = await request(`${origin}/health`, { signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(TIMEOUT_MS)]) });
      await body.dump();
      ok = statusCode === 200;
    } catch {
      // Refused, reset or silent: down, whichever.
    }
    return { fromMs, toMs: machineMs(), ok };
  };
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted && probes.length < PROBES_MAX) {
      const probed = await ask();
      if (stopping.signal.aborted) return;
      probes.push(probed);
      await wait(Math.max(0, probed.fromMs + EVERY_MS - machineMs()), undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const looping = loop();
  return {
    probes,
    stop: () => {
      stopping.abort();
      return looping;
    },
  };
}
