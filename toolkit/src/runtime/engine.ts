/**
 * Drives the transactions that this node owns: asks the protocol what should be going on (`decide`), journals what happened (group
 * commit), and starts the calls, but never before everything that they rest on is durable.
 */
import { textOf } from "../protocol/errors.ts";
import { decide, type Effect } from "../protocol/decide.ts";
import { drivePlan } from "../protocol/plan.ts";
import { askedOp, type Branch, type ParkReason, type Transaction, type TransactionEvent } from "../protocol/transaction.ts";
import { answerFromThrown, type Answer, type Op } from "../protocol/outcome.ts";
import type { Mail, Store, Verdict } from "../stores/store.ts";
import { ask, contextOf, eventOf, limitKey, undoUnguarded } from "./calls/asking.ts";
import type { Bulkhead } from "./calls/bulkhead.ts";
import { uuidV7, type Clock } from "./clock.ts";
import type { BranchCode, DriverHost, Runnable } from "./driver.ts";
import type { GroupCommit } from "./journal/group-commit.ts";
import { eventsOf, type Letter } from "./letters.ts";
import type { Flight, Live } from "./live.ts";
import { askSql } from "./calls/local-step.ts";
import { noticesOf } from "./journal/telling.ts";
import type { Notify } from "./notices.ts";
import type { Tuning } from "./options.ts";
import type { Directory } from "./calls/directory.ts";

const ROUNDS_MAX = 10_000;
const LOOK_AGAIN_MS = 5;

export interface EngineParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly tuning: Tuning;
  readonly directory: Directory;
  readonly bulkhead: Bulkhead;
  readonly commits: GroupCommit;
  readonly notify: Notify;
  /** Ours, and recently confirmed: without that, nothing is sent. */
  readonly mayCall: () => boolean;
  readonly owner: () => string;
  /** A plan asks for a participant that this node does not reach. */
  readonly onUnreachable: (live: Live, branch: string, participant: string) => void;
  readonly onVerdict: (live: Live, verdict: Verdict) => void;
  /** Decided and journaled, or ended and journaled. */
  readonly onDurable: (live: Live) => void;
}

export class Engine {
  readonly parts: EngineParts;

  constructor(parts: EngineParts) {
    this.parts = parts;
  }

  /** Does whatever this state asks for. Safe to call at any time, again and again. */
  step(live: Live): void {
    if (live.gone || live.held || live.stepping) return;
    live.stepping = true;
    try {
      for (let round = 0; ; round += 1) {
        if (round > ROUNDS_MAX) throw new Error(`${live.gid} does not come to rest`);
        const effects = decide(live.state, this.parts.clock.nowMs(), this.parts.tuning);
        if (!this.#advance(live, effects)) {
          this.#carryOut(live, effects);
          return;
        }
      }
    } catch (error) {
      this.parts.notify({ kind: "bug", where: `step of ${live.gid}`, error: textOf(error) });
    } finally {
      live.stepping = false;
    }
  }

  /** Something that happened to a transaction; waits while a local SQL step holds it. */
  receive(live: Live, happen: () => void): void {
    if (live.gone) return;
    if (live.held) live.deferred.push(() => this.receive(live, happen));
    else happen();
  }

  apply(live: Live, event: TransactionEvent, canWait = false): void {
    const before = live.state;
    live.apply(event, this.parts.clock.nowMs(), canWait);
    if (live.driver !== undefined) live.driver.heard(event);
    else if (live.identity.definition !== PLAN_DEFINITION) live.remember(event);
    if (event.kind === "decided") this.#decided(live);
    for (const notice of noticesOf(live.gid, before, event, live.state)) this.parts.notify(notice);
  }

  /** A letter from somebody who does not own the transaction. */
  deliver(live: Live, letter: Letter): void {
    this.receive(live, () => {
      this.#follow(live, letter);
      live.hurry();
      this.step(live);
    });
  }

  /** A letter that came by mail, for what may not be driven here any more. One that cannot be followed is told, and counts as read: it must not hold up what is behind it. */
  deliverMail(live: Live | undefined, { gid, n, body }: Mail): void {
    if (live === undefined) return;
    this.receive(live, () => {
      if (n <= live.mailSeen) return;
      try {
        this.#follow(live, JSON.parse(body) as Letter);
      } catch (error) {
        this.parts.notify({ kind: "bug", where: `letter ${n} of ${gid}`, error: textOf(error) });
      }
      live.readMail(n);
      this.step(live);
    });
  }

