/** A step's side of a choreography: an event comes, the local transaction runs behind the barrier, and its answer leaves with it. */
import { postgresBarrier } from "../participants/barrier/barrier.ts";
import { checkLimit, DEFAULT_CALL_LIFE_MS } from "../participants/barrier/retention.ts";
import { recordedOf } from "../participants/barrier/rows.ts";
import { send } from "../participants/outbox.ts";
import type { SendOptions } from "../participants/outbox.ts";
import type { StepShape } from "../protocol/choreography/decision.ts";
import { TripactError } from "../protocol/errors.ts";
import { branchKey } from "../protocol/ids.ts";
import type { Json } from "../protocol/json.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import { messageOf, readEvent, topicOf } from "./event.ts";
import type { Facts, SagaEvent } from "./event.ts";
import { another, handling } from "./handling.ts";
import type { EventHandler } from "./handling.ts";
import { arrive, deleteJoins } from "./join.ts";

export interface ParticipantOptions {
  /** How the answering event is sent: durability, size. */
  readonly sending?: SendOptions;
  /**
   * An event that begins a step is passed over when it is older: by then its saga has met its deadline, or will. Default, and most: 24 h,
   * the life of a call. Barrier rows are kept twice that long after the end, and no late event may outlive them; so where a barrier of
   * this database has a shorter `callLifeMs`, this is to be no longer.
   */
  readonly eventLifeMs?: number;
  /** This process's wall clock, in Unix milliseconds. */
  readonly nowMs?: () => number;
}

/** What a step's functions are given, before the definition types it. */
export interface RawAction extends Facts {
  readonly gid: string;
  readonly step: string;
  readonly key: string;
}
export interface RawUndo {
  readonly gid: string;
  readonly step: string;
  readonly key: string;
  readonly input: Json;
  readonly result: Json | undefined;
}

export interface RawSteps {
  readonly action: (db: SqlExecutor, asked: RawAction) => Promise<unknown>;
  readonly compensate: (db: SqlExecutor, asked: RawUndo) => Promise<unknown>;
}

export interface ParticipantHandler extends EventHandler {
  /** Deletes up to `limit` (1,000) rows of joins that are older than twice `eventLifeMs`. Barrier rows: `barrier.prune`. Returns how many went. */
  prune(db: SqlExecutor, limit?: number): Promise<number>;
}

export function participantOf(definition: string, step: StepShape, code: RawSteps, options: ParticipantOptions = {}): ParticipantHandler {
  const barrier = postgresBarrier();
  const { sending, eventLifeMs = DEFAULT_CALL_LIFE_MS, nowMs = Date.now } = options;
  if (!(eventLifeMs > 0 && eventLifeMs <= DEFAULT_CALL_LIFE_MS)) {
    throw new TripactError("invalid-option", `eventLifeMs is ${eventLifeMs}.`, { where: "eventLifeMs", hint: `Milliseconds above 0, at most ${DEFAULT_CALL_LIFE_MS}.` });
  }
  const answer = (db: SqlExecutor, gid: string, event: SagaEvent) => send(db, messageOf(definition, gid, event), sending);

  async function act(db: SqlExecutor, gid: string, facts: Facts): Promise<void> {
    const asked = { gid, step: step.name, key: branchKey(gid, step.name), ...facts };
    // The facts, not what the definition makes of them: a repeat after a release is still the same question.
    const call = { gid, branch: step.name, op: "action" as const, payload: { input: facts.input, results: facts.results } };
    const given = await barrier.run(db, call, async () => (await code.action(another(db), asked)) as Json | undefined);
    // A repeat's answer left with the first one's commit, and what the barrier bars was answered by the undo.
    if (given.how !== "ran") return;
    if (given.kind === "refused") {
      const details = given.details === undefined ? {} : { details: given.details };
      await answer(db, gid, { kind: "refused", step: step.name, code: given.code, ...details });
      return;
    }
    const own = given.result === undefined ? {} : { [step.name]: given.result };
    await answer(db, gid, { kind: "done", step: step.name, input: facts.input, results: { ...facts.results, ...own } });
  }

  async function undo(db: SqlExecutor, gid: string, input: Json): Promise<void> {
    const call = { gid, branch: step.name, op: "compensate" as const };
    const given = await barrier.run(db, call, async () => {
      const result = (await recordedOf(db, call)).forward?.result ?? null;
      const asked = { gid, step: step.name, key: branchKey(gid, step.name), input, result: result === null ? undefined : (JSON.parse(result) as Json) };
      await code.compensate(another(db), asked);
    });
    // An undo that found nothing looks the same when it comes again, and says so again; the initiator takes `undone` once.
    if (given.how === "ran" || given.how === "empty") await answer(db, gid, { kind: "undone", step: step.name });
  }

  const handle = async (db: SqlExecutor, envelope: Parameters<EventHandler>[1]): Promise<void> => {
    const { gid, event } = readEvent(definition, envelope);
    await handling(db, `${definition}.${step.name} [${gid} ${event.kind}]`, async (own) => {
      if (event.kind === "committed" || event.kind === "rolled-back") {
        await barrier.forget(own, [gid]);
      } else if (event.kind === "undo" && event.step === step.name) {
        await undo(own, gid, event.input);
      } else if (begins(step, event) && nowMs() - envelope.recordedAtMs <= eventLifeMs) {
        const facts = await factsOf(own, gid, step, event);
        if (facts !== undefined) await act(own, gid, facts);
      }
    });
  };
  return Object.assign(handle, {
    topics: topicsOf(definition, step),
    prune: (db: SqlExecutor, limit = 1_000) => deleteJoins(db, 2 * eventLifeMs, checkLimit(limit)),
  });
}

type Beginning = Extract<SagaEvent, { kind: "started" | "done" }>;

function begins(step: StepShape, event: SagaEvent): event is Beginning {
  if (event.kind === "started") return step.after.length === 0;
  return event.kind === "done" && step.after.includes(event.step);
}

/** Everything that the step waits for, or nothing while some of it is missing. */
async function factsOf(db: SqlExecutor, gid: string, step: StepShape, event: Beginning): Promise<Facts | undefined> {
  const facts = { input: event.input, results: event.results };
  if (event.kind === "started" || step.after.length === 1) return facts;
  return arrive(db, { gid, step: step.name, after: step.after }, event.step, facts);
}

function topicsOf(definition: string, step: StepShape): readonly string[] {
  const begun = step.after.length === 0 ? [topicOf(definition, { kind: "started" })] : step.after.map((name) => topicOf(definition, { kind: "done", step: name }));
  const ends = (["committed", "rolled-back"] as const).map((kind) => topicOf(definition, { kind }));
  return [...begun, topicOf(definition, { kind: "undo", step: step.name }), ...ends];
}
