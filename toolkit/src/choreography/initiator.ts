/**
 * The initiator's side of a choreography: the service that starts a saga owns its one decision. Outcomes of steps, a deadline, a cancel
 * are events to one row in its own database; it alone publishes `undo`, one after the other, and what became of the whole.
 */
import { guarded, misuse } from "../participants/guard.ts";
import { checkLimit, DEFAULT_CALL_LIFE_MS } from "../participants/barrier/retention.ts";
import type { SendOptions } from "../participants/outbox.ts";
import { resultsOf, settle } from "../protocol/choreography/decision.ts";
import type { Choreographed, ChoreographedEvent, StepShape, UndoReason } from "../protocol/choreography/decision.ts";
import { ConflictingGid, NeverStarted, TripactError } from "../protocol/errors.ts";
import { checkGid } from "../protocol/ids.ts";
import { encodeInput, fingerprint } from "../protocol/json.ts";
import type { Json } from "../protocol/json.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import { readEvent, topicOf } from "./event.ts";
import type { Results, SagaEvent } from "./event.ts";
import { handling } from "./handling.ts";
import type { EventHandler } from "./handling.ts";
import { deleteEnded, insertNeverStarted, insertStarted, lockOverdue, lockRow, postpone, readRow } from "./rows.ts";
import { hasStarted, lockOwn, publish, take } from "./turn.ts";
import type { RawHooks, Side } from "./turn.ts";

export interface InitiatorOptions {
  /** How events are sent: durability, size. */
  readonly sending?: SendOptions;
}

/** Where a saga stands. Only what is decided can be told for good; `open` with a `reason` is decided and being undone. */
export type ChoreographyOutcome<R = Results> =
  | { readonly kind: "open"; readonly phase: "forward" }
  | { readonly kind: "open"; readonly phase: "rolling-back"; readonly reason: UndoReason }
  | { readonly kind: "committed"; readonly results: R }
  | { readonly kind: "rolled-back"; readonly reason: UndoReason }
  /** It never will: whoever starts it now is refused. */
  | { readonly kind: "never-started" };

export interface Swept {
  /** Sagas that met their deadline now. */
  readonly reached: number;
  /** Sagas whose callback threw: they are as they were, and come again in half a minute. */
  readonly failed: readonly { readonly gid: string; readonly error: unknown }[];
}

export interface RawInitiator {
  readonly topics: readonly string[];
  start(db: SqlExecutor, gid: string, input: unknown): Promise<{ readonly gid: string; readonly attached: boolean }>;
  cancel(db: SqlExecutor, gid: string, by?: string): Promise<ChoreographyOutcome>;
  readonly handle: EventHandler;
  sweep(db: SqlExecutor, limit?: number): Promise<Swept>;
  outcome(db: SqlExecutor, gid: string): Promise<ChoreographyOutcome>;
  prune(db: SqlExecutor, options?: { readonly olderThanMs?: number; readonly limit?: number }): Promise<number>;
}

export interface Defined {
  readonly name: string;
  readonly deadlineMs: number;
  readonly steps: readonly StepShape[];
}

const FAILED_AGAIN_MS = 30_000;
const DEFAULT_KEEP_MS = 90 * DEFAULT_CALL_LIFE_MS;

