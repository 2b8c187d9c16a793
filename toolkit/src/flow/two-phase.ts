/**
 * The two-phase message: prepare, work outside SQL, submit. Underneath it is a saga of one pivot, whose action is the caller's
 * check-back, and whose messages go to the outbox with the commit. `submit` and `abort` bring that pivot's answer before it is asked.
 */
import { Abandoned, MessageAborted, MessageSubmitted, NeverStarted, textOf, TripactError } from "../protocol/errors.ts";
import { encodeInput, type Jsonable, type MustBeJson } from "../protocol/json.ts";
import { Pause, Pending, Refused } from "../protocol/outcome.ts";
import type { RollBackReason } from "../protocol/transaction.ts";
import type { Completion } from "../runtime/letters.ts";
import { checkDuration } from "../runtime/options.ts";
import type { TransactionOutcome } from "../runtime/outcome.ts";
import type { StartOptions, Tripact } from "../tripact.ts";
import { checkText } from "./ask.ts";
import { saga, type Saga } from "./saga.ts";
import type { BranchContext, EmitOptions } from "./tx.ts";

/** A message, as the definition makes it of the input. */
export interface OutgoingMessage extends EmitOptions<unknown> {
  readonly topic: string;
}

/**
 * What became of the local work:
 *
 * - `done`: it happened. The message is sent.
 * - `refused`: it did not happen, **and never will**: say it only after writing, in one atomic step with the look, a tombstone that the
 *   local work checks, in one atomic step with its effect. The message is never sent.
 * - `not-yet`: it may still happen. Asked again after `checkBackAfterMs`, a second at least.
 */
export type CheckBackAnswer = "done" | "refused" | "not-yet";

export interface CheckBack<In> {
  readonly gid: string;
  readonly input: In;
  /** 1, and one more for each time that nobody knows how the check-back ended. */
  readonly attempt: number;
  /** Unix milliseconds, by the clock of the node that prepared it. */
  readonly preparedAtMs: number;
  /** Aborts on timeout and lost ownership. */
  readonly signal: AbortSignal;
}

export interface TwoPhaseOptions<In, Given> {
  /** What is sent if the local work is done: at least one message, and the same ones for the same input, for they are made again after a crash. */
  readonly messages: (input: In) => Given & MustBeJson<Given>;
  /**
   * Asked when neither `submit` nor `abort` has come `checkBackAfterMs` after `prepare`, on any node that runs this definition. Asked
   * again for ever: whatever it throws (a `Refused` too: "no" has to be said), or another answer, is unknown. `Pending` is `not-yet`.
   */
  readonly checkBack: (asked: CheckBack<In>) => CheckBackAnswer | Promise<CheckBackAnswer>;
  /** How long `submit` may take before the check-back is asked. Default 2,000. */
  readonly checkBackAfterMs?: number;
  /** Of one check-back. Default: the coordinator's `opTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Raise it when `messages` makes other messages of an input that may be prepared: what is prepared stays on its version. Default "1". */
  readonly version?: string;
}

export type Submitted = Extract<TransactionOutcome<undefined>, { kind: "committed" }>;
export type Aborted = Extract<TransactionOutcome, { kind: "rolled-back" | "never-started" }>;
/** There is no deadline: only an answer ends what is prepared. */
export type PrepareOptions = Omit<StartOptions, "deadlineMs">;

/** A message that is durable, and not sent yet. */
export interface Prepared {
  readonly gid: string;
  /** It was prepared before, with the same input. */
  readonly attached: boolean;
  /** The local work is done: see `TwoPhaseMessage.submit`. */
  submit(): Promise<Submitted>;
  /** The local work never happens: see `TwoPhaseMessage.abort`. */
  abort(reason?: string): Promise<Aborted>;
}

