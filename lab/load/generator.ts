/**
 * An open loop of buyers: requests start when they were meant to, whatever became of those before. Everything that it learns is in the
 * history; what it reports is for people who wait.
 */
import type { HistoryWriter } from "../history/writer.ts";
import type { Clock } from "./clock.ts";
import { Connections } from "./sending/connections.ts";
import { round } from "./latency.ts";
import { Follower, type Promised } from "./follower.ts";
import { Phase } from "./phase.ts";
import { OrderError, type Order, type PhasePlan, type Progress, type Report, type Settled } from "./protocol.ts";
import { buyerName, Sender, type Ask, type Told } from "./sending/sender.ts";
import { Settling } from "./settling.ts";

export interface GeneratorOptions {
  readonly target: URL;
  readonly ownAddresses: boolean;
  readonly run: string;
  readonly clock: Clock;
  readonly history: HistoryWriter;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly inFlightMax: number;
  readonly connectionsMax: number;
  readonly report: (report: Report) => void;
}

/** Added to every latency at worst; a longer one would be seen in the percentiles. */
const TICK_MS = 1;
const PROGRESS_EVERY_MS = 250;
const CLOCK_EVERY = 4;
/** Time to make ready in, so that the first requests are not late. */
const LEAD_MS = 20;
const PHASES_MAX = 1_000;
const UNSETTLED_MAX = 1_000_000;

export class Generator {
  readonly #options: GeneratorOptions;
  readonly #connections: Connections;
  readonly #sender: Sender;
  readonly #follower: Follower;
  readonly #phases: Phase[] = [];
  /** The one that has not ended. */
  #running: Phase | undefined;
  readonly #unsettled = new Map<string, Ask>();
  #settling: { readonly work: Settling; readonly until: number } | undefined;
  #final = 0;
  #paid = 0;
  #lateMs = 0;
  #reports = 0;
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(options: GeneratorOptions) {
    this.#options = options;
    const { target, ownAddresses, timeoutMs, connectTimeoutMs, connectionsMax, inFlightMax, clock } = options;
    this.#connections = new Connections({ target, ownAddresses, connectTimeoutMs, connectionsMax });
    this.#sender = new Sender({ connections: this.#connections, timeoutMs, inFlightMax, now: () => clock.now(), tell: (told) => this.#told(told) });
    this.#follower = new Follower({ target, ownAddresses, timeoutMs, onFinal: (promised, state) => this.#becameFinal(promised, state) });
    this.#timers = [setInterval(() => this.#tick(), TICK_MS), setInterval(() => this.#progress(), PROGRESS_EVERY_MS)];
  }

  /** @throws OrderError when it cannot be followed now */
  follow(order: Exclude<Order, { kind: "quit" }>): void {
    const { history, clock, report } = this.#options;
    switch (order.kind) {
      case "start": this.#start(order.plan); break;
      case "stop": this.#running?.stop(); break;
      case "settle": this.#settle(order.capMs, order.asks ?? true); break;
      case "fault": case "heal": {
        const { kind, name, target, fromMs, toMs } = order;
        history.append({ kind, name, target, from: fromMs - clock.originMs, to: toMs - clock.originMs });
        report({ kind: "noted" });
        break;
      }
      case "clock":
        history.append({ kind: "clock", clock: order.clock, at: order.atMs - clock.originMs, unixMs: order.unixMs });
        report({ kind: "noted" });
        break;
    }
  }