export function initiatorOf(defined: Defined, hooks: RawHooks, { sending }: InitiatorOptions = {}): RawInitiator {
  const { name } = defined;
  const side: Side = { name, hooks, sending };
  // That a step is done which another one waits for is proven by that one's event.
  const isLast = (step: string): boolean => defined.steps.every(({ after }) => !after.includes(step));
  const topics = defined.steps.flatMap(({ name: step }) => (["done", "refused", "undone"] as const).filter((kind) => kind !== "done" || isLast(step)).map((kind) => topicOf(name, { kind, step })));

  const guardedly = <T>(db: SqlExecutor, what: string, body: (own: SqlExecutor) => Promise<T>): Promise<T> =>
    handling(db, `${name}.${what}`, (own) => guarded(own, `${name}.${what}`, () => body(own)));

  const handle = async (db: SqlExecutor, envelope: Parameters<EventHandler>[1]): Promise<void> => {
    const { gid, event } = readEvent(name, envelope);
    if (event.kind !== "done" && event.kind !== "refused" && event.kind !== "undone") return;
    await guardedly(db, `handle [${gid} ${event.step} ${event.kind}]`, async (own) => {
      const row = await lockOwn(own, name, gid);
      if (row === undefined) {
        throw new TripactError("unknown-transaction", "A step answered for a saga that this database does not know.", {
          where: gid,
          hint: "Its row was pruned, or lost: was this database restored from a backup?",
        });
      }
      await take(own, side, gid, row, reported(event));
    });
  };

  return {
    topics,
    handle: Object.assign(handle, { topics }),
    start: (db, gid, input) => guardedly(db, `start [${checkGid(gid)}]`, (own) => begin(own, defined, side, gid, input)),
    cancel: (db, gid, by = "a caller") =>
      guardedly(db, `cancel [${checkGid(gid)}]`, async (own) => {
        await insertNeverStarted(own, gid, name);
        const row = await lockOwn(own, name, gid);
        if (row === undefined) throw vanished(gid);
        return outcomeOf(await take(own, side, gid, row, { kind: "cancel-requested", by }));
      }),
    sweep: (db, limit = 100) =>
      handling(db, `${name}.sweep`, (own) => sweep(own, side, checkLimit(limit))),
    async outcome(db, gid) {
      checkGid(gid);
      // Asked first: a look at a saga that goes on neither writes nor waits.
      let row = await readRow(db, gid);
      if (row === undefined) {
        await insertNeverStarted(db, gid, name);
        row = await readRow(db, gid);
      }
      if (row === undefined) throw vanished(gid);
      if (row.definition !== name) throw new ConflictingGid(gid, "the definition");
      return outcomeOf(row.state);
    },
    async prune(db, { olderThanMs = DEFAULT_KEEP_MS, limit = 1_000 } = {}) {
      return deleteEnded(db, name, checkKeep(olderThanMs), checkLimit(limit));
    },
  };
}

/** One saga after the other, each under a savepoint: one that fails does not hold up the rest. */
async function sweep(db: SqlExecutor, side: Side, limit: number): Promise<Swept> {
  const gids = await lockOverdue(db, side.name, limit);
  const failed: { gid: string; error: unknown }[] = [];
  for (const gid of gids) {
    try {
      await guarded(db, `${side.name}.sweep [${gid}]`, async () => {
        const row = await lockOwn(db, side.name, gid);
        if (row !== undefined) await take(db, side, gid, row, { kind: "deadline-reached" });
      });
    } catch (error) {
      failed.push({ gid, error });
      await postpone(db, gid, FAILED_AGAIN_MS);
    }
  }
  return { reached: gids.length - failed.length, failed };
}

async function begin(
  db: SqlExecutor,
  { name, deadlineMs, steps }: Defined,
  side: Side,
  gid: string,
  given: unknown,
): Promise<{ readonly gid: string; readonly attached: boolean }> {
  const input = encodeInput(given, `${name}, input`);
  const decoded = JSON.parse(input) as Json;
  const inputHash = fingerprint(decoded);
  const settled = settle({ kind: "unborn" }, { kind: "started", steps });
  if (hasStarted(settled.state) && (await insertStarted(db, { gid, definition: name, input, inputHash, deadlineMs }, settled.state))) {
    await publish(db, side, gid, decoded, settled);
    return { gid, attached: false };
  }
  const row = await lockRow(db, gid);
  if (row === undefined) throw vanished(gid);
  if (row.state.kind === "never-started") throw new NeverStarted(gid);
  if (row.definition !== name) throw new ConflictingGid(gid, "the definition");
  if (row.inputHash !== inputHash) throw new ConflictingGid(gid, "the input");
  return { gid, attached: true };
}

/** What a step's event says to the initiator. */
function reported(event: Extract<SagaEvent, { kind: "done" | "refused" | "undone" }>): ChoreographedEvent {
  if (event.kind !== "done") return event;
  const result = event.results[event.step];
  return { kind: "done", step: event.step, ...(result === undefined ? {} : { result }), led: event.results };
}

function outcomeOf(state: Choreographed): ChoreographyOutcome {
  switch (state.kind) {
    case "forward":
      return { kind: "open", phase: "forward" };
    case "rolling-back":
      return { kind: "open", phase: "rolling-back", reason: state.reason };
    case "committed":
      return { kind: "committed", results: resultsOf(state.steps) };
    case "rolled-back":
      return { kind: "rolled-back", reason: state.reason };
    case "never-started":
    case "unborn":
      return { kind: "never-started" };
  }
}

/** A late event of an ended saga must still find its row. */
function checkKeep(olderThanMs: number): number {
  const least = 2 * DEFAULT_CALL_LIFE_MS;
  if (Number.isFinite(olderThanMs) && olderThanMs >= least) return olderThanMs;
  throw new TripactError("invalid-option", `olderThanMs is ${olderThanMs}.`, { where: "olderThanMs", hint: `At least ${least}.` });
}

function vanished(gid: string): TripactError {
  return misuse(`The row of ${gid} is neither there nor can it be written`, "Begin the transaction at read committed; rows go by prune alone.");
}