/** A definition: give it to `createTripact` in `definitions`, on every node that may be asked to check back. */
export interface TwoPhaseMessage<In> extends Saga<In, undefined> {
  /**
   * Resolves when the message is durable; only then begin the local work. The same gid and input again attaches. Throws `invalid-input`
   * or `too-large` before anything is written, and `MessageAborted` if it was aborted before. Rejected otherwise: prepare again under
   * the same gid, or leave it; the check-back finds out.
   */
  prepare(tripact: Tripact, input: In & Jsonable<In>, options?: PrepareOptions): Promise<Prepared>;
  /**
   * The local work is done: resolves when the decision is journaled, and the messages with it, in one commit. Twice is harmless; from
   * any node. Throws `MessageAborted` (code `message-aborted`) if it was aborted, or the check-back said refused, before: nothing is
   * sent; `NeverStarted` if it was never prepared, and now never will be; `parked` if a person has to look first, the submit is journaled.
   */
  submit(tripact: Tripact, gid: string): Promise<Submitted>;
  /**
   * The local work did not happen and never will: where it may still be running, write its tombstone first, as the check-back does.
   * Resolves when the decision is journaled. Twice is harmless; from any node. Throws `MessageSubmitted` (code `message-submitted`) if
   * it was submitted, or the check-back said done, before. Answers `never-started` if it was never prepared: now it never will be.
   */
  abort(tripact: Tripact, gid: string, reason?: string): Promise<Aborted>;
}

/** The branch that stands for the local work: in timelines, and in the answers that a test gives. */
const CHECK_BACK = "check-back";
const CHECK_BACK_AFTER_MS = 2_000;
/** A check-back that says "not yet" at once must not become a loop without a pause. */
const NOT_YET_AFTER_MS_MIN = 1_000;
const ABORTED = "aborted";

/**
 * Sends messages if, and only if, work outside SQL was done, whoever crashes in between: for SQL, `tx.emit` and the outbox are simpler.
 *
 *     const points = twoPhaseMessage("points", {
 *       messages: (order: Order) => [{ topic: "points.added", key: order.buyer, payload: order }],
 *       checkBack: async ({ gid }) => await redis.eval(LOOK_OR_ENTOMB, gid),   // "done", or writes the tombstone and says "refused"
 *     });
 *     const prepared = await points.prepare(tripact, order, { gid: order.id });
 *     await redis.eval(ADD_POINTS, prepared.gid, order);                       // refuses if the tombstone is there
 *     await prepared.submit();
 */
export function twoPhaseMessage<In, Given extends readonly OutgoingMessage[]>(name: string, options: TwoPhaseOptions<In, Given>): TwoPhaseMessage<In> {
  const { messages, checkBack, checkBackAfterMs = CHECK_BACK_AFTER_MS, timeoutMs, version } = options;
  if (typeof messages !== "function" || typeof checkBack !== "function") {
    throw new TripactError("invalid-option", "A two-phase message has `messages` and `checkBack`, both functions.", { where: name });
  }
  checkDuration(checkBackAfterMs, "checkBackAfterMs", name);
  checkDuration(timeoutMs, "timeoutMs", name);
  const againAfterMs = Math.max(checkBackAfterMs, NOT_YET_AFTER_MS_MIN);
  const pivotOptions = { afterMs: checkBackAfterMs, ...(timeoutMs === undefined ? {} : { timeoutMs }) };

  const definition = saga(name, version === undefined ? {} : { version }, async (tx, input: In) => {
    const preparedAtMs = tx.now();
    // All in one turn, so that what is prepared is one entry of the journal: messages, check-back and when to ask it.
    const emitted = Promise.all(made(() => messages(input)).map((message) => tx.emit(message.topic, message as EmitOptions<null>)));
    const asked = tx.pivot(CHECK_BACK, (branch) => askBack(checkBack, { input, preparedAtMs, ...told(branch) }, againAfterMs), pivotOptions);
    await Promise.all([emitted.catch(paused), asked]);
    return undefined;
  });

  const submit = async (tripact: Tripact, gid: string): Promise<Submitted> => submitted(gid, await settle(tripact, name, gid, { kind: "done" }));
  const abort = async (tripact: Tripact, gid: string, reason = "the local work did not happen"): Promise<Aborted> =>
    aborted(gid, await settle(tripact, name, gid, { kind: "refused", code: ABORTED, details: { reason } }));

  const message: TwoPhaseMessage<In> = {
    ...definition,
    // The door has made `input` a plain value that the compiler saw as `In`.
    check: (input, bytesMax) => checkMessages(name, () => messages(input as In), bytesMax),
    prepare: async (tripact, input, prepareOptions = {}) => {
      const { gid, attached } = await tripact.start(message, input, prepareOptions);
      if (attached) refuseAborted(await tripact.outcome(gid));
      return { gid, attached, submit: () => submit(tripact, gid), abort: (reason) => abort(tripact, gid, reason) };
    },
    submit,
    abort,
  };
  return message;
}

