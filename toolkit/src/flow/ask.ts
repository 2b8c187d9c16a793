import { TripactError } from "../protocol/errors.ts";
import { copyOf, encodeInput, fingerprint, type Json } from "../protocol/json.ts";
import { answerFromThrown, type Answer, type Op } from "../protocol/outcome.ts";
import type { Guard, Offer, Recorded, Target } from "../protocol/transaction.ts";
import type { BranchCode, DriverHost, OpContext } from "../runtime/driver.ts";
import { checkDuration } from "../runtime/options.ts";
import type { Lookup, Participant } from "../transports/participant.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import type { BranchContext, EmitOptions, SqlOptions, StepOptions, Tx } from "./tx.ts";

/** One request of the flow for a branch: what is journaled of it (`offer`, `inputHash`), and its code. */
export interface Ask {
  readonly name: string;
  readonly offer: Offer;
  readonly inputHash: string;
  code(op: Op): BranchCode | undefined;
}

interface Doors {
  ask(ask: Ask): Promise<unknown>;
  emit(topic: string, key: string, payload: Json, headers: { readonly [name: string]: string }): void;
  record(source: Recorded["source"]): number | string;
}

type Action = (branch: BranchContext) => unknown;
const NO_INPUT = fingerprint(undefined);

/** The `tx` that a flow is given: turns what reads well into asks. */
export function makeTx(host: DriverHost, doors: Doors): Tx {
  let sleeps = 0;
  // The overloads of `Tx` say what may be passed; these functions take it apart again.
  const askAny = (name: string, kind: "step" | "pivot", what: Action | Participant, rest: unknown): Promise<unknown> =>
    typeof what === "function"
      ? doors.ask(closure(name, kind, what, rest ?? {}))
      : doors.ask(called(host, name, kind, what, rest));

  const tx = {
    gid: host.gid,
    step: (name: string, what: Action | Participant, rest: unknown) => refusable(() => askAny(name, "step", what, rest)),
    pivot: (name: string, what: Action | Participant, rest: unknown) => refusable(() => askAny(name, "pivot", what, rest)),
    tcc: (name: string, what: Participant, input: unknown, options: { readonly expiresAfterMs?: number } = {}) =>
      refusable(() => {
        checkDuration(options.expiresAfterMs, "expiresAfterMs", name);
        return doors.ask(called(host, name, "tcc", what, input, options.expiresAfterMs));
      }),
    sql: (name: string, action: (db: SqlExecutor, branch: BranchContext) => unknown, options: SqlOptions<unknown>) =>
      refusable(() => doors.ask(local(host, name, action, options))),
    sleep: (ms: number) =>
      refusable(() => {
        checkDuration(ms, "ms", "sleep");
        sleeps += 1;
        return doors.ask({ name: `sleep-${sleeps}`, offer: { kind: "timer", afterMs: ms }, inputHash: NO_INPUT, code: () => undefined });
      }),
    emit: (topic: string, message: EmitOptions<unknown>) =>
      refusable(async () => {
        const payload = JSON.parse(encodeInput(message.payload, `message to ${topic}`, host.payloadBytesMax)) as Json;
        doors.emit(checkText(topic, "topic"), checkText(message.key, "key"), payload, checkHeaders(message.headers ?? {}));
        await Promise.resolve();
      }),
    now: () => doors.record("now"),
    uuid: () => doors.record("uuid"),
    random: () => doors.record("random"),
  };
  return tx as Tx;
}

/** A bad argument rejects the step's promise, as everything else about a step does. */
function refusable(run: () => Promise<unknown>): Promise<unknown> {
  try {
    return run();
  } catch (error) {
    return Promise.reject(error);
  }
}

function closure(name: string, kind: "step" | "pivot", action: Action, options: Partial<StepOptions<unknown>> & { readonly afterMs?: number }): Ask {
  checkDuration(options.timeoutMs, "timeoutMs", name);
  checkDuration(options.afterMs, "afterMs", name);
  const undo = options.undo;
  if (kind === "step" && undo !== "nothing" && typeof undo !== "function") {
    throw new TripactError("invalid-plan", `The step ${name} does not say its undo.`, { where: name, hint: 'Give a function, or "nothing" where nothing has to be undone.' });
  }
  const guard = guardOf(options.unguarded);
  const common = { kind: "ask", timeoutMs: options.timeoutMs, lookup: options.unguarded } as const;
  return {
    name,
    offer: kind === "pivot" ? { kind, guard, ...(options.afterMs === undefined ? {} : { afterMs: options.afterMs }) } : { kind, guard, undo: undo === "nothing" ? "nothing" : "closure" },
    inputHash: NO_INPUT,
    code(op) {
      if (op === "action") return { ...common, ask: (context) => answerOf(() => action(branchOf(context))) };
      if (op !== "compensate" || typeof undo !== "function") return undefined;
      return { ...common, ask: (context) => answerOf(() => undo(branchOf(context), copyOf(context.forwardResult))) };
    },
  };
}

