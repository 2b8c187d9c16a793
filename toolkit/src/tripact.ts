import { ConflictingGid, NeverStarted, textOf, TripactError } from "./protocol/errors.ts";
import { checkPlan } from "./protocol/check-plan.ts";
import { checkBranch, checkGid, traceparentIn } from "./protocol/ids.ts";
import { encodeInput, fingerprint, type Json, type Jsonable } from "./protocol/json.ts";
import type { Plan, PlanBranch } from "./protocol/plan.ts";
import type { EventOf, Verdict } from "./protocol/transaction.ts";
import type { Saga } from "./flow/saga.ts";
import { systemClock, uuidV7, type Clock } from "./runtime/clock.ts";
import { Coordinator } from "./runtime/coordinator.ts";
import { Directory } from "./runtime/calls/directory.ts";
import type { Runnable } from "./runtime/driver.ts";
import { PLAN_DEFINITION } from "./runtime/engine.ts";
import { checkLetter, type Completion, type Letter } from "./runtime/letters.ts";
import { compareIdentity, openingOf, type Identity } from "./runtime/live.ts";
import type { Notice, Notify } from "./runtime/notices.ts";
import { checkDuration, tune, type Tuning, type TuningOptions } from "./runtime/options.ts";
import type { TransactionOutcome } from "./runtime/outcome.ts";
import type { SqlEnd } from "./runtime/ownership/begun.ts";
import type { SqlExecutor } from "./stores/sql.ts";
import { LIST_STATES, type Counts, type JournalHeader, type ListQuery, type Store, type StoreHealth } from "./stores/store.ts";
import type { Participant } from "./transports/participant.ts";

export interface TripactOptions extends TuningOptions {
  readonly store: Store;
  /** The flows that this node runs. It takes over only what it can run. */
  readonly definitions?: readonly Runnable[];
  /** Participants that plans, and recoveries, reach by name. */
  readonly participants?: readonly Participant[];
  /** Reaches further participants, by URL: see `httpParticipants` in `tripact/http`. */
  readonly resolveParticipant?: (target: string) => Participant | undefined;
  /** For people: who holds what, in `list` and in the console. */
  readonly nodeName?: string;
  /** Hears what an operator may want to know; safe to log. */
  readonly onNotice?: (notice: Notice) => void;
  /** Wait this long for a store that is down at start, instead of failing at once. */
  readonly waitForStoreMs?: number;
  readonly clock?: Clock;
}

export interface StartOptions {
  /** The promise's id, chosen by the caller: the same gid again attaches to the first. Made (UUIDv7) when absent. */
  readonly gid?: string;
  /** Roll back if nothing was decided after this time. */
  readonly deadlineMs?: number;
  /** W3C trace context, passed on to every participant; left out where it is none. */
  readonly traceparent?: string;
}

export interface Started {
  readonly gid: string;
  /** An earlier start of the same gid had the same input: this one joined it. */
  readonly attached: boolean;
}

export interface Health {
  readonly store: StoreHealth;
  readonly ready: boolean;
  /** Transactions that this node drives. */
  readonly open: number;
  readonly incarnation: string;
  readonly journal: Counts | undefined;
}

type Input<In> = In & Jsonable<In>;

