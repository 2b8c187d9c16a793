/** What a parent and the generator say to each other: a line of JSON each, over the generator's stdin and stdout. */
import { BUYERS_MAX } from "./sending/addresses.ts";
import { arrivalCount } from "./arrivals.ts";
import type { LatencySummary } from "./latency.ts";

export interface PhasePlan {
  readonly sku: string;
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly seed: number;
  readonly buyers: number;
  /** The number of the first one, so that a later phase can bring new ones. */
  readonly firstBuyer: number;
  readonly quantity: number;
  /** Share of requests that send an earlier request id of the same buyer again. */
  readonly repeatShare: number;
  /** How often a buyer who has bought asks again when it is his turn; otherwise he passes it on. */
  readonly returnShare: number;
}

export type Order =
  | { readonly kind: "start"; readonly plan: PhasePlan }
  | { readonly kind: "stop" }
  /** Asks again after requests without an answer, unless `asks` is false, and follows what was promised to its end. */
  | { readonly kind: "settle"; readonly capMs: number; readonly asks?: boolean }
  /** Times in `process.hrtime` milliseconds, just before and just after the call that broke or healed something. */
  | { readonly kind: "fault" | "heal"; readonly name: string; readonly target: string; readonly fromMs: number; readonly toMs: number }
  | { readonly kind: "clock"; readonly clock: string; readonly atMs: number; readonly unixMs: number }
  | { readonly kind: "quit" };

/** Since the process began, for each phase on its own. */
export interface Counts {
  /** Intents whose time has come. */
  readonly offered: number;
  /** Answers `accepted`; a repeated request id counts again. */
  readonly accepted: number;
  readonly soldOut: number;
  /** `limited`, by status 409 or 429. */
  readonly limited: number;
  /** Of these, by status 429. */
  readonly tooOften: number;
  /** Every other business no. */
  readonly refused: number;
  readonly overloaded: number;
  /** No byte left: no connection, or too many in flight. */
  readonly notSent: number;
  /** May or may not have happened. */
  readonly unknown: number;
  /** Another order for the same request id. */
  readonly otherOrder: number;
}

export interface Progress extends Counts {
  readonly kind: "progress";
  /** On the history's clock, as every `at` here. */
  readonly at: number;
  /** 0 before the first. The counts are this phase's, everything below is the whole process's. */
  readonly phase: number;
  readonly running: boolean;
  readonly inFlight: number;
  /** Orders promised, each once; those seen final; of these, paid; those still open. */
  readonly orders: number;
  readonly final: number;
  readonly paid: number;
  readonly open: number;
  /** Requests whose outcome is unknown, for `settle`. */
  readonly unsettled: number;
  /** The longest time between intended and actual start since the last progress line. */
  readonly lateMs: number;
  /** Processor time since the process began. */
  readonly cpuMs: number;
  readonly unwritten: number;
}

export interface PhaseEnded extends Counts {
  readonly kind: "phase-ended";
  readonly phase: number;
  readonly at: number;
  /** From intended start to answer, unknown outcomes included: leaving them out would hide the worst. What was never sent is not in it. */
  readonly answerMs: LatencySummary | null;
}

export interface Settled {
  readonly kind: "settled";
  readonly at: number;
  /** Unknown outcomes that have one answer now, and those that have none. */
  readonly resolved: number;
  readonly unresolved: number;
  /** Orders that are not final. */
  readonly open: number;
  /** Paid orders of each phase: from intended start to seen paid. */
  readonly phases: readonly { readonly phase: number; readonly paid: number; readonly paidMs: LatencySummary | null }[];
}

export type Report =
  | { readonly kind: "ready"; readonly ownAddresses: boolean; readonly originMs: number; readonly unixMs: number }
  | { readonly kind: "phase-started"; readonly phase: number; readonly startsAt: number; readonly offers: number }
  | Progress
  | PhaseEnded
  | Settled
  /** A fault, heal or clock is in the history. */
  | { readonly kind: "noted" }
  /** `order`: the kind of the one that was refused, where it could be read. */
  | { readonly kind: "refused"; readonly order: string | null; readonly code: "invalid-order" | "busy"; readonly message: string }
  /** The last line. */
  | { readonly kind: "ended"; readonly unwritten: number };