function called(host: DriverHost, name: string, kind: "step" | "pivot" | "tcc", participant: Participant, input: unknown, expiresAfterMs?: number): Ask {
  if ((kind === "tcc") !== (participant.kind === "tcc")) {
    throw new TripactError("invalid-plan", `The participant of ${name} is of kind ${participant.kind}.`, { where: name, hint: "tx.tcc takes try/confirm/cancel, tx.step and tx.pivot take action/compensate." });
  }
  const payload = JSON.parse(encodeInput(input, `input of ${name}`, host.payloadBytesMax)) as Json;
  const target: { readonly target?: Target } = participant.target === undefined ? {} : { target: { participant: participant.target, payload } };
  const { guard } = participant;
  const code: BranchCode = { kind: "participant", participant, payload };
  return {
    name,
    offer:
      kind === "tcc"
        ? { kind, guard, ...target, ...(expiresAfterMs === undefined ? {} : { expiresAfterMs }) }
        : kind === "pivot"
          ? { kind, guard, ...target }
          : { kind, guard, undo: participant.target === undefined ? "closure" : "target", ...target },
    inputHash: fingerprint(payload),
    code: () => code,
  };
}

function local(host: DriverHost, name: string, action: (db: SqlExecutor, branch: BranchContext) => unknown, options: SqlOptions<unknown>): Ask {
  if (!host.canSql) {
    throw new TripactError("not-supported", "This store has no local SQL: tx.sql needs the journal in the business's own database.", { where: name });
  }
  checkDuration(options.timeoutMs, "timeoutMs", name);
  const { undo, timeoutMs } = options;
  return {
    name,
    offer: { kind: "sql", undo: undo === "nothing" ? "nothing" : "closure" },
    inputHash: NO_INPUT,
    code(op) {
      if (op === "action") return { kind: "sql", timeoutMs, run: async (db, context) => await action(db, branchOf(context)) };
      if (op !== "compensate" || undo === "nothing") return undefined;
      return {
        kind: "sql",
        timeoutMs,
        run: async (db, context) => {
          await undo(db, copyOf(context.forwardResult));
        },
      };
    },
  };
}

async function answerOf(run: () => unknown): Promise<Answer> {
  try {
    const result = await run();
    return result === undefined ? { kind: "done" } : { kind: "done", result: result as Json };
  } catch (error) {
    return answerFromThrown(error);
  }
}

function guardOf(unguarded: Lookup | undefined): Guard {
  return unguarded === undefined ? "barrier" : "unguarded";
}

function branchOf(context: OpContext): BranchContext {
  const { gid, branch, op, key, attempt, epoch, notAfterMs, signal, traceparent } = context;
  return {
    gid,
    branch,
    op,
    key,
    attempt,
    epoch,
    notAfterMs,
    signal,
    headers: () => ({
      "idempotency-key": encodeURIComponent(key),
      "tripact-gid": encodeURIComponent(gid),
      "tripact-branch": encodeURIComponent(branch),
      "tripact-op": op,
      "tripact-epoch": String(epoch),
      "tripact-attempt": String(attempt),
      "tripact-not-after": String(notAfterMs),
      ...(traceparent === undefined ? {} : { traceparent }),
    }),
  };
}

export function checkText(value: unknown, what: string): string {
  if (typeof value === "string" && value.length > 0 && value.length <= 255) return value;
  throw new TripactError("invalid-input", `A message's ${what} is a string of 1 to 255 characters.`);
}

function checkHeaders(headers: unknown): { readonly [name: string]: string } {
  if (typeof headers === "object" && headers !== null && Object.values(headers).every((value) => typeof value === "string")) return { ...headers };
  throw new TripactError("invalid-input", "A message's headers are strings by name.");
}
