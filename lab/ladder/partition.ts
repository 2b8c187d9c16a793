/** One partition, and all rungs before it at once: the same wire, the same moment, the same length. */
import { setTimeout as wait } from "node:timers/promises";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { seeded } from "../load/arrivals.ts";
import type { Interval, Recovery } from "../measures/recovery.ts";
import { answersRecovered, isGood, type Question } from "./recovery.ts";
import type { AskerPlan } from "./asker.ts";
import { RUNG_NAMES, type RungName } from "./rungs.ts";
import type { LadderStage } from "./stage.ts";

export interface PartitionPlan {
  readonly seed: number;
  /** About: the seed makes it up to a tenth longer or shorter, so that no timer of a client keeps step with it. */
  readonly partitionMs: number;
  readonly ratePerSecond: number;
  readonly timeoutMs: number;
  readonly goodWithinMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface RungRun {
  readonly rung: RungName;
  /** From the partition's start. */
  readonly rto: Recovery;
  /** How much later than the partition's end; below 0 where the client did not need the end. */
  readonly afterHealMs: number | undefined;
  readonly asked: number;
  readonly badBefore: number;
  /** Share of the questions asked during the partition that had a good answer. */
  readonly goodDuring: number;
  /** The oldest news that was taken for an answer. */
  readonly oldestMs: number;
}

export interface PartitionRun {
  readonly seed: number;
  readonly partitionMs: number;
  readonly rungs: readonly RungRun[];
}

/** On a busy machine. Questions that it misses are asked late, and count as bad. */
const WORKER_STARTS_MS = 1_500;
const BEFORE_MS = 2_000;
const MOMENT_WITHIN_MS = 500;
/** Above the longest that a breaker stays open, and two windows. */
const AFTERWARDS_MS = 4_000;
const ANSWERED_CAP_MS = 10_000;

export async function runPartition(stage: LadderStage, plan: PartitionPlan): Promise<PartitionRun> {
  const random = seeded(plan.seed);
  const strikeMs = BEFORE_MS + random() * MOMENT_WITHIN_MS;
  const lastsMs = plan.partitionMs * (0.9 + 0.2 * random());
  const endMs = strikeMs + lastsMs + AFTERWARDS_MS;
  const { origin, token, sku } = stage;
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, ...(plan.signal === undefined ? [] : [plan.signal])]);
  const originMs = nowMs() + WORKER_STARTS_MS;
  const { seed, ratePerSecond, timeoutMs, goodWithinMs } = plan;
  const asker: AskerPlan = { origin, token, sku, seed, ratePerSecond, timeoutMs, originMs, endMs };
  // A thread of its own: the wire runs here, and has much to do when it heals. Whoever asks is not to wait for that.
  const worker = new Worker(new URL("./asker.ts", import.meta.url), { workerData: asker });
  try {
    const answered = once(worker, "message", { signal });
    answered.catch(() => undefined);
    const fault = await partition(stage, { originMs, strikeMs, lastsMs, signal });
    const [questions] = (await inTime(originMs + endMs - nowMs() + ANSWERED_CAP_MS, answered)) as [readonly (readonly Question[])[]];
    const observed = { fromMs: fault.fromMs, toMs: endMs };
    return { seed, partitionMs: fault.toMs - fault.fromMs, rungs: RUNG_NAMES.map((name, index) => rungRun(name, questions[index] ?? [], fault, observed, goodWithinMs)) };
  } finally {
    over.abort();
    await stage.wire.pass();
    await worker.terminate();
  }
}

/** Unix time of a monotonic clock, so that both threads mean the same. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

async function partition({ wire }: LadderStage, { originMs, strikeMs, lastsMs, signal }: { readonly originMs: number; readonly strikeMs: number; readonly lastsMs: number; readonly signal: AbortSignal }): Promise<Interval> {
  await wait(originMs + strikeMs - nowMs(), undefined, { signal });
  const fromMs = nowMs() - originMs;
  await wire.blackHole();
  await wait(lastsMs, undefined, { signal });
  // A real partition lets nobody connect. This one holds a connection for each question that was given up: passed on all at once when it
  // ends, they would be a storm that no network makes.
  wire.resetOpen();
  await wire.pass();
  return { fromMs, toMs: nowMs() - originMs };
}

function rungRun(rung: RungName, questions: readonly Question[], fault: Interval, observed: Interval, goodWithinMs: number): RungRun {
  const rto = answersRecovered(questions, observed, goodWithinMs);
  const good = (question: Question): boolean => isGood(question, goodWithinMs);
  const during = questions.filter(({ atMs }) => atMs >= fault.fromMs && atMs < fault.toMs);
  return {
    rung,
    rto,
    afterHealMs: rto.kind === "recovered" ? rto.ms - (fault.toMs - fault.fromMs) : undefined,
    asked: questions.length,
    badBefore: questions.filter((question) => question.doneMs < fault.fromMs && !good(question)).length,
    goodDuring: during.length === 0 ? 0 : during.filter(good).length / during.length,
    oldestMs: questions.reduce((oldest, { ageMs = 0 }) => Math.max(oldest, ageMs), 0),
  };
}

async function inTime<T>(capMs: number, promise: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = wait(capMs, undefined, { signal: ended.signal }).then(() => Promise.reject(new Error(`questions had no end after ${Math.round(capMs)} ms`)));
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    ended.abort();
  }
}
