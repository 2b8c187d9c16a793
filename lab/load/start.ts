/** Starts the generator as a process of its own, and speaks its lines for a parent. */
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { spawnLeashed } from "@tripact/testbed";
import type { Order, PhaseEnded, PhasePlan, Progress, Report, Settled } from "./protocol.ts";

export interface LoadOptions {
  readonly target: string;
  readonly historyPath: string;
  readonly run?: string;
  readonly seed?: number;
  readonly timeoutMs?: number;
  readonly connectTimeoutMs?: number;
  readonly inFlightMax?: number;
  readonly connectionsMax?: number;
  readonly onProgress?: (progress: Progress) => void;
}

export type PhaseOptions = Pick<PhasePlan, "sku" | "ratePerSecond" | "seconds" | "seed"> & Partial<PhasePlan>;

export interface RunningPhase {
  readonly phase: number;
  /** On the history's clock. */
  readonly startsAt: number;
  readonly offers: number;
  readonly ended: Promise<PhaseEnded>;
}

export interface Load {
  readonly pid: number;
  /** false: all buyers share one address on this machine. */
  readonly ownAddresses: boolean;
  readonly originMs: number;
  start(plan: PhaseOptions): Promise<RunningPhase>;
  /** Offers no more; the phase ends when everything offered has its answer. */
  stop(): void;
  settle(capMs: number): Promise<Settled>;
  /** The same without asking anew: only what was promised is followed to its end. */
  follow(capMs: number): Promise<Settled>;
  /** Resolves when the history has it. */
  note(order: Extract<Order, { kind: "fault" | "heal" | "clock" }>): Promise<void>;
  /** Closes the history, and tells how many of its lines are missing. */
  quit(): Promise<number>;
  killWhole(): Promise<void>;
}

/** The generator refused, or is gone. `code` is its own, or `gone`. */
export class LoadError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = "LoadError";
    this.code = code;
  }
}

const READY_WITHIN_MS = 15_000;
/** It answers an order at once, or it hangs. */
const ANSWER_WITHIN_MS = 15_000;

export async function startLoad(options: LoadOptions): Promise<Load> {
  const child = await spawnLeashed({
    command: process.execPath,
    args: [fileURLToPath(import.meta.resolve("./main.ts"))],
    env: { ...process.env, ...environmentOf(options) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  if (child.stdout === null || child.stdin === null) throw new LoadError("gone", "the load generator has no pipes");
  const line = new ReportLine(child.stdout, child.stdin, options.onProgress);
  try {
    const ready = await line.next("ready", READY_WITHIN_MS);
    return loadOf(child, line, ready);
  } catch (error) {
    await child.killWhole();
    throw error;
  }
}

function loadOf(child: { readonly pid: number; killWhole(): Promise<void>; waitForExit(): Promise<unknown> }, line: ReportLine, ready: Extract<Report, { kind: "ready" }>): Load {
  const settled = (capMs: number, asks: boolean): Promise<Settled> => {
    const answer = line.next("settled", capMs + ANSWER_WITHIN_MS);
    line.say({ kind: "settle", capMs, asks });
    return answer;
  };
  return {
    pid: child.pid,
    ownAddresses: ready.ownAddresses,
    originMs: ready.originMs,
    start: async (plan) => {
      const started = line.next("phase-started", ANSWER_WITHIN_MS);
      line.say({ kind: "start", ...plan });
      const { phase, startsAt, offers } = await started;
      const ended = line.next("phase-ended");
      // Whoever does not wait for it need not hear that the generator is gone.
      ended.catch(() => undefined);
      return { phase, startsAt, offers, ended };
    },
    stop: () => line.say({ kind: "stop" }),
    settle: (capMs) => settled(capMs, true),
    follow: (capMs) => settled(capMs, false),
    note: async (order) => {
      const noted = line.next("noted", ANSWER_WITHIN_MS);
      line.say(order);
      await noted;
    },
    quit: async () => {
      const ended = line.next("ended", ANSWER_WITHIN_MS);
      line.say({ kind: "quit" });
      try {
        const { unwritten } = await ended;
        return unwritten;
      } finally {
        await child.killWhole();
      }
    },
    killWhole: () => child.killWhole(),
  };
}

interface Waiter {
  readonly kind: Report["kind"];
  readonly resolve: (report: Report) => void;
  readonly reject: (error: Error) => void;
}

const ANSWERED_BY: Readonly<Record<string, Report["kind"]>> = { start: "phase-started", settle: "settled", fault: "noted", heal: "noted", clock: "noted" };

/** Hands each report to whoever waits for its kind. */
class ReportLine {
  readonly #orders: Writable;
  readonly #onProgress: ((progress: Progress) => void) | undefined;
  #waiters: Waiter[] = [];
  #gone = false;

  constructor(reports: Readable, orders: Writable, onProgress: ((progress: Progress) => void) | undefined) {
    this.#orders = orders;
    this.#onProgress = onProgress;
    // A pipe to a process that is gone; the end of its reports says the same.
    orders.on("error", () => undefined);
    const lines = createInterface({ input: reports });
    lines.on("line", (text) => this.#take(JSON.parse(text) as Report));
    lines.once("close", () => this.#end());
  }

  say(order: Readonly<Record<string, unknown>> & { readonly kind: Order["kind"] }): void {
    if (!this.#gone) this.#orders.write(`${JSON.stringify(order)}\n`);
  }

  next<Kind extends Report["kind"]>(kind: Kind, withinMs?: number): Promise<Extract<Report, { kind: Kind }>> {
    const { promise, resolve, reject } = Promise.withResolvers<Extract<Report, { kind: Kind }>>();
    const timer = withinMs === undefined ? undefined : setTimeout(() => fail(new LoadError("gone", `the load generator said nothing of "${kind}" within ${withinMs} ms`)), withinMs);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      reject(error);
    };
    const waiter: Waiter = {
      kind,
      resolve: (report) => {
        clearTimeout(timer);
        // It was chosen by its kind.
        resolve(report as Extract<Report, { kind: Kind }>);
      },
      reject: fail,
    };
    this.#waiters.push(waiter);
    if (this.#gone) fail(new LoadError("gone", "the load generator is gone"));
    return promise;
  }

  #take(report: Report): void {
    if (report.kind === "progress") {
      this.#onProgress?.(report);
      return;
    }
    if (report.kind === "refused") {
      const kind = ANSWERED_BY[report.order ?? ""];
      this.#waiters.findLast((waiter) => waiter.kind === kind)?.reject(new LoadError(report.code, report.message));
      return;
    }
    const waiter = this.#waiters.find(({ kind }) => kind === report.kind);
    if (waiter === undefined) return;
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
    waiter.resolve(report);
  }

  #end(): void {
    this.#gone = true;
    for (const waiter of [...this.#waiters]) waiter.reject(new LoadError("gone", "the load generator has ended"));
  }
}

function environmentOf(options: LoadOptions): NodeJS.ProcessEnv {
  const { target, historyPath, run, seed, timeoutMs, connectTimeoutMs, inFlightMax, connectionsMax } = options;
  const given = { TARGET: target, HISTORY: historyPath, RUN: run, SEED: seed, TIMEOUT_MS: timeoutMs, CONNECT_TIMEOUT_MS: connectTimeoutMs, IN_FLIGHT_MAX: inFlightMax, CONNECTIONS_MAX: connectionsMax };
  return Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])));
}
