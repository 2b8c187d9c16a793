import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { Jsonable } from "../protocol/json.ts";
import type { RollBackReason } from "../protocol/transaction.ts";
import { textOf } from "../protocol/errors.ts";
import type { Saga } from "../flow/saga.ts";
import type { MemoryRow } from "../stores/memory/database.ts";
import { violationsOfTransaction, type Effect } from "./effects.ts";
import { Stage, type StageOptions } from "./stage.ts";
import { Process } from "./virtual/process.ts";

/** One run with its crashes, for `verify`. */
export interface CrashRun {
  readonly gid: string;
  /** Where each coordinator died, in order; empty for the run without a crash. */
  readonly crashedAt: readonly string[];
  readonly end: "committed" | "rolled-back" | "mixed" | "open";
  /** Counted by the kit at barriers and local SQL, in order. */
  readonly effects: readonly Effect[];
}

export interface CrashOptions extends StageOptions {
  /** Crashes in one run: 2 also kills the coordinator that recovers, at each of its own points. Default 1. */
  readonly crashes?: 1 | 2;
  /** Your own look at your own data after each run; what it throws is a violation. Each run has its own gid. */
  readonly verify?: (run: CrashRun) => void | Promise<void>;
}

export interface CrashReport {
  /** Every point at which a coordinator was killed: `#3 after call reserve.action`. */
  readonly points: readonly string[];
  /** Empty, or `crashAtEveryAwait` has thrown. */
  readonly violations: readonly string[];
}

/** A coordinator died at these calls of its ports: the first process at the first number, the next at the second. */
type Kills = readonly number[];

interface Rehearsed extends CrashRun {
  /** What each process reached, by name. */
  readonly reached: readonly (readonly string[])[];
  readonly violations: readonly string[];
}

/**
 * Runs a saga once for every call that its coordinator makes to a port (journal, local SQL, participants; before and after each), and
 * kills the coordinator there. A second one takes over on the same memory database; virtual time runs to the end. Each run must end, as
 * the run without a crash did, with every effect once, or undone once if it may have happened.
 *
 *     const { points } = await crashAtEveryAwait(purchase, order, { given: { reserve: answers.done({ hold: 7 }) } });
 *
 * Throws an `AssertionError` that names every point with a violation, or `ForeignAwait` if the flow awaits anything but `tx.*`.
 */
export async function crashAtEveryAwait<In, Out>(saga: Saga<In, Out>, input: In & Jsonable<In>, options: CrashOptions = {}): Promise<CrashReport> {
  const run = (kills: Kills, end?: CrashRun["end"]): Promise<Rehearsed> => rehearse(saga, input, options, kills, end);
  const calm = await run([]);
  const points: string[] = [];
  const violations = [...calm.violations];
  for (const index of calm.violations.length > 0 ? [] : (calm.reached[0] ?? []).keys()) {
    const once = await run([index], calm.end);
    const rehearsed = [once];
    if (options.crashes === 2) for (const next of (once.reached[1] ?? []).keys()) rehearsed.push(await run([index, next], calm.end));
    for (const { crashedAt, violations: wrong } of rehearsed) {
      const point = crashedAt.join(", then ");
      points.push(point);
      violations.push(...wrong.map((violation) => `${point}: ${violation}`));
    }
  }
  if (violations.length > 0) {
    throw new assert.AssertionError({ message: `${saga.definition} does not survive every crash (${points.length} points):\n  ${violations.join("\n  ")}` });
  }
  return { points, violations };
}

const LOCK_FALLS_MS = 4;
const RESTART_MS = 20;
/** Late calls of a dead process may still land after the end. */
const AFTERMATH_MS = 1_000;

async function rehearse<In, Out>(
  saga: Saga<In, Out>,
  input: In & Jsonable<In>,
  options: CrashOptions,
  kills: Kills,
  end: CrashRun["end"] | undefined,
): Promise<Rehearsed> {
  const gid = `crash-${randomUUID()}`;
  const stage = new Stage(saga, options);
  const reached: string[][] = [];
  const crashedAt: string[] = [];
  const refusals: unknown[] = [];

  const boot = (generation: number): void => {
    const process = new Process(stage.world, `node ${generation + 1}`);
    const names: string[] = [];
    reached.push(names);
    const reach = (point: string): void => {
      if (process.dead) return;
      names.push(`#${names.length + 1} ${point}`);
      if (kills[generation] !== names.length - 1) return;
      process.dead = true;
      crashedAt.push(names.at(-1) ?? point);
      // Its connection closes and its lock falls; somebody else comes up.
      stage.world.after(LOCK_FALLS_MS, undefined, () => stage.database.locks.clear());
      stage.world.after(RESTART_MS, undefined, () => boot(generation + 1));
    };
    // The caller asks again under the same gid: it attaches, or begins what the dead node never wrote.
    stage
      .boot(process, reach)
      .then((tripact) => tripact.start(saga, input, { gid }))
      .catch((error: unknown) => refusals.push(error));
  };
  boot(0);

  const rested = await stage.until(gid, (atRest) => (atRest && reached.length > crashedAt.length) || refusals.length > 0);
  if (refusals.length > 0) throw refusals[0];
  await stage.world.run(() => false, stage.world.nowMs + AFTERMATH_MS);
  const row = stage.database.transactions.get(gid);
  const status = row?.summary.status;
  const run: CrashRun = { gid, crashedAt, effects: stage.effects, end: status === "committed" || status === "rolled-back" || status === "mixed" ? status : "open" };
  const violations = row === undefined ? [`lost: ${gid} is not in the journal`] : violationsOfTransaction(gid, row, options.barrier === "yours" ? "uncounted" : run.effects, stage.database.outbox);
  if (!rested) violations.push(`stuck: ${gid} does not come to rest`);
  if (crashedAt.length < kills.length) violations.push("changed: the same run does not come to the same point; something in it is left to chance");
  if (end !== undefined && run.end !== end && !ranOutOfTime(row)) violations.push(`changed: without the crash it is ${end}, with it ${run.end}`);
  try {
    await options.verify?.(run);
  } catch (error) {
    violations.push(`verify: ${textOf(error)}`);
  }
  return { ...run, reached, violations };
}

/** A crash costs time, and a flow with a deadline may lose it. */
function ranOutOfTime(row: MemoryRow | undefined): boolean {
  const outcome = JSON.parse(row?.summary.outcome ?? "{}") as { readonly reason?: RollBackReason };
  return outcome.reason?.kind === "deadline" || outcome.reason?.kind === "reservation-expired";
}