function told({ gid, attempt, signal }: BranchContext): Omit<CheckBack<never>, "input" | "preparedAtMs"> {
  return { gid, attempt, signal };
}

/** Only the three words are answers, and `Pending`, which says one of them. */
async function askBack<In>(checkBack: (asked: CheckBack<In>) => unknown, asked: CheckBack<In>, againAfterMs: number): Promise<void> {
  switch (await heardOf(checkBack, asked)) {
    case "done":
      return;
    case "refused":
      throw new Refused("refused");
    case "not-yet":
      throw new Pending({ retryAfterMs: againAfterMs });
    default:
      throw new TripactError("invalid-input", 'A check-back answers "done", "refused" or "not-yet".', { where: asked.gid });
  }
}

async function heardOf<In>(checkBack: (asked: CheckBack<In>) => unknown, asked: CheckBack<In>): Promise<unknown> {
  try {
    return await checkBack(asked);
  } catch (error) {
    if (error instanceof Pending) throw error;
    throw new Error(`the check-back threw: ${textOf(error)}`, { cause: error });
  }
}

/** The door has let these messages in: if they cannot be made again, the code has changed, and what is prepared waits for a person. */
function made<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    return paused(error);
  }
}

function paused(error: unknown): never {
  if (error instanceof Abandoned) throw error;
  throw new Pause(`the messages cannot be made again: ${textOf(error)}`);
}

function checkMessages(name: string, make: () => readonly OutgoingMessage[], bytesMax: number): void {
  const where = `messages of ${name}`;
  const messages = madeAtTheDoor(make, where);
  if (!Array.isArray(messages) || messages.length === 0) throw new TripactError("invalid-input", "There is no message to send.", { where });
  for (const { topic, key, payload, headers = {} } of messages as readonly OutgoingMessage[]) {
    checkText(topic, "topic");
    checkText(key, "key");
    encodeInput(payload, where, bytesMax);
    if (!Object.values(headers).every((text) => typeof text === "string")) throw new TripactError("invalid-input", "A message's headers are texts by name.", { where });
  }
}

function madeAtTheDoor(make: () => unknown, where: string): unknown {
  try {
    return make();
  } catch (cause) {
    throw new TripactError("invalid-input", `This input makes no messages: ${textOf(cause)}.`, { where, cause });
  }
}

/** Brings the answer of the check-back, unless there is one, and waits for the decision. */
async function settle(tripact: Tripact, definition: string, gid: string, answer: Completion): Promise<TransactionOutcome> {
  try {
    await tripact.complete(gid, CHECK_BACK, answer, { definition });
  } catch (error) {
    // To say so has made it so.
    if (error instanceof TripactError && error.code === "unknown-transaction") return { kind: "never-started", gid };
    throw error;
  }
  return await tripact.decided(gid);
}

function submitted(gid: string, outcome: TransactionOutcome): Submitted {
  refuseAborted(outcome);
  if (outcome.kind === "never-started") throw new NeverStarted(gid);
  if (outcome.kind !== "committed") throw undecided(gid, outcome);
  return { kind: "committed", gid, result: undefined };
}

function aborted(gid: string, outcome: TransactionOutcome): Aborted {
  if (outcome.kind === "rolled-back" || outcome.kind === "never-started") return outcome;
  if (outcome.kind === "committed") throw new MessageSubmitted(gid);
  throw undecided(gid, outcome);
}

function refuseAborted(outcome: TransactionOutcome): void {
  if (outcome.kind === "rolled-back") throw new MessageAborted(outcome.gid, wordsOfAbort(outcome.reason));
}

function undecided(gid: string, outcome: TransactionOutcome): TripactError {
  const parked = outcome.kind === "open" ? outcome.parked : undefined;
  if (parked === undefined) return new TripactError("stopped", "This node stopped before it heard the decision; another one drives it on.", { where: gid, hint: "Say it again at any node." });
  return new TripactError("parked", `What was said is journaled, but a person has to look first: ${parked}.`, { where: gid, hint: "See the timeline: npx tripact show." });
}

function wordsOfAbort(reason: RollBackReason): string {
  if (reason.kind === "cancelled") return `cancelled by ${reason.by}, and its local work did not happen`;
  if (reason.kind !== "refused") return reason.kind;
  return reason.code === "aborted" ? "it was aborted" : `its check-back said ${reason.code}`;
}
