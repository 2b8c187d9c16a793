import { copyOf, type Json } from "../../protocol/json.ts";
import { answerFromThrown, type Answer, type Op } from "../../protocol/outcome.ts";
import type { Lookup, Participant, SagaParticipant, TccParticipant } from "../participant.ts";
import type { Call, Transport } from "../transport.ts";

/** What an in-process op is told of its call. Fits `barrier.run(db, call, …)`. */
export type OpCall = Call & { readonly signal: AbortSignal };

interface Common {
  /** Name it, and any node that registers the same name can finish what another began. */
  readonly name?: string;
  /** For participants without the barrier. Without it, the ops are taken to run under a barrier. */
  readonly unguarded?: Lookup;
  readonly timeoutMs?: number;
  /** These transactions have ended: `barrier.forget(db, gids)` may mark their rows. Comes in batches, now and then, and may be lost. */
  forget?(gids: readonly string[]): unknown;
}

export interface SagaOps<In, Out> extends Common {
  action(call: OpCall, input: In): Out | Promise<Out>;
  /** `result` is undefined when nobody knows how the action ended. Must not refuse. */
  compensate(call: OpCall, input: In, result: Out | undefined): unknown;
}

export interface TccOps<In, Out> extends Common {
  try(call: OpCall, input: In): Out | Promise<Out>;
  /** Must not refuse, and must succeed when repeated. */
  confirm(call: OpCall, input: In, result: Out): unknown;
  cancel(call: OpCall, input: In, result: Out | undefined): unknown;
}

/** A participant in this process: plain functions. Saga when it has `action` and `compensate`, TCC when it has `try`, `confirm`, `cancel`. */
export function participant<In, Out>(ops: TccOps<In, Out>): TccParticipant<In, Out>;
export function participant<In, Out>(ops: SagaOps<In, Out>): SagaParticipant<In, Out>;
export function participant<In, Out>(ops: SagaOps<In, Out> | TccOps<In, Out>): Participant<"saga" | "tcc", In, Out> {
  return {
    kind: "try" in ops ? "tcc" : "saga",
    target: ops.name,
    guard: ops.unguarded === undefined ? "barrier" : "unguarded",
    ...(ops.unguarded === undefined ? {} : { lookup: ops.unguarded }),
    ...(ops.timeoutMs === undefined ? {} : { timeoutMs: ops.timeoutMs }),
    transport: inProcessTransport(ops),
  };
}

export function inProcessTransport<In, Out>(ops: SagaOps<In, Out> | TccOps<In, Out>): Transport {
  return {
    features: { inProcess: true, forgets: ops.forget !== undefined },
    async call(call: Call, signal: AbortSignal): Promise<Answer> {
      const run = operation(ops, call.op);
      if (run === undefined) return { kind: "pause", reason: `this participant has no ${call.op}` };
      if (signal.aborted) return { kind: "unknown", code: "aborted", error: "aborted before the call" };
      // An op that does not look at its signal goes on; nobody waits for it. Listening begins first: an op may abort its own call.
      const gone = aborted(signal);
      return await Promise.race([answerOf(run, call, signal), gone]);
    },
    async close() {
      await Promise.resolve();
    },
  };
}

async function answerOf<In, Out>(run: Operation<In, Out>, call: Call, signal: AbortSignal): Promise<Answer> {
  try {
    // Journaled payloads are data: the declared input type is what the compiler checked when they were made.
    // A copy, for the next attempt sends the same ones.
    const result = await run({ ...call, signal }, copyOf(call.payload) as In, copyOf(call.forwardResult) as Out);
    return result === undefined ? { kind: "done" } : { kind: "done", result: result as Json };
  } catch (error) {
    return answerFromThrown(error);
  }
}

function aborted(signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve({ kind: "unknown", code: "aborted", error: "aborted before an answer" }), { once: true });
  });
}

type Operation<In, Out> = (call: OpCall, input: In, result: Out) => unknown;

function operation<In, Out>(ops: SagaOps<In, Out> | TccOps<In, Out>, op: Op): Operation<In, Out> | undefined {
  if (op === "wake") return undefined;
  if (op === "forget") return (call) => ops.forget?.((call.payload as { readonly gids: readonly string[] }).gids);
  if ("try" in ops) return op === "try" || op === "confirm" || op === "cancel" ? ops[op].bind(ops) : undefined;
  return op === "action" || op === "compensate" ? ops[op].bind(ops) : undefined;
}
