/** One run: clients append and read, something breaks and heals, everybody is heard out, and the lists are read where they lie. */
import { setTimeout as wait } from "node:timers/promises";
import type { Checker, Evidence, Verdict } from "../checkers/checker.ts";
import { fencing } from "../checkers/protocol/fencing.ts";
import { sagaCompensation } from "../checkers/protocol/saga-compensation.ts";
import { tccBarrier } from "../checkers/protocol/tcc-barrier.ts";
import type { ProtocolRows } from "../evidence/protocol-tables.ts";
import { seeded } from "../load/arrivals.ts";
import { interruptible } from "../start/measuring/interruptible.ts";
import { judgeAppends, malformed } from "./checkers/appends.ts";
import { readAll, runClients, type Asking } from "./clients.ts";
import type { Op } from "./history.ts";
import type { ListAppendOptions } from "./options.ts";
import { Transactions } from "./plan.ts";
import { Recorder } from "./recorder.ts";
import { openLists, readLists, readTables, untilAtRest, type Kept, type ListsStage } from "./stage.ts";

export interface ListAppendRun {
  readonly history: readonly Op[];
  readonly kept: Kept;
  /** Of appends first, then of how the protocol was kept. */
  readonly verdicts: readonly Verdict[];
  readonly victim: string;
  /** What a reader must know besides: a fault that did not heal, lists that could not be read again by the door. */
  readonly notes: readonly string[];
}

export interface RunWatcher {
  readonly signal: AbortSignal;
  readonly onPhase: (phase: string) => void;
}

const REST_CAP_MS = 60_000;

/** @throws what the signal was aborted with, and whatever could not be started or read */
export async function runListAppend(options: Omit<ListAppendOptions, "outFile">, { signal, onPhase }: RunWatcher): Promise<ListAppendRun> {
  onPhase("starting the databases, two keepers and two desks");
  const { fault, mode } = options;
  const stage = await openLists(mode, fault.spendsStandby ? "pair" : "single");
  try {
    signal.throwIfAborted();
    const notes: string[] = [];
    const recorder = new Recorder();
    const transactions = new Transactions(options.seed);
    const asking: Asking = { desks: stage.desks, recorder, signal };
    const victim = victimOf(options);
    onPhase("appending");
    const load = runClients(asking, transactions, options);
    await interruptible(Promise.all([load, breaking(stage, options, victim, { signal, onPhase, notes })]), signal);
    onPhase("waiting until no transaction is open");
    const atRest = await untilAtRest(stage.urls, REST_CAP_MS, signal);
    onPhase("reading every list");
    if (!(await readAll(asking, transactions.keys, options.clients))) notes.push("not every list could be read again by the door");
    const kept = await readLists(stage.urls);
    const { history } = recorder;
    const wrong = malformed(history);
    if (wrong !== undefined) throw new Error(`the history is none: ${wrong}`);
    const protocol = judgeProtocol(await readTables(stage.urls));
    return { history, kept, victim, notes, verdicts: [judgeAppends({ history, ...kept, mode, atRest }), ...protocol] };
  } finally {
    await stage.stop();
  }
}

/** The judges that need nothing of a shop. */
const PROTOCOL: readonly Checker[] = [fencing, sagaCompensation, tccBarrier];

/** What there is none of here was not read. */
const NO_SHOP: Omit<Evidence, keyof ProtocolRows> = {
  sales: null, historyIsWhole: true, operations: null, finals: null, orders: null, events: null, allowances: null, items: null, chunks: null, holds: null, movements: null,
  payments: null, postings: null, charges: null, journals: null, mailboxes: null, livingGateways: [],
};

function judgeProtocol(rows: ProtocolRows): readonly Verdict[] {
  return PROTOCOL.map((checker) => checker.check({ ...NO_SHOP, ...rows }));
}

function victimOf({ seed, fault }: Pick<ListAppendOptions, "seed" | "fault">): string {
  return fault.victims[Math.floor(seeded(seed)() * fault.victims.length)] ?? "";
}

async function breaking(stage: ListsStage, { fault, seconds, seed }: Pick<ListAppendOptions, "fault" | "seconds" | "seed">, victim: string, { signal, onPhase, notes }: RunWatcher & { readonly notes: string[] }): Promise<void> {
  await wait((seconds * 1_000) / 3, undefined, { signal });
  if (fault.name !== "none") onPhase(`${fault.name}: ${victim}`);
  const { databases, watch, processes } = stage;
  const heal = await fault.inject({ platform: { processes, wires: [] }, databases, watch, random: seeded(seed) }, victim);
  try {
    await wait(fault.holdMs, undefined, { signal });
  } finally {
    // Whatever ends this run, nothing stays broken behind it.
    await heal().catch((error: unknown) => notes.push(`not healed: ${error instanceof Error ? error.message : String(error)}`));
  }
}