export interface Tripact {
  /** Begins a transaction; resolves when it is durable. It will end, whatever happens to this process. */
  start<In, Out>(saga: Saga<In, Out>, input: Input<In>, options?: StartOptions): Promise<Started>;
  /**
   * Begins it inside the caller's own SQL transaction: it starts if, and only if, that commits. `waking(open, tripact)` of `tripact/outbox`
   * opens transactions whose end this node is told, and then drives it at once; in any other it is looked for a few times within the next 400 ms.
   */
  start<In, Out>(db: SqlExecutor, saga: Saga<In, Out>, input: Input<In>, options?: StartOptions): Promise<Started>;
  /** Begins it, or attaches, and waits for the end. */
  run<In, Out>(saga: Saga<In, Out>, input: Input<In>, options?: StartOptions): Promise<TransactionOutcome<Out>>;
  startPlan(plan: Plan, options?: StartOptions): Promise<Started>;
  runPlan(plan: Plan, options?: StartOptions): Promise<TransactionOutcome>;
  /** How it stands. To be told that a gid is unknown makes sure that it never starts. */
  outcome(gid: string): Promise<TransactionOutcome>;
  /** For a participant whose reservation has expired: rolls back if nothing was decided yet, and tells the decision. */
  outcome(gid: string, expired: { readonly expiredBranch: string }): Promise<TransactionOutcome>;
  /** Asks for roll back. Resolves when the transaction is decided: who won stands in the answer. */
  cancel(gid: string, by?: string): Promise<TransactionOutcome>;
  /**
   * Brings the answer that a pending branch waits for; resolves when it is journaled. Twice is harmless. With `definition` it refuses a
   * gid that names another definition's transaction (`conflicting-gid`).
   */
  complete(gid: string, branch: string, outcome: Completion, options?: { readonly definition?: string }): Promise<void>;
  /** Waits until it is decided, or waits for a person, and says how it stands then. To be told that a gid is unknown makes sure that it never starts. */
  decided(gid: string): Promise<TransactionOutcome>;
  /** A person's decision on a branch (or, without one, on the transaction as a whole). Recorded with who and why. */
  decide(gid: string, branch: string | undefined, verdict: Verdict, reason: string, options?: { readonly who?: string; readonly result?: Json }): Promise<void>;
  /** Asks a pending or waiting branch again at once. */
  nudge(gid: string, branch?: string): Promise<void>;
  list(query?: Partial<ListQuery>): Promise<readonly JournalHeader[]>;
  health(): Promise<Health>;
  /** A transaction that began inside another one was committed: it is looked for at once. Returns at once, never throws. */
  wake(): void;
  /**
   * For whoever opens SQL transactions (`waking` does it): what is started in this one is this node's from its insert on. Returns what is to be
   * called, once, when it has ended; where nobody knows how, with `unknown`.
   */
  follow(db: SqlExecutor): (end: SqlEnd) => void;
  /** Joined, and no recovery backlog: send work here. */
  ready(): boolean;
  /** Deletes what retention no longer asks for, in bounded batches. Returns how many transactions were touched. */
  prune(limit?: number): Promise<number>;
  /** Takes no new work, lets calls in flight end, hands the rest over, closes the store. Twice without harm. */
  stop(): Promise<void>;
}

/** Starts a coordinator in this process. */
export async function createTripact(options: TripactOptions): Promise<Tripact> {
  const tuning = tune(tuningOf(options));
  const clock = options.clock ?? systemClock;
  const notify = hearing(options.onNotice);
  const directory = new Directory({
    definitions: [...(options.definitions ?? []), PLANS],
    participants: options.participants ?? [],
    ...(options.resolveParticipant === undefined ? {} : { resolve: options.resolveParticipant }),
  });
  checkDuration(options.waitForStoreMs, "waitForStoreMs", "createTripact");
  await connect(options.store, clock, options.waitForStoreMs ?? 0, notify);
  const coordinator = new Coordinator({ store: options.store, directory, clock, tuning, notify, nodeName: options.nodeName ?? "tripact" });
  try {
    await coordinator.begin();
  } catch (error) {
    await coordinator.stop();
    await options.store.close();
    throw error;
  }
  return new Door(options.store, coordinator, directory, clock, tuning);
}

/** Every node can drive plans: they are data. */
const PLANS: Runnable = {
  definition: PLAN_DEFINITION,
  version: "1",
  defaults: {},
  drive: () => {
    throw new TripactError("unknown-definition", "A plan is driven by its data, not by code.");
  },
};

