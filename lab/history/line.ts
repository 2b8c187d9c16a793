/**
 * The history of a run: what was asked, what came back and what was broken meanwhile, a line of JSON each. One process writes it, and every
 * time in it is that process's: milliseconds on the machine's monotonic clock since `Header.originMs`, unless it is called `unixMs`.
 */

export const SCHEMA = 1;

/** The first line. Another process of the same machine turns its own `process.hrtime` into times of this history by subtracting `originMs`. */
export interface Header {
  readonly kind: "header";
  readonly schema: typeof SCHEMA;
  readonly run: string;
  readonly seed: number;
  /** `process.hrtime` in milliseconds at this history's zero. */
  readonly originMs: number;
  /** `Date.now()` at this history's zero: joins it with the times in databases. */
  readonly unixMs: number;
}

/**
 * - `ok`: final. `accepted`: a durable promise of a truthful final answer under its id.
 * - `reject`: a business no, without effect. `fail`: did not happen, without effect.
 * - `info`: may or may not have happened. It is never read as a no.
 */
export type Outcome = "ok" | "accepted" | "reject" | "fail" | "info";
export const OUTCOMES: readonly Outcome[] = ["ok", "accepted", "reject", "fail", "info"];

/** What was to be done. The phase's line says of which sale. */
export interface Intent {
  readonly phase: number;
  readonly buyer: string;
  readonly requestId: string;
  readonly quantity: number;
  /** This request id had been sent before. */
  readonly again?: true;
}

export interface Operation {
  readonly kind: "operation";
  /** `settle`: the same request once more after the load, to turn an `info` into one final answer. */
  readonly op: "purchase" | "settle";
  /** The order's id where the answer told it, otherwise `request:` and the request id. */
  readonly key: string;
  readonly intent: Intent;
  /** Intended start. Latency counts from here, however late it was sent. */
  readonly s: number;
  /** Actual send; null: no byte of it left. */
  readonly a: number | null;
  /** Completion, or when it was given up. */
  readonly c: number;
  readonly outcome: Outcome;
  /** Why the outcome is this one, in a few words: the answer's kind, or what went wrong. */
  readonly evidence: string;
  /** The order that the same request id was given earlier, where this answer names another one. */
  readonly before?: string;
}

/** The first time that an order was seen in a final state. Polled, so it may be final a little longer. */
export interface Final {
  readonly kind: "final";
  readonly orderId: string;
  readonly state: string;
  readonly at: number;
}

export interface PhaseStart {
  readonly kind: "phase";
  readonly phase: number;
  readonly at: number;
  readonly sku: string;
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly seed: number;
  readonly buyers: number;
  readonly firstBuyer: number;
  readonly quantity: number;
  readonly repeatShare: number;
  readonly returnShare: number;
}

/** Everything that the phase offered has its outcome by now. */
export interface PhaseEnd {
  readonly kind: "phase-end";
  readonly phase: number;
  readonly at: number;
  readonly offered: number;
}

/** Something was broken, or healed, between just before and just after the call that did it. */
export interface Injection {
  readonly kind: "fault" | "heal";
  readonly name: string;
  readonly target: string;
  readonly from: number;
  readonly to: number;
}

/** Some clock of the run (`generator`, or a database's name) showed `unixMs` at `at`. */
export interface ClockReading {
  readonly kind: "clock";
  readonly clock: string;
  readonly at: number;
  readonly unixMs: number;
}

/** The last line. A history without it was broken off. */
export interface End {
  readonly kind: "end";
  readonly at: number;
  /** Lines before this one, the header included. */
  readonly lines: number;
  /** Lines that could not be written: with any, the history has gaps. */
  readonly unwritten: number;
}

export type Line = Header | Operation | Final | PhaseStart | PhaseEnd | Injection | ClockReading | End;
