import { checkedSteps } from "../protocol/choreography/decision.ts";
import type { StepShape, UndoReason } from "../protocol/choreography/decision.ts";
import { TripactError } from "../protocol/errors.ts";
import { checkBranch } from "../protocol/ids.ts";
import type { Json, Jsonable } from "../protocol/json.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import type { Results } from "./event.ts";
import type { EventHandler } from "./handling.ts";
import { initiatorOf } from "./initiator.ts";
import type { ChoreographyOutcome, InitiatorOptions, Swept } from "./initiator.ts";
import type { RawHooks } from "./turn.ts";
import { participantOf } from "./participant.ts";
import type { ParticipantHandler, ParticipantOptions, RawSteps } from "./participant.ts";
import { trackerOf } from "./tracker.ts";
import type { Tracker } from "./tracker.ts";

/** The type of something that travels as JSON; at run time it is nothing. */
export interface Shape<T> {
  readonly shapeOf?: (value: T) => T;
}

/** `json<Hold>()` says what an input or a result is. What JSON would not bring back as it went does not compile. */
export function json<T>(..._: [T] extends [Jsonable<T>] ? [] : ["this type does not survive JSON"]): Shape<T> {
  return {};
}

/** What the compiler knows of a step. `sees`: the steps whose results have come when it begins. */
export interface StepTypes {
  readonly payload: unknown;
  readonly result: unknown;
  readonly sees: string;
}

export type ResultsOf<Steps, Names = keyof Steps> = {
  readonly [Name in Names & keyof Steps]: Steps[Name] extends { readonly result: infer Result } ? Result : never;
};
type Sees<Steps, Names extends keyof Steps> = Names | { [Name in Names]: Steps[Name] extends { readonly sees: infer Seen } ? Seen : never }[Names];
type Chained<Last extends string> = [Last] extends [never] ? readonly [] : readonly [Last];

export interface StepOptions<Input, Steps, After extends readonly (keyof Steps & string)[], Payload, Result> {
  /** The steps whose `done` it waits for, all of them. Default: the step before it, a chain. `[]`: it begins with the saga. */
  readonly after?: After;
  /** What its action is given, from the input and the results that led here. Runs where the step runs, and must be pure. Default: the input. */
  readonly payload?: (input: Input, results: ResultsOf<Steps, Sees<Steps, After[number]>>) => Payload;
  /** What its action returns, for everybody after it. Default: nothing. */
  readonly result?: Shape<Result>;
}

export interface Asked<Input, Payload, Known> {
  readonly gid: string;
  readonly step: string;
  /** `gid/step`: the idempotency key, for whatever lies outside of this database. */
  readonly key: string;
  readonly payload: Payload;
  readonly input: Input;
  readonly results: Known;
}

export interface AskedToUndo<Input, Result> {
  readonly gid: string;
  readonly step: string;
  readonly key: string;
  readonly input: Input;
  /** What the action returned: read from the barrier's row, so it is always known here. */
  readonly result: Result;
}

export interface StepCode<Input, Payload, Known, Result> {
  /** The business write. `throw new Refused(code)` is the no that rolls the saga back; anything else thrown: rolled back, it comes again. */
  readonly action: (db: SqlExecutor, asked: Asked<Input, Payload, Known>) => Promise<Result>;
  /** Undoes what the action did; called only if it did it. May not refuse. */
  readonly compensate: "nothing" | ((db: SqlExecutor, asked: AskedToUndo<Input, Result>) => Promise<void>);
}

/** The initiator's own writes, in the commit of what they tell of. When one throws, that commit does not happen, and comes again. */
export interface InitiatorHooks<Input, Known> {
  /** Decided: everything is done, and stays. */
  readonly committed: (db: SqlExecutor, saga: { readonly gid: string; readonly input: Input; readonly results: Known }) => Promise<void>;
  /** Decided: it will be undone. */
  readonly rollingBack?: (db: SqlExecutor, saga: { readonly gid: string; readonly input: Input; readonly reason: UndoReason }) => Promise<void>;
  /** Everything that may have happened is undone. */
  readonly rolledBack: (db: SqlExecutor, saga: { readonly gid: string; readonly input: Input; readonly reason: UndoReason }) => Promise<void>;
}

/** Every method takes the caller's own open transaction (read committed), and has happened when the caller commits. */
export interface Initiator<Input, Known> {
  readonly topics: readonly string[];
  /**
   * Begins a saga, in one commit with whatever else `db` does. The same gid and input again: attached to the first. Throws
   * `conflicting-gid` for another input, `never-started` if somebody was told so, `invalid-input`.
   */
  start(db: SqlExecutor, gid: string, input: Input): Promise<{ readonly gid: string; readonly attached: boolean }>;
  /** A request for roll back; the answer says who won. An unknown gid becomes `never-started`. */
  cancel(db: SqlExecutor, gid: string, by?: string): Promise<ChoreographyOutcome<Known>>;
  readonly handle: EventHandler;
  /** Lets up to `limit` (100) undecided sagas meet their deadline. Any instance, any number of them, whenever it likes: every second. */
  sweep(db: SqlExecutor, limit?: number): Promise<Swept>;
  /** An unknown gid becomes `never-started`: commit, and it is true. */
  outcome(db: SqlExecutor, gid: string): Promise<ChoreographyOutcome<Known>>;
  /** Deletes up to `limit` (1,000) sagas that ended `olderThanMs` ago (90 days; at least 2). Afterwards their gids are free again. */
  prune(db: SqlExecutor, options?: { readonly olderThanMs?: number; readonly limit?: number }): Promise<number>;
}