class Door implements Tripact {
  readonly #store: Store;
  readonly #coordinator: Coordinator;
  readonly #directory: Directory;
  readonly #clock: Clock;
  readonly #tuning: Tuning;

  constructor(store: Store, coordinator: Coordinator, directory: Directory, clock: Clock, tuning: Tuning) {
    this.#store = store;
    this.#coordinator = coordinator;
    this.#directory = directory;
    this.#clock = clock;
    this.#tuning = tuning;
  }

  async start(first: SqlExecutor | Runnable, second: unknown, third?: unknown, fourth?: StartOptions): Promise<Started> {
    if ("execute" in first) {
      const { identity, started } = this.#prepare(second as Runnable, third, fourth ?? {});
      return await this.#startIn(first, identity, started);
    }
    const { identity, started } = this.#prepare(first, second, third ?? {});
    return { gid: identity.gid, ...(await this.#coordinator.start(identity, started)) };
  }

  async run<In, Out>(saga: Saga<In, Out>, input: Input<In>, options: StartOptions = {}): Promise<TransactionOutcome<Out>> {
    const { gid } = await this.start(saga, input, options);
    // The journal holds the flow's own result: its type is the flow's.
    return (await this.#coordinator.end(gid)) as TransactionOutcome<Out>;
  }

  async startPlan(plan: Plan, options: StartOptions = {}): Promise<Started> {
    // The canonical text is the plan's identity, and a bounded one; what it says is driven, whatever the caller's objects do.
    const text = encodeInput(checkPlan(plan), "plan", this.#tuning.payloadBytesMax);
    const checked = this.#guarded(checkPlan(JSON.parse(text)));
    for (const item of checked.groups.flat()) if ("participant" in item) this.#checkParticipant(item);
    const gid = checkGid(options.gid ?? uuidV7(this.#clock));
    const identity = { gid, definition: PLAN_DEFINITION, version: "1", inputHash: fingerprint(JSON.parse(text) as Json), input: null };
    return { gid, ...(await this.#coordinator.start(identity, { ...startedOf(options, undefined), plan: checked })) };
  }

  async runPlan(plan: Plan, options: StartOptions = {}): Promise<TransactionOutcome> {
    const { gid } = await this.startPlan(plan, options);
    return await this.#coordinator.end(gid);
  }

  async outcome(gid: string, expired?: { readonly expiredBranch: string }): Promise<TransactionOutcome> {
    checkGid(gid);
    const outcome = await this.#coordinator.look(gid);
    if (outcome === undefined) {
      // To answer "no" is to make it so. If a start won the race, there is an outcome now.
      await this.#coordinator.send(gid, { kind: "nudge" });
      return (await this.#coordinator.look(gid)) ?? { kind: "never-started", gid };
    }
    if (expired === undefined || outcome.kind !== "open" || outcome.phase !== "forward") return outcome;
    await this.#send(gid, { kind: "expired", branch: expired.expiredBranch });
    return await this.#coordinator.decided(gid);
  }

  async cancel(gid: string, by = "caller"): Promise<TransactionOutcome> {
    await this.#send(gid, { kind: "cancel", by });
    return await this.#coordinator.decided(gid);
  }

  async complete(gid: string, branch: string, outcome: Completion, { definition }: { readonly definition?: string } = {}): Promise<void> {
    const letter = checkLetter({ kind: "complete", branch: checkBranch(branch), outcome }, this.#tuning.payloadBytesMax);
    const found = definition === undefined ? undefined : await this.#coordinator.definitionOf(checkGid(gid));
    // A tombstone has no definition.
    if (found !== undefined && found !== "" && found !== definition) throw new ConflictingGid(gid, "definition");
    this.#known(gid, await this.#coordinator.send(checkGid(gid), letter));
  }

  async decided(gid: string): Promise<TransactionOutcome> {
    const outcome = await this.outcome(gid);
    return outcome.kind === "open" && outcome.phase === "forward" ? await this.#coordinator.decided(gid, "settled") : outcome;
  }

  async decide(gid: string, branch: string | undefined, verdict: Verdict, why: string, options: { readonly who?: string; readonly result?: Json } = {}): Promise<void> {
    const { who = "operator", result } = options;
    const letter = { kind: "decide" as const, verdict, who, why, ...(branch === undefined ? {} : { branch }), ...(result === undefined ? {} : { result }) };
    this.#known(gid, await this.#send(gid, letter));
  }

  async nudge(gid: string, branch?: string): Promise<void> {
    this.#known(gid, await this.#send(gid, branch === undefined ? { kind: "nudge" } : { kind: "nudge", branch }));
  }

  async list(query: Partial<ListQuery> = {}): Promise<readonly JournalHeader[]> {
    return await this.#store.journal.list(checkQuery({ limit: 100, ...query }));
  }

  async health(): Promise<Health> {
    const store = this.#store.health();
    const journal = store.state === "up" ? await this.#store.journal.counts().catch(() => undefined) : undefined;
    return { store, ready: this.ready(), open: this.#coordinator.open, incarnation: this.#coordinator.incarnation, journal };
  }

  ready(): boolean {
    return this.#coordinator.ready() && this.#store.health().state === "up";
  }

  wake(): void {
    this.#coordinator.begun.wake();
  }

  follow(db: SqlExecutor): (end: SqlEnd) => void {
    return this.#coordinator.begun.follow(db);
  }

  async prune(limit = 1_000): Promise<number> {
    const { entriesMs, headersMs } = this.#tuning.retention;
    return await this.#store.journal.prune({ entriesMs, headersMs, limit });
  }

  async stop(): Promise<void> {
    await this.#coordinator.stop();
    await this.#store.close();
  }

  #prepare(runnable: Runnable, input: unknown, options: StartOptions): { readonly identity: Identity; readonly started: EventOf<"started"> } {
    const { definition, version, defaults } = runnable;
    if (this.#directory.definition(definition, version) === undefined) {
      throw new TripactError("unknown-definition", `This node does not run ${definition} version ${version}.`, { hint: "Give it to createTripact in `definitions`." });
    }
    const gid = checkGid(options.gid ?? uuidV7(this.#clock));
    const value = JSON.parse(encodeInput(input ?? null, "input", this.#tuning.payloadBytesMax)) as Json;
    runnable.check?.(value, this.#tuning.payloadBytesMax);
    return { identity: { gid, definition, version, inputHash: fingerprint(value), input: value }, started: startedOf(options, defaults.deadlineMs) };
  }

  async #startIn(db: SqlExecutor, identity: Identity, started: EventOf<"started">): Promise<Started> {
    if (this.#store.localSql === undefined) throw new TripactError("not-supported", "This store cannot start a transaction inside a SQL transaction.");
    const { begun } = this.#coordinator;
    const { live, write } = openingOf(identity, started, this.#clock.nowMs());
    const owner = begun.ownerIn(db);
    const inserted = begun.starting(db, live, owner);
    const verdict = await this.#store.localSql.startIn(db, write, owner).catch((error: unknown) => {
      inserted("unknown");
      throw error;
    });
    inserted(verdict === "started" ? "started" : "not-started");
    if (verdict === "never-started") throw new NeverStarted(identity.gid);
    if (verdict === "started") return { gid: identity.gid, attached: false };
    compareIdentity(verdict, identity);
    return { gid: identity.gid, attached: true };
  }

  #checkParticipant({ kind, name, participant }: Extract<PlanBranch, { participant: string }>): void {
    if (this.#directory.participant(participant) === undefined) {
      throw new TripactError("unknown-participant", `This node cannot reach ${participant}.`, { where: name, hint: "Register it, or allow its host." });
    }
    const offers = this.#directory.kindOf(participant);
    if (offers === undefined || (offers === "tcc") === (kind === "tcc")) return;
    const hint = offers === "tcc" ? "It serves try, confirm and cancel: say tcc." : "It serves action and compensate: say step or pivot.";
    throw new TripactError("invalid-plan", `${participant} is no participant for a ${kind}.`, { where: name, hint });
  }

  /** A participant that has no barrier here has none, whatever a plan says of it or leaves out. */
  #guarded({ groups }: Plan): Plan {
    const guarded = (item: PlanBranch): PlanBranch =>
      "participant" in item && this.#directory.participant(item.participant)?.guard === "unguarded" ? { ...item, guard: "unguarded" } : item;
    return { groups: groups.map((group) => group.map(guarded)) };
  }

  async #send(gid: string, letter: Letter): Promise<"delivered" | "posted" | "ended" | "never-started"> {
    return await this.#coordinator.send(checkGid(gid), checkLetter(letter, this.#tuning.payloadBytesMax));
  }

  #known(gid: string, sent: "delivered" | "posted" | "ended" | "never-started"): void {
    if (sent === "never-started") throw new TripactError("unknown-transaction", "No transaction has this gid, and none will.", { where: gid });
  }
}

const LIST_MAX = 10_000;

/** A query may come from anywhere; what is in none of the lists would be answered with whatever the store makes of it. */
function checkQuery(query: ListQuery): ListQuery {
  const { state, limit, before, definition, gid } = query;
  if (state !== undefined && !LIST_STATES.includes(state)) throw new TripactError("invalid-option", `state is one of ${LIST_STATES.join(", ")}.`, { where: "state" });
  if (!Number.isInteger(limit) || limit < 1 || limit > LIST_MAX) throw new TripactError("invalid-option", `limit is a whole number from 1 to ${LIST_MAX}.`, { where: "limit" });
  for (const [where, text] of Object.entries({ definition, gid, "before.gid": before?.gid })) {
    if (text !== undefined && typeof text !== "string") throw new TripactError("invalid-option", `${where} is a text.`, { where });
  }
  if (before !== undefined && !(Number.isFinite(before.startedAtMs) && before.gid !== undefined)) {
    throw new TripactError("invalid-option", "before is the startedAtMs and the gid of a listed transaction.", { where: "before" });
  }
  return query;
}

function startedOf(options: StartOptions, defaultDeadlineMs: number | undefined): EventOf<"started"> {
  checkDuration(options.deadlineMs, "deadlineMs", "start");
  const deadlineMs = options.deadlineMs ?? defaultDeadlineMs;
  return {
    kind: "started",
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...traceparentIn(options.traceparent),
  };
}

/** An application's log, sync or async, must not stop its transactions. */
function hearing(onNotice: (notice: Notice) => unknown = () => undefined): Notify {
  return (notice) => {
    try {
      const heard = onNotice(notice);
      if (heard instanceof Promise) heard.catch(() => undefined);
    } catch {
      // Whatever it was, it is not ours to tell.
    }
  };
}

function tuningOf(options: TripactOptions): TuningOptions {
  const { store: _1, definitions: _2, participants: _3, resolveParticipant: _4, nodeName: _5, onNotice: _6, waitForStoreMs: _7, clock: _8, ...tuning } = options;
  return tuning;
}

/** Connects, or waits for a store that is down, as told. */
async function connect(store: Store, clock: Clock, waitMs: number, notify: Notify): Promise<void> {
  const untilMs = clock.nowMs() + waitMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await store.connect();
    } catch (error) {
      const pauseMs = Math.min(100 * 2 ** Math.min(attempt, 5), 2_000);
      const patient = error instanceof TripactError && error.code === "store-unreachable" && clock.nowMs() + pauseMs < untilMs;
      if (!patient) {
        await store.close();
        throw error;
      }
      notify({ kind: "store", error: textOf(error) });
      await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
    }
  }
}
