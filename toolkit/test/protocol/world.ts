import { hasEnded, pivotDone, UNBORN, type Branch, type Transaction, type TransactionEvent } from "../../src/protocol/transaction.ts";
import type { decide, Effect } from "../../src/protocol/decide.ts";
import type { evolve } from "../../src/protocol/evolve.ts";
import type { Op } from "../../src/protocol/outcome.ts";
import { Participant } from "./participant.ts";
import { drive, type Script } from "./script.ts";

/** The two functions under test; the broken variants bring their own. */
export interface Protocol {
  readonly evolve: typeof evolve;
  readonly decide: typeof decide;
}

export interface Entry {
  readonly event: TransactionEvent;
  readonly atMs: number;
  readonly before: Transaction;
  readonly after: Transaction;
}

export interface Attempt {
  readonly branch: string;
  readonly op: Op;
  /** How long the journal was when the call went out. */
  readonly journalLength: number;
}

/** Everything that happened in one random life of one transaction. */
export interface Run {
  readonly script: Script;
  readonly journal: readonly Entry[];
  readonly calls: readonly Attempt[];
  readonly participants: ReadonlyMap<string, Participant>;
  readonly final: Transaction;
  readonly nowMs: number;
}

export const EXPIRY_MARGIN_MS = 20;
const ATTEMPTS_MAX = 3;
const MISCHIEF_EVERY = 6;
const BETWEEN_CANCELS = 10;

type Ending = "done" | "refused" | "lost on the way" | "answer lost" | "late" | "pending" | "paused";
type Move = () => void;

/**
 * A pure world around the protocol: a coordinator that may crash at any step, participants that answer in any order, twice, late or
 * never, an impatient caller, a clock that jumps. `tape` makes every choice; when it has run out, everybody behaves.
 */
export function live(protocol: Protocol, script: Script, tape: readonly number[]): Run {
  return new World(protocol, script, tape).run();
}

class World {
  readonly #protocol: Protocol;
  readonly #script: Script;
  readonly #tape: readonly number[];
  readonly #journal: Entry[] = [];
  readonly #calls: Attempt[] = [];
  readonly #participants: ReadonlyMap<string, Participant>;
  #state: Transaction = UNBORN;
  #nowMs = 0;
  #inFlight: Attempt[] = [];
  /** Calls that nobody waits for any more, and that may still arrive. */
  #wire: Attempt[] = [];
  #choices = 0;
  #epoch = 1;

  constructor(protocol: Protocol, script: Script, tape: readonly number[]) {
    this.#protocol = protocol;
    this.#script = script;
    this.#tape = tape;
    this.#participants = new Map(script.groups.flat().map(({ name, offer }) => [name, new Participant(offer)]));
  }

