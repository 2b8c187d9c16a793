/**
 * Every error that the toolkit throws on purpose. `code` is stable and meant for programs; the message says what happened, to which
 * transaction, and what to do next. Anything else that comes out of the toolkit is a bug of ours.
 */
export type TripactErrorCode =
  | "abandoned"
  | "barrier-misuse"
  | "conflicting-gid"
  | "cursor-lost"
  | "durability-refused"
  | "expired"
  | "host-not-allowed"
  | "illegal-transition"
  | "invalid-gid"
  | "invalid-input"
  | "invalid-option"
  | "invalid-plan"
  | "key-reused"
  | "message-aborted"
  | "message-submitted"
  | "never-started"
  | "not-connected"
  | "not-supported"
  | "outbox-misuse"
  | "overloaded"
  | "parked"
  | "pooler-refused"
  | "schema-mismatch"
  | "signature-refused"
  | "stopped"
  | "store-bad-row"
  | "store-unknown"
  | "store-unreachable"
  | "too-large"
  | "unknown-branch"
  | "unknown-message"
  | "unknown-subscription"
  | "unknown-definition"
  | "unknown-participant"
  | "unknown-transaction";

export interface TripactErrorOptions {
  /** Where it happened: a gid, a branch, an option's name. */
  readonly where?: string;
  /** What the reader can do about it. */
  readonly hint?: string;
  /** For `overloaded`: when to come back. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export class TripactError extends Error {
  readonly code: TripactErrorCode;
  readonly where: string | undefined;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: TripactErrorCode, what: string, options: TripactErrorOptions = {}) {
    const where = options.where === undefined ? "" : ` [${options.where}]`;
    const hint = options.hint === undefined ? "" : ` ${options.hint}`;
    super(`${what}${where}${hint}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.where = options.where;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The same gid was used before with another definition or another input. Nothing was written. */
export class ConflictingGid extends TripactError {
  constructor(gid: string, difference: string) {
    super("conflicting-gid", `This gid already names another transaction: ${difference} differs.`, {
      where: gid,
      hint: "Choose another gid, or send the same definition and input again to attach to the first.",
    });
  }
}

/** Somebody was told that this gid never started, so it never will. */
export class NeverStarted extends TripactError {
  constructor(gid: string) {
    super("never-started", "This gid was asked for or cancelled before it started, and that answer stands.", {
      where: gid,
      hint: "Start again under a new gid if the promise is still wanted.",
    });
  }
}

/** A two-phase message was aborted, or its check-back said refused: it is never sent, and a submit that comes now is too late. */
export class MessageAborted extends TripactError {
  constructor(gid: string, why: string) {
    super("message-aborted", `This message is never sent: ${why}.`, {
      where: gid,
      hint: "If its local work is done all the same, that work does not check the tombstone, or somebody aborted it too early.",
    });
  }
}

/** A two-phase message was submitted, or its check-back said done: it is sent, and an abort that comes now is too late. */
export class MessageSubmitted extends TripactError {
  constructor(gid: string) {
    super("message-submitted", "This message is submitted and cannot be aborted any more.", { where: gid, hint: "Undo its local work, and tell its receivers with another message." });
  }
}

/** A bounded queue is full, or the store stands still. Nothing was written; come back after `retryAfterMs`. */
export class Overloaded extends TripactError {
  constructor(what: string, retryAfterMs: number) {
    super("overloaded", what, { hint: `Try again in ${retryAfterMs} ms.`, retryAfterMs });
  }
}

/** The transaction was decided, or its owner changed, while the flow was still asking. What the flow does next is ignored. */
export class Abandoned extends TripactError {
  constructor(gid: string, why: string) {
    super("abandoned", `This run of the flow was given up: ${why}.`, { where: gid });
  }
}

/** A journal and the protocol disagree: a pair (state, event) that no rule allows. */
export class IllegalTransition extends TripactError {
  constructor(state: string, event: string, detail = "") {
    super("illegal-transition", `${state} does not take ${event}${detail === "" ? "" : `: ${detail}`}.`);
  }
}

/** Never throws, whatever was thrown: not every object has a text. */
export function textOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return `a thrown ${typeof error} without a text`;
  }
}
