/**
 * One run of a flow: the user's async function against the journal. New branches are registered as the function asks for them; after
 * a crash the function runs again and gets the journaled results, in journal order and one a macrotask turn, exactly as it got them the
 * first time. So `Promise.all` and `Promise.race` take the same path in a replay as they took live.
 */
import { Abandoned, textOf, TripactError } from "../protocol/errors.ts";
import { checkBranch } from "../protocol/ids.ts";
import { copyOf, encodeResult, fingerprint, journaledDetails, type Json } from "../protocol/json.ts";
import { Pause, Refused, type Op } from "../protocol/outcome.ts";
import { isUnsettled, pivotDone, type EventOf, type Recorded, type TransactionEvent } from "../protocol/transaction.ts";
import type { BranchCode, Driver, DriverHost } from "../runtime/driver.ts";
import { makeTx, type Ask } from "./ask.ts";
import type { Tx } from "./tx.ts";

interface Waiting extends Ask {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

type Settlement = { readonly branch: string } & ({ readonly kind: "done"; readonly result: Json | undefined } | { readonly kind: "refused"; readonly code: string; readonly details: Json | undefined });

export class FlowRun implements Driver {
  readonly #flow: (tx: Tx) => Promise<unknown>;
  readonly #host: DriverHost;
  readonly #asked = new Map<string, Waiting>();
  /** Asked, but a pivot runs alone: registered when what is open has settled. */
  #queued: string[] = [];
  readonly #registered = new Map<string, EventOf<"registered">>();
  readonly #settlements: Settlement[] = [];
  readonly #pastRecorded: Recorded[] = [];
  readonly #pastEmitted: EventOf<"emitted">[] = [];
  /** Which branch a refusal came from, for the reason of a roll back. */
  readonly #refusals = new WeakMap<Refused, string>();
  #delivering = false;
  #returned = false;
  /** What the flow threw. A pivot that is still open overrules the roll back that it asks for. */
  #thrown: { readonly error: unknown } | undefined;
  /** What the flow has returned, while something that it asked for and did not wait for is still queued. */
  #commit: EventOf<"commit-requested"> | undefined;
  #over = false;

  constructor(flow: (tx: Tx) => Promise<unknown>, host: DriverHost) {
    this.#flow = flow;
    this.#host = host;
  }

  get settling(): boolean {
    return this.#delivering && !this.#over;
  }

  /** With every result delivered, the flow may still wait for something of its own: only its end says that it comes no further. */
  get replaying(): boolean {
    return !this.#over && !this.#returned && this.#thrown === undefined;
  }

  begin(past: readonly TransactionEvent[]): void {
    for (const [index, event] of past.entries()) {
      if (event.kind === "registered") this.#registered.set(event.branch, event);
      else if (event.kind === "recorded") this.#pastRecorded.push(event);
      else if (event.kind === "emitted") this.#pastEmitted.push(event);
      else if (!isOverruled(event, past.slice(index + 1))) this.heard(event);
    }
    const tx = makeTx(this.#host, {
      ask: (ask) => this.#ask(ask),
      emit: (topic, key, payload, headers) => this.#emit(topic, key, payload, headers),
      record: (source) => this.#record(source),
    });
    // Called in this turn: what the flow asks first joins the flush of its start.
    this.#run(tx).catch(() => undefined);
  }