  run(): Run {
    const { deadlineMs } = this.#script;
    this.#append({ kind: "started", ...(deadlineMs === undefined ? {} : { deadlineMs }) });
    const stepsMax = 4 * this.#tape.length + 60 * (this.#participants.size + 2);
    for (let steps = 0; !hasEnded(this.#state); steps += 1) {
      if (steps > stepsMax) throw new Error(`everything ends: still ${this.#state.kind} after ${steps} steps`);
      const { cancelsAt } = this.#script;
      if (steps === cancelsAt || steps - BETWEEN_CANCELS === cancelsAt) this.#cancel();
      this.#step();
    }
    for (const attempt of this.#wire) this.#execute(attempt);
    return { script: this.#script, journal: this.#journal, calls: this.#calls, participants: this.#participants, final: this.#state, nowMs: this.#nowMs };
  }

  #step(): void {
    const effects = this.#protocol.decide(this.#state, this.#nowMs, { expiryMarginMs: EXPIRY_MARGIN_MS });
    const append = effects.find((effect) => effect.kind === "append");
    if (append !== undefined) return this.#append(append.event);
    const progress = this.#progress(effects);
    const mischief = this.#mischief();
    const moves = this.#pick(MISCHIEF_EVERY) === MISCHIEF_EVERY - 1 ? mischief : progress;
    const move = moves[this.#pick(moves.length)];
    if (move === undefined) throw new Error(`everything ends: nothing to do in ${JSON.stringify(this.#state)}`);
    move();
  }

  /** What brings the transaction on; the first of them always does. */
  #progress(effects: readonly Effect[]): Move[] {
    const answers = this.#inFlight.map((attempt) => () => this.#answer(attempt));
    const sends = effects.flatMap((effect) => (effect.kind === "call" && this.#mayCall(effect) ? [() => this.#send(effect.branch.name, effect.op)] : []));
    const state = this.#state;
    const asked = state.kind === "forward" && effects.some((effect) => effect.kind === "drive") ? drive(this.#script, state) : [];
    const drives = asked.length === 0 ? [] : [() => asked.forEach((event) => this.#append(event))];
    const parked = "branches" in state ? state.branches.filter((branch) => branch.phase.kind === "parked") : [];
    const operator = parked.map((branch) => () => this.#askPerson(branch));
    const later = effects
      .flatMap((effect) => (effect.kind === "call" ? [effect.notBeforeMs] : effect.kind === "wait" ? [effect.untilMs] : []))
      .filter((atMs) => atMs > this.#nowMs);
    const wait = later.length === 0 ? [] : [() => void (this.#nowMs = Math.min(...later))];
    return [...answers, ...sends, ...drives, ...operator, ...wait];
  }

  #mischief(): Move[] {
    return [() => this.#crash(), () => void (this.#nowMs += 40), ...this.#wire.map((attempt) => () => this.#arrive(attempt))];
  }

  #mayCall(effect: Extract<Effect, { kind: "call" }>): boolean {
    return effect.notBeforeMs <= this.#nowMs && !this.#inFlight.some(({ branch }) => branch === effect.branch.name);
  }

  #send(branch: string, op: Op): void {
    // An unguarded participant is only undone when every earlier call was answered or is past its hard timeout (note 28).
    const undoes = op === "cancel" || op === "compensate";
    if (undoes && !this.#participant(branch).guarded) this.#drain(branch);
    const attempt = { branch, op, journalLength: this.#journal.length };
    this.#calls.push(attempt);
    this.#inFlight.push(attempt);
  }

  #answer(attempt: Attempt): void {
    const { branch, op } = attempt;
    this.#inFlight = this.#inFlight.filter((it) => it !== attempt);
    const endings = this.#endings(attempt);
    switch (endings[this.#pick(endings.length)] ?? "done") {
      case "done":
        return this.#settle(attempt, true);
      case "refused":
        return this.#settle(attempt, false);
      case "lost on the way":
        return this.#unknown(attempt);
      case "answer lost":
        this.#execute(attempt);
        return this.#unknown(attempt);
      case "late":
        this.#wire.push(attempt);
        return this.#unknown(attempt);
      case "pending":
        return this.#append({ kind: "pending", branch, op, retryAfterMs: 15 });
      case "paused":
        return this.#append({ kind: "parked", branch, reason: "paused", detail: "look at this" });
    }
  }

  #endings({ branch, op }: Attempt): readonly Ending[] {
    // A local SQL step commits with its event, so it is never in doubt.
    if (branch.startsWith("sql")) return ["done", "refused", "lost on the way"].filter((it) => it !== "refused" || this.#mayRefuse(op)) as Ending[];
    const endings: readonly Ending[] = ["done", "refused", "lost on the way", "answer lost", "late", "pending", "paused"];
    return endings.filter((it) => it !== "refused" || this.#mayRefuse(op));
  }

  #mayRefuse(op: Op): boolean {
    return (op === "action" || op === "try") && "branches" in this.#state && !pivotDone(this.#state.branches);
  }

  #settle(attempt: Attempt, willing: boolean): void {
    const { branch, op } = attempt;
    const outcome = this.#participant(branch).execute(op, willing);
    this.#append(outcome === "done" ? { kind: "done", branch, op, result: `${branch} ${op}` } : { kind: "refused", branch, op, code: "no" });
  }

  #unknown({ branch, op }: Attempt): void {
    const attempts = "branches" in this.#state ? (this.#state.branches.find((it) => it.name === branch)?.attempts ?? 0) : 0;
    this.#append({ kind: "attempted", branch, op, code: "timeout", error: "no answer", retryAfterMs: 10, spent: attempts + 1 >= ATTEMPTS_MAX });
  }

  /** A person looks at the participant itself before saying what happened. */
  #askPerson(branch: Branch): void {
    const person = { kind: "operator-decided", branch: branch.name, who: "ann", why: "looked" } as const;
    if (branch.phase.kind !== "parked" || branch.phase.reason !== "pivot-in-doubt") return this.#append({ ...person, verdict: "retry" });
    this.#drain(branch.name);
    this.#append({ ...person, verdict: this.#participant(branch.name).applied ? "done" : "refused" });
  }

  #cancel(): void {
    this.#append({ kind: "roll-back-requested", reason: { kind: "cancelled", by: "caller" } });
  }

  /** The process dies: what it waited for goes on without it, and the next owner knows only the journal. */
  #crash(): void {
    this.#wire.push(...this.#inFlight.filter(({ branch }) => !branch.startsWith("sql")));
    this.#inFlight = [];
    this.#state = this.#journal.reduce<Transaction>((state, { event, atMs }) => this.#protocol.evolve(state, event, atMs), UNBORN);
    this.#epoch += 1;
    this.#append({ kind: "recovered", by: `node-${this.#epoch}`, epoch: this.#epoch });
  }

  #append(event: TransactionEvent): void {
    const before = this.#state;
    this.#state = this.#protocol.evolve(before, event, this.#nowMs);
    this.#journal.push({ event, atMs: this.#nowMs, before, after: this.#state });
    // With the decision, calls of the forward phase are aborted: they may arrive all the same.
    if (event.kind !== "decided") return;
    this.#wire.push(...this.#inFlight.filter(({ branch }) => !branch.startsWith("sql")));
    this.#inFlight = [];
  }

  #drain(branch: string): void {
    for (const attempt of this.#wire.filter((it) => it.branch === branch)) this.#arrive(attempt);
  }

  #arrive(attempt: Attempt): void {
    this.#wire = this.#wire.filter((it) => it !== attempt);
    this.#execute(attempt);
  }

  #execute(attempt: Attempt): void {
    this.#participant(attempt.branch).execute(attempt.op, true);
  }

  #participant(branch: string): Participant {
    const participant = this.#participants.get(branch);
    if (participant === undefined) throw new Error(`a call of ${branch}, which is not in the script`);
    return participant;
  }

  /** The next choice of the tape; 0 when there is nothing to choose, or no tape left. */
  #pick(options: number): number {
    if (options < 2) return 0;
    const choice = this.#tape[this.#choices] ?? 0;
    this.#choices += 1;
    return choice % options;
  }
}
