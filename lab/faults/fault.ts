/** Something that can befall the platform. It says what it can hit and how it is done; who is hit, and when, is the run's to draw. */
import type { FakedClock, PostgresServer, Watch } from "@tripact/testbed";
import type { Databases } from "../platform/databases.ts";
import type { ModeName } from "../platform/mode-processes.ts";
import type { WirePlan } from "../platform/network/wires.ts";
import type { Platform } from "../platform/platform.ts";

/** The platform in mid-sale. */
export interface Scene {
  readonly platform: Pick<Platform, "processes" | "wires">;
  readonly databases: Pick<Databases, "proxy" | "disk"> & { readonly primary: Pick<PostgresServer, "pid" | "crash" | "url"> };
  /** Wall clocks that can be set wrong, by who goes by them: a process's name, or `postgres` for the primary. */
  readonly clocks?: ReadonlyMap<string, FakedClock>;
  /** Whoever brings a dead database back. */
  readonly watch: Pick<Watch, "timeline" | "state">;
  /** In [0, 1), the same ones for the same seed. */
  readonly random: () => number;
}

/** Resolves when everything is as it is meant to be without the fault. Twice does no harm. */
export type Heal = () => Promise<void>;

export interface Fault {
  readonly name: string;
  /** How it is made here: what a report names. */
  readonly mechanism: string;
  readonly needsRoot: boolean;
  /** A control. */
  readonly breaksNothing: boolean;
  /** `own`: the kernel loses packets, so the run is in a network of its own, where they are nobody else's. */
  readonly network: "shared" | "own";
  /** Why this machine cannot do it. */
  notPossible(): string | undefined;
  /** Fetches what the machine may lack for it; called while there is a network to fetch it by. @throws when that could not be done */
  fetch(): Promise<void>;
  /** What may be hit, of which one is drawn; none in a mode where there is nothing to hit. */
  victimsIn(mode: ModeName): readonly string[];
  /** Laid before the platform starts. */
  readonly wires: readonly WirePlan[];
  /** What the primary's data lies on: a disk that can be broken by itself takes root. */
  readonly disk: "shared" | "own";
  /** Whether those that it can hit go by wall clocks that can be set wrong. */
  readonly clocks: "true" | "faked";
  /** Who watches the database: a standby takes over, or the same server is started again. */
  readonly database: "failover" | "restart";
  /** What the outage of is not the toolkit's to answer for: the database; the process that is hit; what the cut wire leads to. */
  readonly dependency: "database" | "victim" | "wire";
  /** From the fault to its heal; 0 where what is hit comes back by itself. */
  readonly holdMs: number;
  /** `usual`: the mode's own share of what it can sell. `busy`: the same for all modes, and more. `light`: little, where a disk in a file carries no more. */
  readonly load: "usual" | "busy" | "light";
  /** No standby is left, so the pair is of no use to another run. */
  readonly spendsStandby: boolean;
  /** Resolves when it is done. @throws when there is nothing to hit */
  inject(scene: Scene, victim: string): Promise<Heal>;
}

/** What most of them are like. */
export const USUAL = {
  needsRoot: false,
  breaksNothing: false,
  network: "shared",
  notPossible: () => undefined,
  fetch: async () => undefined,
  wires: [],
  disk: "shared",
  clocks: "true",
  database: "failover",
  dependency: "database",
  holdMs: 0,
  load: "usual",
  spendsStandby: false,
} as const satisfies Partial<Fault>;

export class FaultError extends Error {
  readonly code: "nothing-to-hit" | "not-healed";
  constructor(code: FaultError["code"], message: string) {
    super(message);
    this.name = "FaultError";
    this.code = code;
  }
}

/** Asks it the first time only: a heal says once that there was nothing to heal. */
export function once(check: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    check();
  };
}

const LOOK_EVERY_MS = 20;

/** @throws FaultError when it is not so after the cap. */
export async function untilHealed(what: string, capMs: number, isSo: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + capMs;
  while (!isSo()) {
    if (performance.now() > deadlineMs) throw new FaultError("not-healed", `after ${capMs} ms it was not seen that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
