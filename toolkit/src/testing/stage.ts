import { Pause, Pending, Refused, type Answer } from "../protocol/outcome.ts";
import type { Saga } from "../flow/saga.ts";
import type { TuningOptions } from "../runtime/options.ts";
import { MemoryDatabase, type MemoryRow } from "../stores/memory/database.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import { createTripact, type Tripact } from "../tripact.ts";
import type { Lookup, Participant } from "../transports/participant.ts";
import { scriptFor, type Asked, type Given } from "./answers.ts";
import type { Effect } from "./effects.ts";
import { ForeignAwaits } from "./foreign-await.ts";
import { NO_DATABASE } from "./memory-sql.ts";
import { ModelBarrier } from "./model-barrier.ts";
import { interposed, mortalParticipant, mortalStore, type Interposed, type Reach } from "./ports.ts";
import type { Process } from "./virtual/process.ts";
import { Random } from "./virtual/random.ts";
import { World } from "./virtual/world.ts";

/** What a test of a saga may bring along. */
export interface StageOptions {
  /** Participants that are reached by name; those that the flow itself passes to a step are known without this. */
  readonly participants?: readonly Participant[];
  /** Answers in the place of a branch's own code. */
  readonly given?: Given;
  /** For `tx.sql` steps that have no answer in `given`. Nothing of it is rolled back. */
  readonly sql?: SqlExecutor;
  /**
   * `model` (default): the kit puts a model of the barrier around every participant that is declared to have one, and counts effects
   * there. `yours`: every call reaches your code, repetitions too, and you count.
   */
  readonly barrier?: "model" | "yours";
  readonly tuning?: TuningOptions;
  /** Virtual time after which a transaction that has not come to rest counts as stuck. Default: one hour. */
  readonly restWithinMs?: number;
  /** Real time that a participant's own code may take for one answer, while virtual time stands still. Default: 2,000. */
  readonly realWaitMs?: number;
}

const TUNING: TuningOptions = { probeEveryMs: 100, attachPollMs: 200 };

/** One memory database in virtual time, and coordinators on it that come and go. */
export class Stage<In, Out> {
  readonly world: World;
  readonly database: MemoryDatabase;
  /** Every call that reached a branch's code or script: `pay.try`. */
  readonly calls: string[] = [];
  readonly #options: StageOptions;
  readonly #saga: Saga<In, Out>;
  readonly #foreign: ForeignAwaits;
  readonly #barrier: ModelBarrier;
  readonly #sqlEffects: Effect[] = [];
  readonly #met = new Map<string, Participant>();
  #working = 0;
  #workingSinceMs = 0;

  constructor(saga: Saga<In, Out>, options: StageOptions) {
    this.#saga = saga;
    this.#options = options;
    this.world = new World(new Random(1));
    this.database = new MemoryDatabase(() => this.world.nowMs);
    this.#barrier = new ModelBarrier(this.world);
    this.#foreign = new ForeignAwaits(saga.definition);
    for (const participant of options.participants ?? []) this.#meet(participant);
    this.world.mayMove = () => this.#mayMove();
  }

  get effects(): readonly Effect[] {
    return [...this.#barrier.effects, ...this.#sqlEffects];
  }

  /** A coordinator as a new process. */
  boot(process: Process, reach: Reach): Promise<Tripact> {
    const between: Interposed = {
      call: (asked, guard, code) => this.#call(asked, guard === "barrier", code),
      sql: (asked, code) => this.#sql(asked, code),
      lookup: (branch, lookup) => this.#lookup(branch, lookup),
    };
    const store = mortalStore({
      process,
      database: this.database,
      reach,
      db: this.#options.sql ?? NO_DATABASE,
      onSql: (gid, { branch, op }) => this.#sqlEffects.push({ gid, branch, op, atMs: this.world.nowMs }),
    });
    const watched = this.#foreign.watch(this.#saga, () => process.dead);
    return createTripact({
      ...TUNING,
      ...this.#options.tuning,
      store,
      clock: process.clock,
      nodeName: process.name,
      definitions: [interposed(watched, process, reach, between, (participant) => this.#meet(participant))],
      resolveParticipant: (target) => {
        const participant = this.#met.get(target);
        return participant === undefined ? undefined : mortalParticipant(participant, process, reach, between);
      },
    });
  }

  /** Lets virtual time pass until `enough`, which is told whether the transaction has ended or waits for a person. False: not within `restWithinMs`. */
  async until(gid: string, enough: (atRest: boolean) => boolean): Promise<boolean> {
    const { restWithinMs = 3_600_000 } = this.#options;
    this.#foreign.start();
    try {
      return await this.world.run(() => enough(isAtRest(this.database.transactions.get(gid))), this.world.nowMs + restWithinMs);
    } finally {
      this.#foreign.stop();
    }
  }

  #meet(participant: Participant): void {
    if (participant.target !== undefined) this.#met.set(participant.target, participant);
  }

  async #call(asked: Asked, guarded: boolean, code: () => Promise<Answer>): Promise<Answer> {
    const { given = {}, barrier = "model" } = this.#options;
    this.calls.push(`${asked.branch}.${asked.op}`);
    const script = scriptFor(given, asked.branch, asked.op);
    if (script !== undefined) return await this.#barrier.run(asked, async () => await script(asked));
    const run = (): Promise<Answer> => this.#work(code);
    return guarded && barrier === "model" ? await this.#barrier.run(asked, run) : await run();
  }

  async #sql(asked: Asked, code: () => Promise<unknown>): Promise<unknown> {
    this.calls.push(`${asked.branch}.${asked.op}`);
    const script = scriptFor(this.#options.given ?? {}, asked.branch, asked.op);
    return script === undefined ? await this.#work(code) : resultOf(await script(asked));
  }

  #lookup(branch: string, lookup: Lookup): Lookup {
    if (this.#options.given?.[branch] === undefined) return lookup;
    return { ...lookup, ask: (key) => Promise.resolve(this.#barrier.holds(key)) };
  }

  /** The user's own code may do real I/O: time stands still for it, but not for ever. */
  async #work<T>(code: () => Promise<T>): Promise<T> {
    if (this.#working === 0) this.#workingSinceMs = performance.now();
    this.#working += 1;
    try {
      return await code();
    } finally {
      this.#working -= 1;
    }
  }

  #mayMove(): boolean {
    this.#foreign.check();
    return this.#working === 0 || performance.now() - this.#workingSinceMs > (this.#options.realWaitMs ?? 2_000);
  }
}

function isAtRest(row: MemoryRow | undefined): boolean {
  return row !== undefined && (row.summary.ended || row.summary.parked !== undefined);
}

function resultOf(answer: Answer): unknown {
  switch (answer.kind) {
    case "done":
      return answer.result;
    case "refused":
      throw new Refused(answer.code, answer.details);
    case "pending":
      throw new Pending({ retryAfterMs: answer.retryAfterMs });
    case "pause":
      throw new Pause(answer.reason);
    case "unknown":
      throw new Error(answer.error);
    case "key-reused":
      throw new Error(answer.detail);
  }
}