  heard(event: TransactionEvent): void {
    const settlement = settlementOf(event);
    if (settlement === undefined || this.#over || this.#isParked(event)) return;
    if (this.#thrown !== undefined) return this.#threw(this.#thrown.error);
    // Said at once: a turn later the commit that the flow has asked for would be decided.
    if (this.#returned && settlement.kind === "refused") return this.#leftAlone(settlement);
    this.#settlements.push(settlement);
    this.#deliverNext();
  }

  code(branch: string, op: Op): BranchCode | undefined {
    return this.#asked.get(branch)?.code(op);
  }

  abandon(why: string): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#returned) return;
    const error = new Abandoned(this.#host.gid, why);
    for (const waiting of this.#asked.values()) waiting.reject(error);
  }

  /** One settlement a turn: the flow reacts to it (microtasks) before the next arrives. */
  #deliverNext(): void {
    if (this.#delivering || this.#settlements.length === 0) return;
    this.#delivering = true;
    this.#host.turn(() => {
      this.#delivering = false;
      const next = this.#settlements[0];
      if (next === undefined || this.#over) return;
      const waiting = this.#asked.get(next.branch);
      // A replay that has not asked for this branch yet: delivery goes on when it does.
      if (waiting === undefined) return;
      this.#settlements.shift();
      this.#settle(waiting, next);
      this.#registerQueued();
      this.#requestCommit();
      this.#deliverNext();
    });
  }

  #settle(waiting: Waiting, settlement: Settlement): void {
    if (settlement.kind === "done") return waiting.resolve(copyOf(settlement.result));
    const refused = new Refused(settlement.code, copyOf(settlement.details));
    this.#refusals.set(refused, settlement.branch);
    waiting.reject(refused);
  }

  #ask(ask: Ask): Promise<unknown> {
    if (this.#over) return Promise.reject(new Abandoned(this.#host.gid, "the transaction was decided"));
    const name = checkBranch(ask.name);
    if (this.#asked.has(name)) {
      throw new TripactError("invalid-plan", `A second step is named ${name}.`, { where: this.#host.gid, hint: "Give each step of a transaction its own name." });
    }
    const promise = new Promise<unknown>((resolve, reject) => this.#asked.set(name, { ...ask, resolve, reject }));
    // A flow may leave a step's promise alone; its rejection must not end the process.
    promise.catch(() => undefined);
    const journaled = this.#registered.get(name);
    if (journaled !== undefined) {
      this.#compare(ask, journaled);
      this.#deliverNext();
    } else {
      this.#queued.push(name);
      this.#registerQueued();
    }
    return promise;
  }

  /** Registers what was asked for, in order, as far as the pivot's rule allows. */
  #registerQueued(): void {
    while (!this.#over) {
      const ask = this.#asked.get(this.#queued[0] ?? "");
      const state = this.#host.state();
      if (ask === undefined || state === undefined) return;
      const open = state.branches.filter(isUnsettled);
      if (ask.offer.kind === "pivot" ? open.length > 0 : open.some((branch) => branch.offer.kind === "pivot")) return;
      this.#queued.shift();
      this.#register(ask);
    }
  }

  #register(ask: Waiting): void {
    const missing = this.#firstNotAsked();
    if (missing !== undefined) return this.#changed(`the flow asks for ${ask.name} before ${missing}, which is journaled`);
    if (this.#pastEmitted.length > 0) return this.#changed(`the flow asks for ${ask.name} before it emits to ${this.#pastEmitted[0]?.topic ?? ""}, which is journaled`);
    const state = this.#host.state();
    if (state !== undefined && pivotDone(state.branches) && (ask.offer.kind === "tcc" || ask.offer.kind === "pivot")) {
      const error = new TripactError("invalid-plan", `After the pivot there is neither a try nor another pivot: ${ask.name}.`, { where: this.#host.gid });
      // A flow that has returned cannot hear of it any more.
      return this.#returned ? this.#threw(error) : ask.reject(error);
    }
    const event: EventOf<"registered"> = { kind: "registered", branch: ask.name, offer: ask.offer, inputHash: ask.inputHash };
    this.#registered.set(ask.name, event);
    this.#host.append(event);
  }

  #compare(ask: Ask, journaled: EventOf<"registered">): void {
    if (journaled.offer.kind !== ask.offer.kind) {
      this.#changed(`${ask.name} was a ${journaled.offer.kind}, the flow asks for a ${ask.offer.kind}`);
    } else if (journaled.inputHash !== ask.inputHash) {
      this.#changed(`${ask.name} is asked for with another input`);
    }
  }

  #firstNotAsked(): string | undefined {
    for (const name of this.#registered.keys()) if (!this.#asked.has(name)) return name;
    return undefined;
  }

  #record(source: Recorded["source"]): number | string {
    const past = this.#pastRecorded.shift();
    if (past !== undefined) {
      if (past.source !== source) this.#changed(`the flow takes ${source} where ${past.source} is journaled`);
      return past.value;
    }
    const value = source === "now" ? this.#host.nowWallMs() : source === "uuid" ? this.#host.uuid() : this.#host.random();
    if (!this.#over) this.#host.append({ kind: "recorded", source, value });
    return value;
  }

  #emit(topic: string, key: string, payload: Json, headers: { readonly [name: string]: string }): void {
    if (this.#over) throw new Abandoned(this.#host.gid, "the transaction was decided");
    const past = this.#pastEmitted.shift();
    if (past === undefined) return this.#host.append({ kind: "emitted", id: this.#host.messageId(), topic, key, payload, headers });
    if (past.topic !== topic || past.key !== key || fingerprint(past.payload) !== fingerprint(payload)) {
      this.#changed(`the flow emits ${topic}/${key} where ${past.topic}/${past.key} is journaled`);
    }
  }

  async #run(tx: Tx): Promise<void> {
    try {
      const result = await this.#flow(tx);
      this.#end(result);
    } catch (error) {
      this.#threw(error);
    }
  }

  #end(value: unknown): void {
    if (this.#over) return;
    this.#returned = true;
    const refused = this.#settlements.find((settlement) => settlement.kind === "refused");
    if (refused !== undefined) return this.#leftAlone(refused);
    const missing = this.#firstNotAsked();
    if (missing !== undefined) return this.#changed(`the flow returns without ${missing}, which is journaled`);
    const text = encodeResult(value, "the flow's result", this.#host.payloadBytesMax);
    // The round trip makes live and replayed results the same value.
    this.#commit = text === undefined ? { kind: "commit-requested" } : { kind: "commit-requested", result: JSON.parse(text) as Json };
    this.#requestCommit();
  }

  /** What was asked for is part of the transaction, waited for or not: a pivot that is still queued would be left out in silence. */
  #requestCommit(): void {
    if (this.#commit === undefined || this.#queued.length > 0 || this.#over || this.#thrown !== undefined) return;
    const event = this.#commit;
    this.#commit = undefined;
    this.#host.append(event);
  }

  /** A refusal that no rule can follow is not the flow's to hear: a person decides what the step's end is. */
  #isParked(event: TransactionEvent): boolean {
    if (event.kind !== "refused") return false;
    return this.#host.state()?.branches.find((branch) => branch.name === event.branch)?.phase.kind === "parked";
  }

  /** The flow returned without waiting for this step, and nobody can catch its refusal any more. */
  #leftAlone({ branch, code, details }: Extract<Settlement, { kind: "refused" }>): void {
    this.#host.append({ kind: "roll-back-requested", reason: { kind: "refused", branch, code, ...(details === undefined ? {} : { details }) } });
  }

  #threw(error: unknown): void {
    if (this.#over || error instanceof Abandoned) return;
    const again = this.#thrown !== undefined;
    this.#thrown = { error };
    const state = this.#host.state();
    if (state === undefined || (again && (state.halted !== undefined || !pivotDone(state.branches)))) return;
    if (error instanceof Pause) return this.#host.append({ kind: "parked", reason: "paused", detail: textOf(error.reason) });
    if (pivotDone(state.branches)) return this.#host.append({ kind: "parked", reason: "flow-threw-after-pivot", detail: textOf(error) });
    if (!(error instanceof Refused)) {
      return this.#host.append({ kind: "roll-back-requested", reason: { kind: "flow-threw", error: textOf(error) } });
    }
    const branch = this.#refusals.get(error);
    const why = { code: textOf(error.code), ...journaledDetails(error.details, this.#host.payloadBytesMax) };
    const reason = branch === undefined ? { kind: "refused-by-flow" as const, ...why } : { kind: "refused" as const, branch, ...why };
    this.#host.append({ kind: "roll-back-requested", reason });
  }

  /** Never guesses: a flow that no longer matches its journal waits for a person, with the step named. */
  #changed(detail: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#host.append({ kind: "parked", reason: "flow-changed", detail });
  }
}

/** A refusal that was parked, and that a person decided about since. */
function isOverruled(event: TransactionEvent, later: readonly TransactionEvent[]): boolean {
  return event.kind === "refused" && later.some((it) => it.kind === "operator-decided" && it.branch === event.branch);
}

function settlementOf(event: TransactionEvent): Settlement | undefined {
  switch (event.kind) {
    case "done":
      return event.op === "action" || event.op === "try" || event.op === "wake" ? { kind: "done", branch: event.branch, result: event.result } : undefined;
    case "refused":
      return event.op === "action" || event.op === "try" ? { kind: "refused", branch: event.branch, code: event.code, details: event.details } : undefined;
    case "operator-decided":
      if (event.branch === undefined || event.verdict === "retry") return undefined;
      if (event.verdict === "refused") return { kind: "refused", branch: event.branch, code: "operator", details: undefined };
      return { kind: "done", branch: event.branch, result: event.result };
    case "started":
    case "registered":
    case "attempted":
    case "pending":
    case "emitted":
    case "recorded":
    case "roll-back-requested":
    case "commit-requested":
    case "deadline-reached":
    case "decided":
    case "parked":
    case "recovered":
      return undefined;
  }
}

