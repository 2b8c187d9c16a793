import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { machineMs } from "./system.ts";
import type { OutboxSystem, OutboxTask } from "./system.ts";

/** What the consumer's process tells the producers'. `applied`: pairs of number and time, where times are asked for. */
export type ConsumerWord = { kind: "ready" } | DeliveredWord;

export interface DeliveredWord {
  kind: "delivered";
  total: number;
  atMs: number;
  applied?: Float64Array;
}

/** Often enough to hold back producers in time, seldom enough to cost nothing. */
const REPORT_EVERY_MS = 10;

/** The whole life of a consumer's process. It ends with its parent. */
export async function serveConsumer(system: OutboxSystem, task: OutboxTask): Promise<void> {
  const wantsTimes = task.measured.load === "open";
  let total = 0;
  let reported = 0;
  let applied: number[] = [];
  process.on("disconnect", () => process.exit(0));
  await system.consume(task, (messages) => {
    total += messages.length;
    if (!wantsTimes) return;
    const atMs = machineMs();
    for (const { n } of messages) applied.push(n, atMs);
  });
  tell({ kind: "ready" });
  setInterval(() => {
    if (total === reported) return;
    reported = total;
    tell({ kind: "delivered", total, atMs: machineMs(), ...(wantsTimes ? { applied: Float64Array.from(applied) } : {}) });
    applied = [];
  }, REPORT_EVERY_MS);
}

function tell(word: ConsumerWord): void {
  process.send?.(word);
}

export interface RunningConsumer {
  /** Rejects when it ends by itself. */
  ended: Promise<never>;
  stop(): void;
}

const READY_CAP_MS = 60_000;

/** Starts the consumer of a turn: the same runner file in another role. Resolves when it is ready. */
export async function startConsumer(runner: string, args: readonly string[], onDelivered: (word: DeliveredWord) => void): Promise<RunningConsumer> {
  const child = fork(fileURLToPath(runner), [...args, "--role=consumer"], { serialization: "advanced" });
  const ended = endOf(child);
  // Whoever waits for the consumer also waits for this; nobody else need hear of it.
  ended.catch(() => {});
  const ready = Promise.withResolvers<void>();
  child.on("message", (word: ConsumerWord) => {
    if (word.kind === "ready") ready.resolve();
    else onDelivered(word);
  });
  const overdue = setTimeout(() => ready.reject(new Error(`the consumer was not ready after ${READY_CAP_MS} ms`)), READY_CAP_MS);
  await Promise.race([ready.promise, ended]);
  clearTimeout(overdue);
  return {
    ended,
    stop() {
      child.removeAllListeners("exit");
      child.kill("SIGKILL");
    },
  };
}

function endOf(child: ChildProcess): Promise<never> {
  return new Promise((_, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => reject(new Error(`the consumer ended with ${signal ?? `code ${code}`}`)));
  });
}