  /** Ends at once; what is in flight is recorded as unknown. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#running?.stop();
    this.#sender.abandon();
    this.#connections.close();
    await this.#follower.close();
  }

  #start(plan: PhasePlan): void {
    const { clock, history, run, report } = this.#options;
    if (this.#running !== undefined || this.#settling !== undefined) throw new OrderError("busy", "a phase is running, or is being settled");
    if (this.#phases.length === PHASES_MAX) throw new OrderError("busy", `there have been ${PHASES_MAX} phases; begin another process`);
    const phase = new Phase(this.#phases.length + 1, plan, clock.now() + LEAD_MS, run);
    this.#phases.push(phase);
    this.#running = phase;
    history.append({ kind: "phase", phase: phase.number, at: phase.startsAt, ...plan });
    report({ kind: "phase-started", phase: phase.number, startsAt: phase.startsAt, offers: phase.offers });
  }

  #settle(capMs: number, asks: boolean): void {
    if (this.#running !== undefined || this.#settling !== undefined) throw new OrderError("busy", "a phase is running, or is being settled");
    const until = this.#options.clock.now() + capMs;
    const work = new Settling({ asks: asks ? [...this.#unsettled.values()] : [], until, send: (ask) => this.#sender.send(ask), onSettled: (told) => this.#settled(told) });
    this.#settling = { work, until };
  }

  #tick(): void {
    const now = this.#options.clock.now();
    this.#running?.offerDue(now, (ask) => this.#sender.send(ask));
    this.#settling?.work.tick(now);
    this.#sender.tick();
    if (this.#running?.over === true) this.#endPhase(this.#running);
    const settling = this.#settling;
    if (settling?.work.over === true && (this.#follower.openOrders === 0 || now >= settling.until)) this.#endSettling(settling.work);
  }

  #told(told: Told): void {
    const { ask, a } = told;
    if (ask.op === "settle") {
      this.#settling?.work.told(told);
      return;
    }
    if (a !== null) this.#lateMs = Math.max(this.#lateMs, a - ask.s);
    if (told.answer.outcome === "info" && this.#unsettled.size < UNSETTLED_MAX) this.#unsettled.set(ask.requestId, ask);
    this.#phases[ask.phase - 1]?.learn(told);
    this.#record(told);
  }

  #settled(told: Told): void {
    if (told.answer.outcome !== "info") this.#unsettled.delete(told.ask.requestId);
    this.#record(told);
  }

  #record(told: Told): void {
    const { ask, answer, a, c } = told;
    const before = this.#phases[ask.phase - 1]?.earlierOrder(told);
    const { outcome, evidence, orderId } = answer;
    this.#options.history.append({
      kind: "operation",
      op: ask.op,
      key: orderId ?? `request:${ask.requestId}`,
      intent: { phase: ask.phase, buyer: buyerName(ask.buyer), requestId: ask.requestId, quantity: ask.quantity, ...(ask.again ? { again: true } : {}) },
      s: ask.s, a, c, outcome, evidence,
      ...(before === undefined ? {} : { before }),
    });
    if (outcome === "accepted" && orderId !== undefined) this.#follower.follow({ orderId, phase: ask.phase, s: ask.s });
  }

  #becameFinal({ orderId, phase, s }: Promised, state: string): void {
    const at = this.#options.clock.now();
    this.#final += 1;
    if (state === "paid") {
      this.#paid += 1;
      this.#phases[phase - 1]?.paidMs.record(at - s);
    }
    this.#options.history.append({ kind: "final", orderId, state, at });
  }

  #endPhase(phase: Phase): void {
    this.#running = undefined;
    const at = this.#options.clock.now();
    this.#options.history.append({ kind: "phase-end", phase: phase.number, at, offered: phase.counts.offered });
    this.#options.report({ kind: "phase-ended", phase: phase.number, at, ...phase.counts, answerMs: phase.answerMs.summary() });
  }

  #endSettling(work: Settling): void {
    this.#settling = undefined;
    const phases = this.#phases.map(({ number, paidMs }) => ({ number, summary: paidMs.summary() }));
    const settled: Settled = {
      kind: "settled",
      at: this.#options.clock.now(),
      resolved: work.resolved,
      unresolved: work.unresolved,
      open: this.#follower.openOrders,
      phases: phases.map(({ number, summary }) => ({ phase: number, paid: summary?.count ?? 0, paidMs: summary })),
    };
    this.#options.report(settled);
  }

  #progress(): void {
    const { clock, history, report } = this.#options;
    const at = clock.now();
    if (this.#reports % CLOCK_EVERY === 0) history.append({ kind: "clock", clock: "generator", at, unixMs: Date.now() });
    this.#reports += 1;
    const { user, system } = process.cpuUsage();
    const last = this.#phases.at(-1);
    const progress: Progress = {
      kind: "progress",
      at,
      phase: last?.number ?? 0,
      running: this.#running !== undefined,
      ...(last?.counts ?? NOTHING),
      inFlight: this.#sender.inFlight,
      orders: this.#follower.orders,
      final: this.#final,
      paid: this.#paid,
      open: this.#follower.openOrders,
      unsettled: this.#unsettled.size,
      lateMs: round(this.#lateMs),
      cpuMs: Math.round((user + system) / 1000),
      unwritten: history.unwritten,
    };
    this.#lateMs = 0;
    report(progress);
  }
}

const NOTHING = { offered: 0, accepted: 0, soldOut: 0, limited: 0, tooOften: 0, refused: 0, overloaded: 0, notSent: 0, unknown: 0, otherOrder: 0 };