/** An order that cannot be followed: not understood, or not now. Nothing was done. */
export class OrderError extends Error {
  readonly code: "invalid-order" | "busy";
  constructor(code: "invalid-order" | "busy", message: string) {
    super(message);
    this.name = "OrderError";
    this.code = code;
  }
}

const OFFERS_MAX = 5_000_000;
const PLAN_DEFAULTS = { buyers: 2_500, firstBuyer: 0, quantity: 1, repeatShare: 0.01, returnShare: 0.1 };

/** @throws OrderError */
export function readOrder(line: string): Order {
  const order = parse(line);
  switch (order["kind"]) {
    case "start": return { kind: "start", plan: readPlan(order) };
    case "settle": return { kind: "settle", capMs: number(order, "capMs", { max: 600_000 }), asks: order["asks"] !== false };
    case "stop": return { kind: "stop" };
    case "quit": return { kind: "quit" };
    case "fault": case "heal": {
      const fromMs = number(order, "fromMs");
      return { kind: order["kind"], name: text(order, "name"), target: text(order, "target", ""), fromMs, toMs: number(order, "toMs", { min: fromMs }) };
    }
    case "clock": return { kind: "clock", clock: text(order, "clock"), atMs: number(order, "atMs"), unixMs: number(order, "unixMs") };
    default: throw new OrderError("invalid-order", `no order is called ${JSON.stringify(order["kind"])}`);
  }
}

function readPlan(order: Fields): PhasePlan {
  const given = { ...PLAN_DEFAULTS, ...order };
  const whole = (name: string, min: number, max: number): number => number(given, name, { min, max, whole: true });
  const plan: PhasePlan = {
    sku: text(given, "sku"),
    ratePerSecond: number(given, "ratePerSecond", { min: 0.1, max: 100_000 }),
    seconds: number(given, "seconds", { max: 86_400 }),
    seed: whole("seed", 0, 4_294_967_295),
    buyers: whole("buyers", 1, BUYERS_MAX),
    firstBuyer: whole("firstBuyer", 0, BUYERS_MAX),
    quantity: whole("quantity", 1, 1_000_000),
    repeatShare: number(given, "repeatShare", { max: 1 }),
    returnShare: number(given, "returnShare", { max: 1 }),
  };
  if (plan.firstBuyer + plan.buyers > BUYERS_MAX) throw new OrderError("invalid-order", `there are at most ${BUYERS_MAX} buyers`);
  if (arrivalCount(plan.ratePerSecond, plan.seconds) > OFFERS_MAX) throw new OrderError("invalid-order", `a phase offers at most ${OFFERS_MAX} requests`);
  return plan;
}

/** Of an order that was refused: what it called itself. */
export function orderName(line: string): string | null {
  try {
    const { kind } = parse(line);
    return typeof kind === "string" ? kind : null;
  } catch {
    return null;
  }
}

type Fields = Readonly<Record<string, unknown>>;

function parse(line: string): Fields {
  try {
    const decoded: unknown = JSON.parse(line);
    if (typeof decoded === "object" && decoded !== null) return decoded as Fields;
  } catch {
    // said below
  }
  throw new OrderError("invalid-order", `an order is an object of JSON on one line, not ${line.slice(0, 80)}`);
}

function text(fields: Fields, name: string, usual?: string): string {
  const value = fields[name] ?? usual;
  if (typeof value !== "string" || value.length > 200 || (value === "" && usual === undefined)) throw new OrderError("invalid-order", `"${name}" is ${JSON.stringify(value)}; a text is needed`);
  return value;
}

function number(fields: Fields, name: string, { min = 0, max = Number.MAX_VALUE, whole = false } = {}): number {
  const value = fields[name];
  const fits = typeof value === "number" && value >= min && value <= max && (!whole || Number.isInteger(value));
  if (!fits) throw new OrderError("invalid-order", `"${name}" is ${JSON.stringify(value)}; a ${whole ? "whole " : ""}number from ${min} to ${max} is needed`);
  return value;
}