  #follow(live: Live, letter: Letter): void {
    for (const event of eventsOf(letter, live.state)) {
      // A verdict of a person ends what is in flight for that branch.
      if (event.kind === "operator-decided" && event.branch !== undefined) this.#callOff(live, event.branch);
      // A flow that has given up does not go on by itself: it runs again, from the journal.
      if (event.kind === "operator-decided" && event.branch === undefined && live.driver !== undefined) live.readAgain = true;
      this.apply(live, event);
    }
  }

  park(live: Live, reason: ParkReason, detail: string, branch?: string): void {
    this.apply(live, { kind: "parked", reason, detail, ...(branch === undefined ? {} : { branch }) });
    this.step(live);
  }

  /** Ends our part in it: nothing is called, written or waited for any more. */
  drop(live: Live, why: string): void {
    live.gone = true;
    live.cancelTimer?.();
    live.cancelJournaling?.();
    live.abortFlights();
    live.driver?.abandon(why);
    this.parts.commits.drop(live);
  }

  #advance(live: Live, effects: readonly Effect[]): boolean {
    const before = live.state;
    for (const effect of effects) {
      if (effect.kind === "append") {
        this.apply(live, effect.event);
        return true;
      }
      if (effect.kind === "drive") this.#drive(live);
    }
    return live.state !== before;
  }

  #drive(live: Live): void {
    const { state } = live;
    if (state.kind !== "forward") return;
    if (state.plan !== undefined) {
      for (const event of drivePlan(state.plan, state, () => uuidV7(this.parts.clock))) this.apply(live, event);
    } else {
      this.#beginDriver(live);
    }
  }

  #beginDriver(live: Live): void {
    if (live.driver !== undefined) return;
    const { definition, version, input } = live.identity;
    const runnable: Runnable | undefined = this.parts.directory.definition(definition, version);
    if (runnable === undefined) return;
    live.driver = runnable.drive(input, this.#host(live));
    const { past } = live;
    live.past = [];
    live.driver.begin(past);
  }

  #host(live: Live): DriverHost {
    const { clock, tuning, store } = this.parts;
    return {
      gid: live.gid,
      append: (event) =>
        this.receive(live, () => {
          if (live.state.kind !== "forward") return;
          this.apply(live, event);
          this.step(live);
        }),
      state: () => (live.state.kind === "forward" ? live.state : undefined),
      nowWallMs: () => clock.wallMs(),
      random: () => clock.random(),
      uuid: () => clock.uuid(),
      messageId: () => uuidV7(clock),
      turn: (then) =>
        clock.turn(() => {
          then();
          if (live.dirty && !live.waits) this.parts.commits.enqueue(live);
        }),
      payloadBytesMax: tuning.payloadBytesMax,
      canSql: store.localSql !== undefined,
    };
  }

  #carryOut(live: Live, effects: readonly Effect[]): void {
    if (live.dirty) this.#journal(live, effects);
    if (!live.durable) return;
    this.parts.onDurable(live);
    if (live.gone) return;
    if (live.readAgain) return this.parts.onVerdict(live, "reload");
    let wakeAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.parts.clock.nowMs();
    for (const effect of effects) {
      if (effect.kind === "wait") wakeAtMs = Math.min(wakeAtMs, effect.untilMs);
      if (effect.kind !== "call" || live.flights.has(effect.branch.name)) continue;
      if (effect.notBeforeMs > nowMs) wakeAtMs = Math.min(wakeAtMs, effect.notBeforeMs);
      else if (!this.#call(live, effect.branch, effect.op)) wakeAtMs = Math.min(wakeAtMs, nowMs + LOOK_AGAIN_MS);
      if (live.held) return;
    }
    this.#wakeAt(live, wakeAtMs);
  }

  /**
   * An answer from behind a barrier from which nothing follows yet, since others are still asked: it goes with what comes next. Until then a
   * crash forgets it, and the participant is asked again and says the same.
   */
  #journal(live: Live, effects: readonly Effect[]): void {
    const { clock, tuning, commits } = this.parts;
    const othersAreAsked = live.flights.size > 0 && effects.every((effect) => effect.kind !== "call" || live.flights.has(effect.branch.name));
    if (!othersAreAsked || !this.parts.mayCall()) live.hurry();
    if (!live.canWait) return commits.enqueue(live);
    live.cancelJournaling ??= clock.after(tuning.answerWaitsMs, () => {
      live.hurry();
      commits.enqueue(live);
    });
  }

  #wakeAt(live: Live, atMs: number): void {
    live.cancelTimer?.();
    live.cancelTimer = undefined;
    if (atMs === Number.POSITIVE_INFINITY) return;
    live.cancelTimer = this.parts.clock.after(Math.max(atMs - this.parts.clock.nowMs(), 0), () => this.step(live));
  }

  /** Starts a call. False: its code has not been reached yet, look again soon. */
  #call(live: Live, branch: Branch, op: Op): boolean {
    if (!this.parts.mayCall()) return true;
    const code = this.#codeOf(live, branch, op);
    if (code === undefined) return this.#unreached(live, branch);
    live.unreachableSinceMs = undefined;
    const flight: Flight = { op, controller: new AbortController() };
    const key = limitKey(code, live.identity.definition, branch);
    live.flights.set(branch.name, flight);
    this.parts.bulkhead.enter(key, () => {
      if (live.gone || live.flights.get(branch.name) !== flight) return this.parts.bulkhead.leave(key, "unused");
      // After a wait: the lease may be over, and the entry that a local step would write may be a flush's by now.
      if (!this.parts.mayCall() || (code.kind === "sql" && (live.held || !live.durable))) {
        live.flights.delete(branch.name);
        this.parts.bulkhead.leave(key, "unused");
        return this.receive(live, () => this.step(live));
      }
      this.#ask(live, branch, op, code, flight)
        .catch((error: unknown) => answerFromThrown(error))
        .then((answer) => {
          // One that was called off says nothing about its participant.
          const isWanted = live.flights.get(branch.name) === flight;
          this.parts.bulkhead.leave(key, answer?.kind !== "unknown" ? "answered" : isWanted ? "unknown" : "unused");
          if (answer !== undefined) this.#answered(live, branch.name, op, flight, answer);
        })
        .catch((error: unknown) => this.parts.notify({ kind: "bug", where: `call of ${live.gid}/${branch.name}`, error: textOf(error) }));
    });
    return true;
  }

  /** Undefined when the op has journaled its own end (local SQL). */
  async #ask(live: Live, branch: Branch, op: Op, code: BranchCode, flight: Flight): Promise<Answer | undefined> {
    const { clock, tuning } = this.parts;
    const context = contextOf({
      gid: live.gid,
      branch,
      op,
      epoch: live.epoch,
      wallMs: clock.wallMs(),
      callLifeMs: tuning.callLifeMs,
      traceparent: live.traceparent,
      signal: flight.controller.signal,
    });
    if (code.kind === "sql") return await askSql({ ...this.parts, step: (it) => this.step(it) }, live, branch, code, context, flight.controller);
    const undo = op === "compensate" || op === "cancel";
    return await (undo && !isGuarded(branch) ? undoUnguarded : ask)(code, context, tuning.opTimeoutMs, clock, flight.controller);
  }

  #answered(live: Live, name: string, op: Op, flight: Flight, answer: Answer): void {
    this.receive(live, () => {
      if (live.flights.get(name) !== flight) return;
      live.flights.delete(name);
      const branch = branchesOf(live.state).find((it) => it.name === name);
      const asked = branch !== undefined && (branch.phase.kind === "open" || branch.phase.kind === "closing") && askedOp(branch) === op;
      if (asked) {
        const { tuning, clock } = this.parts;
        const event = eventOf(answer, branch, op, tuning.retry, clock.random(), tuning.payloadBytesMax);
        if (event.kind !== "attempted" || !live.folds(event, clock.nowMs())) this.apply(live, event, event.kind === "done" && isGuarded(branch));
      }
      this.step(live);
    });
  }

  #codeOf(live: Live, branch: Branch, op: Op): BranchCode | undefined {
    const reached = live.driver?.code(branch.name, op);
    if (reached !== undefined) return reached;
    const target = "target" in branch.offer ? branch.offer.target : undefined;
    const participant = target === undefined ? undefined : this.parts.directory.participant(target.participant);
    if (target !== undefined && participant !== undefined) return { kind: "participant", participant, payload: target.payload };
    return undefined;
  }

  /** The code is a closure that only the flow can reach, run again. When it does not get there, a person has to look. */
  #unreached(live: Live, branch: Branch): boolean {
    const { clock, tuning } = this.parts;
    const planned = live.identity.definition === PLAN_DEFINITION;
    const target = "target" in branch.offer ? branch.offer.target : undefined;
    if (planned && target !== undefined) {
      // Not from within a step: others of its calls may still be on their way out.
      clock.turn(() => this.parts.onUnreachable(live, branch.name, target.participant));
      return true;
    }
    this.#beginDriver(live);
    if (live.state.kind === "forward" && live.state.halted !== undefined) return true;
    live.unreachableSinceMs ??= clock.nowMs();
    const waited = clock.nowMs() - live.unreachableSinceMs;
    // A replay that is through will not get any further; one that waits for something foreign gets the time of an op.
    const through = live.driver !== undefined && !live.driver.replaying && waited >= LOOK_AGAIN_MS;
    if (!through && waited < tuning.opTimeoutMs) return false;
    live.unreachableSinceMs = undefined;
    if (target === undefined) this.apply(live, { kind: "parked", branch: branch.name, reason: "undo-unreachable", detail: "the flow, run again, does not come to this branch" });
    else this.apply(live, { kind: "parked", branch: branch.name, reason: "unknown-participant", detail: `no participant ${target.participant} on this node` });
    clock.turn(() => this.step(live));
    if (live.dirty) this.parts.commits.enqueue(live);
    return true;
  }

  /** Once it is decided, what the forward phase still has in flight is not waited for, except where no barrier stands behind it. */
  #decided(live: Live): void {
    for (const branch of branchesOf(live.state)) {
      // Note 28: without a barrier the undo must not overtake the call: it waits for the answer, or for the call's hard timeout.
      if (isGuarded(branch)) this.#callOff(live, branch.name);
    }
    if (live.state.kind !== "committing" && live.state.kind !== "committed") live.driver?.abandon("the transaction rolls back");
  }

  #callOff(live: Live, branch: string): void {
    live.flights.get(branch)?.controller.abort();
    live.flights.delete(branch);
  }
}

/** The one definition of all plans. */
export const PLAN_DEFINITION = "plan";

function isGuarded({ offer }: Branch): boolean {
  return !("guard" in offer) || offer.guard === "barrier";
}

function branchesOf(state: Transaction): readonly Branch[] {
  return state.kind === "unborn" ? [] : state.branches;
}
