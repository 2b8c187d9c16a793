import { encodeResult, journaledDetails, type Json } from "../../protocol/json.ts";
import { textOf } from "../../protocol/errors.ts";
import { branchKey } from "../../protocol/ids.ts";
import { answerFromThrown, type Answer, type Op } from "../../protocol/outcome.ts";
import { retryDelayMs, type RetryPolicy } from "../../protocol/retry.ts";
import type { Branch, TransactionEvent } from "../../protocol/transaction.ts";
import type { Call } from "../../transports/transport.ts";
import type { Clock } from "../clock.ts";
import type { BranchCode, OpContext } from "../driver.ts";

type Askable = Exclude<BranchCode, { kind: "sql" }>;

/** Asks one op, within its time. Never throws: whatever goes wrong is `unknown`. */
export async function ask(code: Askable, context: OpContext, timeoutMs: number, clock: Clock, controller: AbortController): Promise<Answer> {
  const limitMs = (code.kind === "ask" ? code.timeoutMs : code.participant.timeoutMs) ?? timeoutMs;
  return await within(limitMs, clock, controller, () => askOnce(code, context, controller.signal));
}

/** Runs `work` with a hard timeout: an op that ignores its signal is `unknown` all the same. */
export function within(limitMs: number, clock: Clock, controller: AbortController, work: () => Promise<Answer>): Promise<Answer> {
  return new Promise((resolve) => {
    const cancel = clock.after(limitMs, () => {
      resolve({ kind: "unknown", code: "timeout", error: `no answer within ${limitMs} ms` });
      controller.abort();
    });
    begun(work).then(
      (answer) => {
        cancel();
        resolve(answer);
      },
      (error: unknown) => {
        cancel();
        resolve(answerFromThrown(error));
      },
    );
  });
}

/** What throws before it gives a promise, and what gives none, ends as any other. */
async function begun(work: () => Promise<Answer>): Promise<Answer> {
  return await work();
}

/**
 * Undoes at a participant without a barrier (note 28): look whether the effect is there, undo it if so, and after the time in which a
 * lost call may still land, look again.
 */
export async function undoUnguarded(code: Askable, context: OpContext, timeoutMs: number, clock: Clock, controller: AbortController): Promise<Answer> {
  const lookup = code.kind === "ask" ? code.lookup : code.participant.lookup;
  if (lookup === undefined) return await ask(code, context, timeoutMs, clock, controller);
  for (let round = 0; round < 2; round += 1) {
    // Called off in the settle time: another node has it, or a person; to undo is theirs now.
    if (controller.signal.aborted) return { kind: "unknown", code: "aborted", error: "called off before it was through" };
    const there = await within(timeoutMs, clock, controller, async () => ({ kind: "done", result: await lookup.ask(context.key, controller.signal) }));
    if (there.kind !== "done") return there;
    if (there.result === true) {
      const undone = await ask(code, context, timeoutMs, clock, controller);
      if (undone.kind !== "done") return undone;
    }
    if (round === 0) await new Promise<void>((resolve) => clock.after(lookup.settleMs, resolve));
  }
  return { kind: "done" };
}

function askOnce(code: Askable, context: OpContext, signal: AbortSignal): Promise<Answer> {
  if (code.kind === "ask") return code.ask(context);
  return code.participant.transport.call(callOf(context, code.payload), signal);
}

function callOf(context: OpContext, payload: Json): Call {
  const { gid, branch, op, key, epoch, attempt, notAfterMs, traceparent, forwardResult } = context;
  return {
    gid,
    branch,
    op,
    key,
    epoch,
    attempt,
    payload,
    notAfterMs,
    ...(forwardResult === undefined ? {} : { forwardResult }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

export interface ContextParts {
  readonly gid: string;
  readonly branch: Branch;
  readonly op: Op;
  readonly epoch: number;
  readonly wallMs: number;
  readonly callLifeMs: number;
  readonly traceparent: string | undefined;
  readonly signal: AbortSignal;
}

export function contextOf(parts: ContextParts): OpContext {
  const { gid, branch, op, epoch, wallMs, callLifeMs, traceparent, signal } = parts;
  const { phase } = branch;
  const forward = phase.kind === "closing" ? phase.forward : undefined;
  return {
    gid,
    branch: branch.name,
    op,
    key: branchKey(gid, branch.name),
    epoch,
    attempt: branch.attempts + 1,
    notAfterMs: wallMs + callLifeMs,
    traceparent,
    signal,
    forwardResult: forward?.kind === "done" ? forward.result : undefined,
  };
}

/** Of a pending answer whose own time is none: at once would be a loop, and never would be for ever. */
const PENDING_MS = 1_000;

/** What an answer means for the journal. Total: participants answer anything. */
export function eventOf(answer: Answer, branch: Branch, op: Op, policy: RetryPolicy, random: number, bytesMax: number): TransactionEvent {
  const at = { branch: branch.name, op };
  switch (answer.kind) {
    case "done":
      return doneEvent(answer.result, branch.name, op, bytesMax);
    case "refused":
      return { kind: "refused", ...at, code: clip(answer.code), ...journaledDetails(answer.details, bytesMax) };
    case "unknown": {
      const attempt = branch.attempts + 1;
      const { code, error } = answer;
      return { kind: "attempted", ...at, code, error: clip(error), retryAfterMs: retryDelayMs(policy, attempt, random), spent: attempt >= policy.maxAttempts };
    }
    case "pending":
      return { kind: "pending", ...at, retryAfterMs: Number.isFinite(answer.retryAfterMs) && answer.retryAfterMs >= 0 ? answer.retryAfterMs : PENDING_MS };
    case "key-reused":
      return { kind: "parked", branch: branch.name, reason: "key-reused", detail: clip(answer.detail) };
    case "pause":
      return { kind: "parked", branch: branch.name, reason: "paused", detail: clip(answer.reason) };
  }
}

/** A result that is not JSON parks: its effect stands, so another attempt would not help. */
export function doneEvent(result: unknown, branch: string, op: Op, bytesMax: number): TransactionEvent {
  try {
    const text = encodeResult(result, `result of ${branch}`, bytesMax);
    if (text === undefined || text === "null") return { kind: "done", branch, op, ...(text === undefined ? {} : { result: null }) };
    // The round trip gives live runs and replays the same value, and cuts the tie to an object that the caller may still change.
    return { kind: "done", branch, op, result: typeof result === "object" ? (JSON.parse(text) as Json) : (result as Json) };
  } catch (error) {
    return { kind: "parked", branch, reason: "result-not-json", detail: clip(textOf(error)) };
  }
}

/** Error texts come from anywhere: bounded, so that an audit trail stays one. */
function clip(said: unknown): string {
  const text = textOf(said);
  return text.length <= 2_000 ? text : `${text.slice(0, 2_000)} … (${text.length} characters)`;
}

export function limitKey(code: BranchCode, definition: string, branch: Branch): string {
  if (code.kind === "participant" && code.participant.target !== undefined) return code.participant.target;
  return `${definition}.${branch.name}`;
}