type TypesOf<Steps, Name extends keyof Steps, Key extends keyof StepTypes> = Steps[Name] extends StepTypes ? Steps[Name][Key] : never;
type SeenBy<Steps, Name extends keyof Steps> = ResultsOf<Steps, TypesOf<Steps, Name, "sees">>;

/** A choreography that every side of it shares. Immutable: `step` gives a longer one. */
export interface Choreography<Input, Steps = unknown, Last extends string = never> {
  readonly name: string;
  readonly deadlineMs: number;
  /** The steps as data, in an order in which they could run. */
  readonly steps: readonly StepShape[];

  step<
    const Name extends string,
    const After extends readonly (keyof Steps & string)[] = Chained<Last> extends readonly (keyof Steps & string)[] ? Chained<Last> : never,
    Payload = Input,
    Result = undefined,
  >(
    name: Name & (Name extends keyof Steps ? never : unknown),
    options?: StepOptions<Input, Steps, After, Payload, Result>,
  ): Choreography<
    Input,
    Steps & { readonly [_ in Name]: { readonly payload: Payload; readonly result: Result; readonly sees: Sees<Steps, After[number]> & string } },
    Name
  >;

  /** For the service that does this step: what it runs for each event that comes. */
  participant<Name extends keyof Steps & string>(
    name: Name,
    code: StepCode<Input, TypesOf<Steps, Name, "payload">, SeenBy<Steps, Name>, TypesOf<Steps, Name, "result">>,
    options?: ParticipantOptions,
  ): ParticipantHandler;

  /** For the service that starts it, and decides. */
  initiator(hooks: InitiatorHooks<Input, ResultsOf<Steps>>, options?: InitiatorOptions): Initiator<Input, ResultsOf<Steps>>;

  /** For whoever wants to see it: folds events into a timeline, and acts on nothing. */
  tracker(): Tracker;
}

export interface ChoreographyOptions<Input> {
  readonly input: Shape<Input>;
  /** From the start on, by the initiator's database. Whatever is undecided then is rolled back. */
  readonly deadlineMs: number;
}

/**
 *     const purchase = choreography("purchase", { input: json<Order>(), deadlineMs: 30_000 })
 *       .step("reserve", { result: json<Hold>() })
 *       .step("charge", { payload: (order, { reserve }) => ({ buyer: order.buyer, cents: reserve.cents }) });
 */
export function choreography<Input>(name: string, { deadlineMs }: ChoreographyOptions<Input>): Choreography<Input> {
  checkTopicPart(name, "choreography");
  if (!(Number.isFinite(deadlineMs) && deadlineMs > 0)) {
    throw new TripactError("invalid-option", `deadlineMs is ${deadlineMs}.`, { where: name, hint: "Milliseconds above 0: without a deadline a lost service would hold a saga open for ever." });
  }
  return defined(name, deadlineMs, [], new Map()) as Choreography<Input>;
}

type PayloadOf = (input: Json, results: Results) => unknown;

/** Untyped inside: `Choreography` is what the compiler holds callers to. */
function defined(name: string, deadlineMs: number, steps: readonly StepShape[], payloads: ReadonlyMap<string, PayloadOf>): unknown {
  return {
    name,
    deadlineMs,
    steps,
    step(step: string, { after = steps.slice(-1).map((last) => last.name), payload = (input) => input }: { after?: readonly string[]; payload?: PayloadOf } = {}) {
      checkTopicPart(checkBranch(step), "step");
      return defined(name, deadlineMs, checkedSteps([...steps, { name: step, after }]), new Map(payloads).set(step, payload));
    },
    participant(step: string, { action, compensate }: StepCode<Json, unknown, Results, unknown>, options?: ParticipantOptions) {
      const shape = steps.find((known) => known.name === step);
      const payload = payloads.get(step);
      if (shape === undefined || payload === undefined) throw new TripactError("invalid-option", `${name} has no step ${step}.`, { where: step });
      const code: RawSteps = {
        action: (db, asked) => action(db, { ...asked, payload: payload(asked.input, asked.results) }),
        compensate: async (db, asked) => (compensate === "nothing" ? undefined : compensate(db, asked)),
      };
      return participantOf(name, shape, code, options);
    },
    initiator: (hooks: RawHooks, options?: InitiatorOptions) => initiatorOf({ name, deadlineMs, steps: checkedSteps(steps) }, hooks, options),
    tracker: () => trackerOf({ name, deadlineMs, steps }),
  };
}

/** Names become parts of topics; a dot in a step's name would blur them. */
function checkTopicPart(part: string, what: "choreography" | "step"): void {
  const allowed = what === "step" ? /^[\w-]{1,64}$/ : /^[\w-]+(\.[\w-]+)*$/;
  if (allowed.test(part) && part.length <= 128) return;
  throw new TripactError("invalid-option", `"${part}" cannot name a ${what}.`, { where: part, hint: "Letters, digits, _ and -; a choreography's name may have dots." });
}
